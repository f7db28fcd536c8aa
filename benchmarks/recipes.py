"""Minutes and memory of the recipes for public models, measured on random models of exactly their shapes.

    python benchmarks/recipes.py                                 every recipe below, each in its own process
    python benchmarks/recipes.py gpt2-clt --steps 8              one of them
    python benchmarks/recipes.py gemma-2-2b-transcoder --layers 12 --keep folder-for-models

No weights of others are needed: how long a step takes does not depend on what they say. A model is written from its
public configuration, tensor by tensor, and opened as any folder is; ids are drawn at random, so tokenising is not in
the figures. Reading is timed on some forward passes of the recipe's sites, which end behind the last layer that is
wanted; training on some steps of the recipe's batch on those activations, drawn again and again, the first two left
out. Both are CPU seconds of one thread. Then minutes per million tokens are calculated from the two rates, not waited
for: 10^6 / 60 (1 / reading + 1 / training). Memory is the peak of resident memory beyond what Python and torch hold,
and how much of what is resident at the end are pages of the model's file: a model that is opened in the type of its
file is mapped, and those pages can be given up when memory is short.
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from measure import Measured, resident
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from gearscope.activations.harvest import passes
from gearscope.dictionaries.training.config import layout_of
from gearscope.dictionaries.training.train import train
from gearscope.models.load import open_model
from gearscope.models.model import Model
from gearscope.recipes.config import RECIPES, Recipe
from gearscope.threads import one_thread

SHAPES: dict[str, dict[str, Any]] = {
    "openai-community/gpt2": {"model_type": "gpt2", "dtype": "float32"},
    "google/gemma-2-2b": {
        "model_type": "gemma2",
        "dtype": "float32",
        "vocab_size": 256000,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
    },
    "Qwen/Qwen3-0.6B": {
        "model_type": "qwen3",
        "dtype": "bfloat16",
        "vocab_size": 151936,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "tie_word_embeddings": True,
    },
}
"""Configurations by name on the hub; what is not said is the default of the family. `dtype`: of the published file."""
FILE_BYTES = 2_000_000_000


def write_model(folder: Path, shape: dict[str, Any]) -> None:
    """A folder like a published one: normal weights (standard deviation 0.02), norms and biases at their start."""
    config = AutoConfig.for_model(**shape)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config)
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    drawn = 0.02 * torch.randn(2**22 + 3, generator=torch.Generator().manual_seed(0))
    kind, tied = getattr(torch, shape["dtype"]), empty.config.tie_word_embeddings
    held: dict[str, Tensor] = {}
    files: dict[str, str] = {}

    def flush() -> None:
        if held:
            name = f"model-{len(set(files.values())) + 1:05d}.safetensors"
            save_file(held, folder / name, metadata={"format": "pt"})
            files.update(dict.fromkeys(held, name))
            held.clear()

    for name, tensor in empty.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        held[name] = _weight(name, tensor.shape, shape["model_type"], drawn).to(kind)
        if sum(one.nbytes for one in held.values()) > FILE_BYTES:
            flush()
    flush()
    index = {"metadata": {}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _weight(name: str, size: torch.Size, family: str, drawn: Tensor) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(size)
    if "norm" in name or ".ln_" in name:
        return torch.zeros(size) if family == "gemma2" else torch.ones(size)
    return drawn.repeat(-(-size.numel() // len(drawn)))[: size.numel()].reshape(size)


class Again:
    """The same activations, drawn again and again. Fulfils `dictionaries.training.train.Source`."""

    fingerprint = "again"

    def __init__(self, acts: Tensor, laps: list[float]) -> None:
        self._acts, self._laps = acts, laps
        self._draw = torch.Generator().manual_seed(0)

    def sample(self) -> Tensor:
        return self._acts

    def take(self, n_tokens: int) -> Tensor:
        taken = self._acts[torch.randint(len(self._acts), (n_tokens,), generator=self._draw)]
        self._laps.append(time.process_time())
        return taken

    def place(self) -> str:
        return ""

    def go_to(self, place: str) -> None:
        raise NotImplementedError


def read(model: Model, recipe: Recipe, tokens: int) -> tuple[Tensor, float]:
    """Activations of some windows, and tokens per CPU second."""
    layout = layout_of(recipe.training, model.n_layers)
    context = recipe.reading.context or 128
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(model.vocab_size, (math.ceil(tokens / (context - 1)), context), generator=draw)
    stream = passes(model, ids, layout.sites, pass_tokens=recipe.reading.pass_tokens)
    parts = [next(stream)]
    begin = time.process_time()
    parts += stream
    return torch.cat(parts), sum(map(len, parts[1:])) / (time.process_time() - begin)


def measured(name: str, folder: Path, changes: dict[str, Any], tokens: int, steps: int) -> dict[str, Any]:
    """One recipe: rates, memory, and the minutes that follow."""
    recipe = RECIPES[name].changed(changes)
    recipe = recipe.changed({"tokens": steps * recipe.training.batch_tokens})
    laps: list[float] = []
    files = resident("RssFile")
    with one_thread(), torch.inference_mode(), Measured() as whole, tempfile.TemporaryDirectory() as scratch:
        model = open_model(folder)
        whole.mark("open")
        layout = layout_of(recipe.training, model.n_layers)
        acts, reading = read(model, recipe, tokens)
        train(recipe.training, layout, Again(acts, laps), [acts], Path(scratch) / "run")
        mapped = resident("RssFile") - files
    spans = sorted(after - before for before, after in pairwise(laps[2:]))
    training = recipe.training.batch_tokens / spans[len(spans) // 2]
    return {
        "recipe": name,
        "layers": "all" if recipe.training.layers is None else list(recipe.training.layers),
        "open_seconds": whole.found()["open"],
        "read_per_second": reading,
        "train_per_second": training,
        "minutes_per_million": 1e6 / 60 * (1 / reading + 1 / training),
        "peak_mib": whole.extra_mib,
        "mapped_mib": mapped,
        "features": recipe.training.n_features,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    known = [name for name, recipe in RECIPES.items() if recipe.model in SHAPES]
    parser.add_argument("recipes", nargs="*", choices=[*known, []], default=known)
    parser.add_argument("--layers", type=int, nargs="+", help="these layers instead of the recipe's")
    parser.add_argument("--features", type=int, help="so many instead of the recipe's, where memory is short")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens that are read")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--keep", type=Path, help="write models here, and leave them")
    return parser.parse_args()


COLUMNS = {"recipe": 24, "layers": 8, "features": 9, "read/s": 9, "train/s": 9}
COLUMNS |= {"min per M": 10, "peak GiB": 9, "mapped": 7, "open s": 7}
"""Titles, and how wide they are printed."""


def line(row: dict[str, Any]) -> list[str]:
    return [
        *(row["recipe"], str(row["layers"]), f"{row['features']:,}"),
        *(f"{row['read_per_second']:,.0f}", f"{row['train_per_second']:,.0f}", f"{row['minutes_per_million']:,.0f}"),
        *(f"{row['peak_mib'] / 1024:.1f}", f"{row['mapped_mib'] / 1024:.1f}", f"{row['open_seconds']:.0f}"),
    ]


def show(cells: Iterable[str]) -> None:
    print("".join(f"{cell:>{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True)), flush=True)


def main() -> None:
    given = arguments()
    wanted = {"layers": given.layers, "n_features": given.features}
    changes = {setting: value for setting, value in wanted.items() if value is not None}
    show(COLUMNS)
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.recipes:
            shape = str(RECIPES[name].model)
            folder = (given.keep or Path(scratch)) / shape.replace("/", "--")
            if not folder.exists():
                write_model(folder, SHAPES[shape])
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                row = pool.submit(measured, name, folder, changes, given.tokens, given.steps).result()
            show(line(row))


if __name__ == "__main__":
    main()
