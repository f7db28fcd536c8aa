"""Recovery of planted features: gearscope's trainers beside those of other programs, and two references.

    python benchmarks/planted.py                              three seeds, 1 M tokens; three environments in build/
    python benchmarks/planted.py --peer saelens=PYTHON ...    environments that are there already
    python benchmarks/planted.py --no-peers --tokens 100000 --seeds 0
    python benchmarks/planted.py --read                       the table of the runs that are done

Every trainer reads the same tokens in the same order, with the same number of latents, active latents per token, warm-
up and decay. gearscope runs as its recipe says; the others with each of `--peer-rates` at each of `--peer-batches`, and
what counts is the setting with the highest MCC, mean over its seeds. All are scored by `gearscope.planted` twice: with
k active latents per token exactly, chosen as their training chose them (per token, or over all held-out tokens), and as
stored. SAELens' own scores of its SAEs are compared with ours. CPU seconds are those of training alone. One thread.

Every run becomes a line of `--out` when it is done, and is not done again: a killed comparison goes on where it was.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import torch
from measure import Measured
from peer import environment
from planted_shared import TOLD
from planted_table import Run, read, table
from planted_world import Stored, World, dump, scored, world_of
from training import PEERS

from gearscope.dictionaries.store import read_dictionaries
from gearscope.dictionaries.training.config import layout_of
from gearscope.dictionaries.training.train import train
from gearscope.planted.config import PLANTED
from gearscope.planted.recovery import score
from gearscope.planted.references import planted_like, random_like
from gearscope.threads import one_thread

PREFIXES = (64, 160, 320, 512)
"""Of Matryoshka, for everyone."""
OURS: dict[str, dict[str, Any]] = {
    "batchtopk": {"selection": "batch_top_k"},
    "topk": {"selection": "top_k"},
    "matryoshka": {"selection": "batch_top_k", "prefixes": PREFIXES},
    "jumprelu": {"selection": "jumprelu"},
}
ARCHITECTURES = {
    "saelens": ("batchtopk", "topk", "matryoshka"),
    "dictionary_learning": ("batchtopk", "topk", "matryoshka", "jumprelu"),
    "sparsify": ("topk, signum", "topk, adam"),
}
HELD_OUT_TOKENS = 32_768
SHARED = ("n_features", "k", "warmup", "decay", "dead_after", "seed")
"""Settings that all trainers get."""


def ours(world: World, architecture: str, folder: Path) -> Iterator[Run]:
    """One of our dictionaries, and the references beside the first."""
    training = world.recipe.changed(OURS[architecture]).training
    seed, tokens, place = training.seed, training.tokens, folder / f"ours-{architecture}"
    with Measured() as measured:
        made = train(training, layout_of(training, 1), Stored(world.tokens), world.fitted, place, model="planted")
    found = scored(world, made, architecture)
    yield Run("gearscope", architecture, "recipe", seed, tokens, found, measured.cpu_seconds, {})
    if architecture != next(iter(OURS)):
        return
    random, planted = random_like(made, world.truth, [found["exact"].l0], seed), planted_like(made, world.truth)
    for name, reference in (("random", random), ("planted", planted)):
        one = score(world.truth, reference, drawn=world.held_out).dictionaries[0]
        yield Run(name, "", "", seed, tokens, {"exact": one, "stored": one}, None, {})


def peers(name: str, python: str, world: World, data: Path, grid: list[dict[str, Any]]) -> Iterator[Run]:
    """A peer's dictionaries at every setting of the grid, one after the other."""
    training = world.recipe.training
    settings = {name: getattr(training, name) for name in SHARED} | {"prefixes": PREFIXES, "runs": grid}
    script = Path(__file__).with_name(f"planted_{name}.py")
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    alone = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    with TemporaryDirectory() as folder, TemporaryFile("w+") as errors:
        command = [python, str(script), str(data), folder, json.dumps(settings)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=inherited | alone) as run:
            assert run.stdout is not None
            told = (json.loads(line.removeprefix(TOLD)) for line in run.stdout if line.startswith(TOLD))
            for number, (own, one) in enumerate(zip(grid, told, strict=False)):
                found = scored(world, read_dictionaries(Path(folder) / str(number)), own["architecture"])
                theirs = one.get("own", {})
                apart = {score: abs(theirs[score] - getattr(found["stored"], score)) for score in theirs}
                setting, seconds = setting_of(own), one["cpu_seconds"]
                yield Run(name, own["architecture"], setting, training.seed, training.tokens, found, seconds, apart)
        if run.returncode:
            errors.seek(0)
            raise SystemExit(f"{script.name} failed:\n{errors.read()[-3000:]}")


def setting_of(own: dict[str, Any]) -> str:
    """A setting of the grid in words."""
    rate = "own rate" if own["learning_rate"] is None else f"rate {own['learning_rate']:g}"
    return f"{rate}, batch {own['batch_tokens']}"


def grid_of(name: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """What is asked of a peer."""
    rates = [None if rate == "own" else float(rate) for rate in asked.peer_rates]
    return [
        {"architecture": architecture, "learning_rate": rate, "batch_tokens": batch}
        for rate in rates
        for batch in asked.peer_batches
        for architecture in ARCHITECTURES[name]
    ]


def pythons_of(asked: argparse.Namespace) -> dict[str, str]:
    """A Python for each peer; environments that nobody named are made."""
    if asked.no_peers:
        return {}
    named = dict(given.split("=", 1) for given in asked.peer)
    return {name: named.get(name) or environment(Path("build") / name, PEERS[name], name) for name in asked.only}


def missing(seed: int, asked: argparse.Namespace, pythons: dict[str, str], done: list[Run]) -> Iterator[Run]:
    """The runs of a seed that are not done yet."""
    have = {(one.program, one.architecture, one.setting) for one in done if one.seed == seed}
    grids = {
        name: [own for own in grid_of(name, asked) if (name, own["architecture"], setting_of(own)) not in have]
        for name in pythons
    }
    left = [architecture for architecture in OURS if ("gearscope", architecture, "recipe") not in have]
    if not left and not any(grids.values()):
        return
    changes = {"world_seed": seed, "seed": seed, "tokens": asked.tokens, "held_out_tokens": HELD_OUT_TOKENS}
    with TemporaryDirectory() as folder, one_thread(), torch.inference_mode():
        world, data = world_of(PLANTED["sae"].changed(changes)), Path(folder) / "data.safetensors"
        for architecture in left:
            yield from ours(world, architecture, Path(folder))
        if any(grids.values()):
            dump(world, data)
        for name, grid in grids.items():
            if grid:
                yield from peers(name, pythons[name], world, data, grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--peer", action="append", default=[], help="NAME=PYTHON, again for more")
    parser.add_argument("--only", nargs="+", default=list(ARCHITECTURES), help="these peers alone")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--peer-rates", nargs="+", default=["3e-3", "1e-3", "own"], help="own: the program's choice")
    parser.add_argument("--peer-batches", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--out", type=Path, default=Path("build/planted.jsonl"), help="a line for each run")
    parser.add_argument("--read", action="store_true", help="only print the table of what is done")
    asked = parser.parse_args()
    done = read(asked.out, asked.tokens)
    if not asked.read:
        pythons = pythons_of(asked)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        for seed in asked.seeds:
            for run in missing(seed, asked, pythons, done):
                done.append(run)
                with asked.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(run.to_json()) + "\n")
                print(f"seed {seed}: {run.program} {run.architecture} {run.setting}", file=sys.stderr, flush=True)
    print(table([one for one in done if one.seed in asked.seeds]))


if __name__ == "__main__":
    main()
