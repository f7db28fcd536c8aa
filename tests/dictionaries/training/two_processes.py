"""Run by `torchrun` from `test_shards.py`: trains with the features divided, and keeps what each process saw.

two_processes.py FOLDER SETTINGS.json [STOP_AT]
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from gearscope.dictionaries.training.codes import codes_of
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.gradient import take_gradient
from gearscope.dictionaries.training.shards import Shards, started
from gearscope.dictionaries.training.train import train
from gearscope.dictionaries.training.weights import begin_selection, first_weights, scaling_of
from tests.oracles.planted_activations import FixedSource, planted


class StopError(Exception):
    pass


def one_step(folder: Path, config: TrainingConfig, shards: Shards) -> None:
    """Codes, loss and gradients of one batch, all features of them, as `step.RANK.safetensors`."""
    layout = layout_of(config, 2 if config.kind == "clt" else 1)
    acts = planted(256, sites=len(layout.sites))
    scaling = scaling_of(acts)
    x, y = scaling.read(acts), scaling.written(acts)[:, list(layout.targets)]
    weights = first_weights(layout, scaling.written(acts), torch.Generator().manual_seed(0))
    begin_selection(weights, config, x)
    weights = weights.block(*shards.block(config.n_features)) if shards.count > 1 else weights
    step, F = config.steps - 1, len(weights.coders[0].b_enc)
    dead = [torch.zeros(F, dtype=torch.bool)] * len(weights.coders)
    found = {"loss": take_gradient(weights, x, y, config, [None] * len(weights.coders), dead, step, None, shards).loss}
    for number, coder in enumerate(weights.coders):
        codes, _ = codes_of(coder, x, config, config.k, None, shards)
        dense = torch.zeros(F, len(x))
        dense[codes.pattern.columns, codes.pattern.rows] = codes.values
        found[f"codes.{number}"] = shards.whole(dense)
    divided = {id(tensor) for tensor in weights.divided()}
    for name, tensor in weights.named().items():
        assert tensor.grad is not None
        found[f"gradient.{name}"] = shards.whole(tensor.grad) if id(tensor) in divided else tensor.grad
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder / f"step.{shards.rank}.safetensors")


def main(folder: Path, config: TrainingConfig, stop_at: int | None) -> None:
    shards, losses = started(), []
    one_step(folder, config, shards)

    def note(at) -> None:
        losses.append(at.loss)
        if stop_at is not None and at.tokens_done >= stop_at:
            raise StopError

    layout = layout_of(config, 2 if config.kind == "clt" else 1)
    acts = planted(3000, sites=len(layout.sites))
    held_out = [planted(500, sites=len(layout.sites))]
    try:
        resume = any((folder / "run").glob("checkpoint*"))
        made = train(
            config, layout, FixedSource(acts), held_out, folder / "run", progress=note, resume=resume, shards=shards
        )
        tensors = {f"{i}.{n}": t for i, d in enumerate(made.dictionaries) for n, t in d.tensors().items()}
        save_file(tensors, folder / f"made.{shards.rank}.safetensors")
    except StopError:
        pass
    (folder / f"losses.{shards.rank}.json").write_text(json.dumps(losses))
    if shards.count > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    settings = TrainingConfig.from_json(Path(sys.argv[2]).read_text())
    main(Path(sys.argv[1]), settings, int(sys.argv[3]) if len(sys.argv) > 3 else None)
