"""sparsify in `planted.py`: topk, with signum, its default, and with adam. See `planted_shared.py`.

The model that its trainer always runs is a table of the stored activations, as in `training_sparsify.py`. It has a
schedule of its own: linear to 0 with adam, none with signum. Made for eai-sparsify 1.3.3.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from planted_shared import Settings, n_steps, run
from sparsify import SparseCoderConfig, TrainConfig, Trainer
from training_sparsify import WINDOW, Table


def train(acts: torch.Tensor, settings: Settings) -> Path:
    size, steps = settings["batch_tokens"], n_steps(acts, settings)
    ids, scratch = torch.arange(steps * size).view(-1, WINDOW), tempfile.mkdtemp()
    trainer = Trainer(
        TrainConfig(
            sae=SparseCoderConfig(num_latents=settings["n_features"], k=settings["k"]),
            batch_size=size // WINDOW,
            optimizer=settings["architecture"].removeprefix("topk, "),
            lr=settings["learning_rate"],
            lr_warmup_steps=int(settings["warmup"] * steps),
            dead_feature_threshold=settings["dead_after"],
            init_seeds=[settings["seed"]],
            hookpoints=["site"],
            save_every=10**9,
            save_dir=scratch,
            log_to_wandb=False,
        ),
        Dataset.from_dict({"input_ids": ids}).with_format("torch"),
        Table(acts),
    )
    trainer.fit()
    return Path(scratch)


def store(scratch: Path, folder: Path, data: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What the trainer stored: of signum, the averaged weights. The site gets a name that says what it is."""
    (written,) = scratch.rglob("sae.safetensors")
    shutil.copytree(written.parent, folder / "layers.0")
    shutil.rmtree(scratch)
    return {}


if __name__ == "__main__":
    run(train, store)
