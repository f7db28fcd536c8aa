"""What every trainer's process in `training.py` does alike, in whatever environment it runs: no gearscope here.

    python benchmarks/training_NAME.py FOLDER OUT.safetensors SETTINGS

FOLDER is what `training_data.py` made. SETTINGS is JSON: case (topk, batchtopk, clt, live), n_features, k, batch,
learning_rate, steps. The learning rate falls linearly from its value to 0, without warm-up; Adam(0.9, 0.999). OUT gets
the trained weights under common names, acting on the stored activations: dictionary c reads x_c and adds to the targets
c, c + 1, ... side by side

    W_enc.c [F, D]    b_enc.c [F]    W_dec.c [F, targets x D]    b_dec [all targets, D]

The last line printed is JSON: what `measure.Laps` found.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from measure import Laps
from safetensors.torch import load_file, save_file


def begin() -> tuple[Path, Path, dict[str, Any]]:
    """The arguments. What torch loads at the first step of an optimiser is loaded here, before anything is measured."""
    torch.set_num_threads(1)
    folder, out, settings = sys.argv[1:]
    weight = torch.zeros(8, 8, requires_grad=True)
    optimizer = torch.optim.Adam([weight])
    (weight @ weight).sum().backward()
    optimizer.step()
    return Path(folder), Path(out), json.loads(settings)


def training_tokens(folder: Path, kind: str, settings: dict[str, Any]) -> torch.Tensor:
    """The activations that are trained on, in their order: sae [N, D], or clt [N, reads and writes, D]."""
    stored = load_file(folder / f"{kind}.safetensors")["train"]
    return stored[: settings["steps"] * settings["batch"]].clone()


def first(folder: Path, settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights before the first step, for everyone: rows of W_dec of norm 1, W_enc along them, b_dec the mean."""
    return load_file(folder / f"{settings['case']}_first.safetensors")


def batches(acts: torch.Tensor, settings: dict[str, Any], laps: Laps) -> Iterator[torch.Tensor]:
    """One batch after another, marked where each is asked for; from the beginning again after the last."""
    while True:
        for batch in acts.split(settings["batch"]):
            laps.mark()
            yield batch


def finish(out: Path, weights: dict[str, torch.Tensor], found: dict[str, Any]) -> None:
    """Write the weights, print what was measured."""
    save_file({name: tensor.detach().float().contiguous() for name, tensor in weights.items()}, out)
    print(json.dumps(found))
