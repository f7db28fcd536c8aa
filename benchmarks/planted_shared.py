"""What every peer's process in `planted.py` does alike, in whatever environment it runs: no gearscope here.

    python benchmarks/planted_NAME.py DATA.safetensors OUT SETTINGS

DATA holds `train` [N, D], which is read once in its order. SETTINGS is JSON: n_features, k, warmup and decay (shares of
the steps), dead_after (tokens), prefixes (of Matryoshka), seed, and `runs`: a list of settings of their own, each with
architecture, batch_tokens and learning_rate (null for what the program chooses by itself). Everything else is the
program's default. OUT/NUMBER becomes a folder in the program's own format for each run, and then a line is printed that
begins with TOLD and goes on as JSON: CPU seconds, of training alone, and what else a program told.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from measure import Measured
from safetensors.torch import load_file

TOLD = "TOLD "
Settings = dict[str, Any]
Train = Callable[[torch.Tensor, Settings], Any]
"""From tokens and settings to whatever `store` takes."""
Store = Callable[[Any, Path, dict[str, torch.Tensor]], dict[str, Any]]
"""Writes a folder, and tells what the program says of its dictionary."""


def batches(acts: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """One batch after another; trainers stop by themselves, and what they read beyond the end begins anew."""
    while True:
        for batch in acts.split(size)[: len(acts) // size]:
            yield batch.clone()


def n_steps(acts: torch.Tensor, settings: Settings) -> int:
    return len(acts) // settings["batch_tokens"]


def run(train: Train, store: Store) -> None:
    """All runs that are asked for."""
    torch.set_num_threads(1)
    data, out, asked = load_file(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    for number, own in enumerate(asked.pop("runs")):
        settings = asked | own
        torch.manual_seed(settings["seed"])
        with Measured() as measured:
            made = train(data["train"], settings)
        told = {"cpu_seconds": measured.cpu_seconds} | store(made, out / str(number), data)
        print("\n" + TOLD + json.dumps(told), flush=True)
