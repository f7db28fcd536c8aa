"""sparsify in `training.py`: its `Trainer`, which always runs a model. See `training_shared.py`.

    topk    the model is a table: token n is the n-th stored activation, so that the trainer itself runs on stored ones
    live    the language model in FOLDER, at the residual stream after block 2

Made for eai-sparsify 1.3.3, with Adam instead of its default, as all others have it.
"""

import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from measure import Laps
from safetensors.torch import load_file
from sparsify import SparseCoderConfig, TrainConfig, Trainer
from training_shared import begin, finish, first, training_tokens
from transformers import AutoModelForCausalLM

WINDOW = 128


class Table(torch.nn.Module):
    """Stands where a language model is expected: what it computes at `site` is looked up."""

    device = torch.device("cpu")

    def __init__(self, acts: torch.Tensor) -> None:
        super().__init__()
        self.site = torch.nn.Embedding.from_pretrained(acts)
        self.base_model = _Itself(self)

    @property
    def dummy_inputs(self) -> dict[str, torch.Tensor]:
        return {"input_ids": torch.arange(8)[None]}

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.site(input_ids)


class _Itself:
    """The model as its own base, without being a submodule of itself."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.named_modules, self.get_submodule = model.named_modules, model.get_submodule


def train(model: Any, site: str, ids: torch.Tensor, settings: dict[str, Any], scratch: str) -> Trainer:
    return Trainer(
        TrainConfig(
            sae=SparseCoderConfig(num_latents=settings["n_features"], k=settings["k"]),
            batch_size=settings["batch"] // WINDOW,
            optimizer="adam",
            lr=settings["learning_rate"],
            lr_warmup_steps=0,
            hookpoints=[site],
            save_every=10**9,
            save_dir=scratch,
            log_to_wandb=False,
        ),
        Dataset.from_dict({"input_ids": ids}).with_format("torch"),
        model,
    )


def main() -> None:
    folder, out, settings = begin()
    n_tokens = settings["steps"] * settings["batch"]
    start, site = first(folder, settings), "site" if settings["case"] == "topk" else "h.2"
    if settings["case"] == "topk":
        model, ids = Table(training_tokens(folder, "sae", settings)), torch.arange(n_tokens).view(-1, WINDOW)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder / "model")
        ids = load_file(folder / "ids.safetensors")["ids"][: n_tokens // WINDOW]
    laps = Laps()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = train(model, site, ids, settings, str(Path(scratch) / "run"))
        sae = trainer.saes[site]
        sae.encoder.weight.data.copy_(start["W_enc.0"])
        sae.W_dec.data.copy_(start["W_dec.0"])
        model.register_forward_pre_hook(lambda *_: laps.mark())
        trainer.fit()
        found = laps.found()
    with torch.no_grad():
        weights = {
            "W_enc.0": sae.encoder.weight,
            "b_enc.0": sae.encoder.bias - sae.encoder.weight @ sae.b_dec,
            "W_dec.0": sae.W_dec,
            "b_dec": sae.b_dec[None],
        }
    finish(out, weights, found)


if __name__ == "__main__":
    main()
