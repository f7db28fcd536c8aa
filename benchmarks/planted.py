"""Recovery of planted features: gearscope's trainer beside SAELens', a random dictionary and the planted one.

    python benchmarks/planted.py                       three seeds, 1 M tokens; makes SAELens' environment in build/
    python benchmarks/planted.py --peer PYTHON         an environment that is there already
    python benchmarks/planted.py --no-peer --tokens 100000 --seeds 1

Every trainer reads the same tokens in the same order, with the same number of latents, active latents per token, batch
and schedule. gearscope runs at its recipe's learning rate; SAELens at each of `--peer-rates`, of which the one with the
lowest NMSE counts, per seed. All are scored by `gearscope.planted`; SAELens' own scores of its SAEs are compared with
ours. CPU seconds are those of training alone, without the drawing of tokens. One thread.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from peer import environment
from safetensors.torch import save_file

from gearscope.dictionaries.store import read_dictionaries
from gearscope.dictionaries.training.config import layout_of
from gearscope.planted.config import PLANTED, PlantedRecipe
from gearscope.planted.recovery import score
from gearscope.planted.report import Recovery, mean_of
from gearscope.planted.run import scores_of, train_on
from gearscope.planted.stream import HELD_OUT, PlantedStream, blocks
from gearscope.planted.truth import Truth, plant
from gearscope.threads import one_thread

PINS = ("sae-lens==6.54.12", "torch==2.13.0", "transformers==4.56.2", "transformer-lens==2.17.0")
PEER_FOLDER = Path("build/saelens")
_SCRIPT = Path(__file__).with_name("saelens_planted.py")
SELECTIONS = {"batchtopk": "batch_top_k", "topk": "top_k"}
COMPARED = ("mcc", "uniqueness", "f1_by_latent", "l0")
COLUMNS = {
    "mcc": ".3f",
    "f1": ".3f",
    "f1_by_latent": ".3f",
    "uniqueness": ".3f",
    "absorption": ".3f",
    "missed": ".3f",
    "dead": ".3f",
    "nmse": ".3f",
    "l0": ".2f",
}
Row = tuple[Recovery, float | None]
"""Scores and CPU seconds."""


def dump(truth: Truth, recipe: PlantedRecipe, path: Path) -> None:
    """The tokens that our trainer reads, in their order, and held-out ones with their truth."""
    sites = layout_of(recipe.training, truth.config.n_layers).sites
    acts = PlantedStream(truth, sites).take(recipe.training.steps * recipe.training.batch_tokens)
    drawn = list(blocks(truth, HELD_OUT, recipe.training.held_out_tokens))
    held_out = {"held_out": torch.cat([b.acts[:, 0] for b in drawn]), "codes": torch.cat([b.codes for b in drawn])}
    tensors = held_out | {"train": acts[:, 0], "directions": truth.directions[:, 0]}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def ours(truth: Truth, recipe: PlantedRecipe, folder: Path) -> Iterator[tuple[str, Row]]:
    """Both selections, and the references beside the first."""
    tokens, seed = recipe.training.held_out_tokens, recipe.training.seed
    drawing = -time.process_time()
    PlantedStream(truth, truth.sites).take(recipe.training.steps * recipe.training.batch_tokens)
    drawing += time.process_time()
    for peer_name, selection in SELECTIONS.items():
        begin = time.process_time()
        made = train_on(truth, recipe.changed({"selection": selection}), folder / f"ours-{peer_name}")
        seconds = time.process_time() - begin - drawing
        if selection == "batch_top_k":
            found = scores_of(truth, made, seed, tokens=tokens)
            yield f"gearscope {peer_name}", (found.trained.dictionaries[0], seconds)
            yield "random", (found.random.dictionaries[0], None)
            yield "planted", (found.planted.dictionaries[0], None)
        else:
            yield f"gearscope {peer_name}", (score(truth, made, tokens=tokens).dictionaries[0], seconds)


def peers(
    python: str, truth: Truth, recipe: PlantedRecipe, folder: Path, rates: list[float], apart: dict[str, float]
) -> Iterator[tuple[str, Row]]:
    """SAELens' SAEs at their best rate; `apart` collects how far its own scores are from ours, at most."""
    data = folder / "data.safetensors"
    dump(truth, recipe, data)
    for architecture in SELECTIONS:
        found: list[Row] = []
        for rate in rates:
            out = folder / f"saelens-{architecture}-{rate:g}"
            told = _run_peer(
                python, data, out, architecture, recipe.training.model_copy(update={"learning_rate": rate})
            )
            row = score(truth, read_dictionaries(out), tokens=recipe.training.held_out_tokens).dictionaries[0]
            found.append((row, told["cpu_seconds"]))
            for name in COMPARED:
                apart[name] = max(apart.get(name, 0.0), abs(told["own"][name] - getattr(row, name)))
        yield f"SAELens {architecture}", min(found, key=lambda one: one[0].nmse)


def _run_peer(python: str, data: Path, out: Path, architecture: str, training: Any) -> dict[str, Any]:
    names = ("n_features", "k", "batch_tokens", "learning_rate", "warmup", "decay", "seed")
    settings = json.dumps({name: getattr(training, name) for name in names})
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    alone = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [python, str(_SCRIPT), str(data), str(out), architecture, settings]
    done = subprocess.run(command, capture_output=True, text=True, env=inherited | alone)
    if done.returncode:
        raise SystemExit(f"{_SCRIPT.name} failed on {architecture}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def show(rows: dict[str, list[Row]], apart: dict[str, float]) -> None:
    """Means over seeds, and the range of MCC and F1."""
    print(f"{'':<20}" + "".join(f"{name:>13}" for name in (*COLUMNS, "CPU s", "MCC range", "F1 range")))
    for name, found in rows.items():
        cells = []
        for column, form in COLUMNS.items():
            value = mean_of([getattr(one, column) for one, _ in found])
            cells.append("-" if value is None else format(value, form))
        seconds = mean_of([cost for _, cost in found])
        cells.append("-" if seconds is None else f"{seconds:.1f}")
        for column in ("mcc", "f1"):
            values = [getattr(one, column) for one, _ in found]
            cells.append(f"{min(values):.3f}-{max(values):.3f}")
        print(f"{name:<20}" + "".join(f"{cell:>13}" for cell in cells))
    if apart:
        told = ", ".join(f"{name} {value:.1e}" for name, value in apart.items())
        print(f"SAELens' own scores of its SAEs and ours differ by at most: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--peer", help="a Python that has SAELens")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--peer-rates", type=float, nargs="+", default=[1e-3, 3e-3])
    parser.add_argument("--out", type=Path, help="write every score as JSON")
    asked = parser.parse_args()
    python = None if asked.no_peer else asked.peer or environment(PEER_FOLDER, PINS, "SAELens")
    rows: dict[str, list[Row]] = {}
    apart: dict[str, float] = {}
    for seed in range(asked.seeds):
        recipe = PLANTED["sae"].changed({"world_seed": seed, "seed": seed, "tokens": asked.tokens})
        truth = plant(recipe.world)
        with TemporaryDirectory() as folder, one_thread(), torch.inference_mode():
            found = list(ours(truth, recipe, Path(folder)))
            if python is not None:
                found += peers(python, truth, recipe, Path(folder), asked.peer_rates, apart)
        for name, row in found:
            rows.setdefault(name, []).append(row)
        print(f"seed {seed} done", file=sys.stderr, flush=True)
    show(rows, apart)
    if asked.out is not None:
        told = {
            name: [one.model_dump(mode="json") | {"cpu_seconds": cost} for one, cost in found]
            for name, found in rows.items()
        }
        asked.out.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
