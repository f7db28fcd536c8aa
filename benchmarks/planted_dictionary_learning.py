"""dictionary_learning in `planted.py`: topk, batchtopk, matryoshka and jumprelu. See `planted_shared.py`.

Activations are normalised, as its authors advise. Its trainers wait 1,000 steps for a threshold and 10 M tokens until a
latent is dead, which is longer than such a run: here half of the steps, and `dead_after`. Made for dictionary-learning
0.1.0.
"""

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from dictionary_learning.trainers import BatchTopKTrainer, TopKTrainer
from dictionary_learning.trainers.jumprelu import JumpReluTrainer
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer
from dictionary_learning.training import trainSAE
from planted_shared import Settings, batches, n_steps, run

TRAINERS = {
    "topk": TopKTrainer,
    "batchtopk": BatchTopKTrainer,
    "matryoshka": MatryoshkaBatchTopKTrainer,
    "jumprelu": JumpReluTrainer,
}


def dying_after(trainer: type, tokens: int) -> type:
    """The trainer with another number of tokens, which it takes from nobody."""

    class Short(trainer):
        def __init__(self, **settings: object) -> None:
            super().__init__(**settings)
            self.dead_feature_threshold = tokens

    return Short


class Tokens:
    """Batches that can be read again from the first: its normalisation reads some of them before it trains."""

    def __init__(self, acts: torch.Tensor, size: int) -> None:
        self.acts, self.size = acts, size

    def __iter__(self):
        return batches(self.acts, self.size)


def train(acts: torch.Tensor, settings: Settings) -> Path:
    architecture, steps = settings["architecture"], n_steps(acts, settings)
    config = {
        "trainer": dying_after(TRAINERS[architecture], settings["dead_after"]),
        "steps": steps,
        "activation_dim": acts.shape[1],
        "dict_size": settings["n_features"],
        "layer": 0,
        "lm_name": "planted",
        "submodule_name": "resid_post_layer_0",
        "warmup_steps": int(settings["warmup"] * steps),
        "decay_start": int((1 - settings["decay"]) * steps),
        "seed": settings["seed"],
        "device": "cpu",
    }
    if settings["learning_rate"] is not None:
        config["lr"] = settings["learning_rate"]
    if architecture == "jumprelu":
        config |= {"target_l0": settings["k"], "sparsity_warmup_steps": steps // 2}
    else:
        config |= {"k": settings["k"], "threshold_start_step": steps // 2}
    if architecture == "matryoshka":
        ends = [0, *settings["prefixes"]]
        sizes = [end - begin for begin, end in pairwise(ends)]
        config["group_fractions"] = [size / settings["n_features"] for size in sizes]
    scratch = tempfile.mkdtemp()
    trainSAE(
        Tokens(acts, settings["batch_tokens"]),
        [config],
        steps=steps,
        save_dir=scratch,
        normalize_activations=True,
        device="cpu",
    )
    return Path(scratch) / "trainer_0"


def store(made: Path, folder: Path, data: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The folder that `trainSAE` wrote."""
    shutil.move(made, folder)
    made.parent.rmdir()
    return {}


if __name__ == "__main__":
    run(train, store)
