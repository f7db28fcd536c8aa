"""Recovery of planted features: gearscope's trainers beside those of other programs, and two references.

    python benchmarks/planted.py                              three seeds, 1 M tokens; three environments in build/
    python benchmarks/planted.py --peer saelens=PYTHON ...    environments that are there already
    python benchmarks/planted.py --no-peers --tokens 100000 --seeds 1
    python benchmarks/planted.py --read build/planted.json    the table of runs that are done

Every trainer reads the same tokens in the same order, with the same number of latents, active latents per token, warm-
up and decay. gearscope runs as its recipe says; the others with each of `--peer-rates` and a rate of their own choice,
at each of `--peer-batches`, and what counts is the setting with the highest MCC, mean over seeds. All are scored by
`gearscope.planted` twice: with k active latents per token exactly, chosen as their training chose them (per token, or
over all held-out tokens), and as stored. SAELens' own scores of its SAEs are compared with ours. CPU seconds are those
of training alone, without the drawing of tokens. One thread.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from measure import Measured
from peer import environment
from planted_table import Run, tables
from safetensors.torch import save_file
from torch import Tensor
from training import PEERS

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.store import read_dictionaries
from gearscope.dictionaries.training.config import layout_of
from gearscope.dictionaries.training.train import train
from gearscope.planted.config import PLANTED, PlantedRecipe
from gearscope.planted.draw import Block
from gearscope.planted.recovery import score
from gearscope.planted.references import planted_like, random_like
from gearscope.planted.report import Recovery
from gearscope.planted.stream import FITTED, HELD_OUT, PlantedStream, blocks
from gearscope.planted.truth import Truth, plant
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
COMPARED = ("mcc", "uniqueness", "f1_by_latent", "l0")
SAMPLE = 4096
"""Tokens from which our trainer takes its scales, as in a planted stream: one block."""
SHARED = ("n_features", "k", "warmup", "decay", "dead_after", "seed")
"""Settings that all trainers get."""


class World(NamedTuple):
    """A planted world with its tokens, drawn once for everyone."""

    truth: Truth
    recipe: PlantedRecipe
    tokens: Float[Tensor, "P M D"]
    fitted: list[Float[Tensor, "P M D"]]
    held_out: list[Block]


class Stored:
    """The tokens as a `Source` of the trainer."""

    fingerprint = "stored"

    def __init__(self, tokens: Float[Tensor, "P M D"]) -> None:
        self._tokens, self._at = tokens, 0

    def sample(self) -> Float[Tensor, "P M D"]:
        return self._tokens[:SAMPLE]

    def take(self, n_tokens: int) -> Float[Tensor, "P M D"]:
        self._at += n_tokens
        return self._tokens[self._at - n_tokens : self._at]

    def place(self) -> str:
        return str(self._at)

    def go_to(self, place: str) -> None:
        self._at = int(place)


def world_of(recipe: PlantedRecipe) -> World:
    """Everything that is drawn for a seed."""
    truth = plant(recipe.world)
    tokens = PlantedStream(truth, truth.sites).take(recipe.training.steps * recipe.training.batch_tokens)
    fitted = [block.acts for block in blocks(truth, FITTED, recipe.training.held_out_tokens)]
    return World(truth, recipe, tokens, fitted, list(blocks(truth, HELD_OUT, recipe.training.held_out_tokens)))


def exact(made: DictionarySet, held_out: list[Block], k: int, *, per_token: bool) -> DictionarySet:
    """The same with exactly k latents per token: the k largest of each, or all above a cut that is moved for it."""
    (one,) = made.dictionaries
    if per_token:
        config = one.config.model_copy(update={"activation": "topk_relu", "k": k})
        return replace(made, dictionaries=(replace(one, config=config, threshold=None),))
    threshold = torch.zeros_like(one.b_enc) if one.threshold is None else one.threshold
    largest, n_tokens = [], 0
    for block in held_out:
        pre = block.acts[:, 0] @ one.W_enc[:, 0].T + one.b_enc
        above = torch.where(pre > 0, pre - threshold, -torch.inf)
        largest.append(above.flatten().topk(min(above.numel(), 8 * k * len(pre))).values)
        n_tokens += len(pre)
    cut = torch.cat(largest).topk(k * n_tokens + 1).values[-1]
    config = one.config.model_copy(update={"activation": "jumprelu", "k": None})
    moved = replace(one, config=config, threshold=(threshold + cut).clamp(min=0))
    return replace(made, dictionaries=(moved,))


def scored(world: World, made: DictionarySet, architecture: str) -> dict[str, Recovery]:
    """Exactly k active, and as stored."""
    alike = exact(made, world.held_out, world.recipe.training.k, per_token=architecture.startswith("topk"))
    forms = {"exact": alike, "stored": made}
    return {name: score(world.truth, form, drawn=world.held_out).dictionaries[0] for name, form in forms.items()}


def dump(world: World, path: Path) -> None:
    """The tokens that our trainer reads, in their order, and held-out ones with their truth."""
    tensors = {
        "train": world.tokens[:, 0],
        "held_out": torch.cat([block.acts[:, 0] for block in world.held_out]),
        "codes": torch.cat([block.codes for block in world.held_out]),
        "directions": world.truth.directions[:, 0],
    }
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def ours(world: World, folder: Path) -> Iterator[Run]:
    """Every architecture, and the references beside the first."""
    truth, seed = world.truth, world.recipe.training.seed
    for architecture, changes in OURS.items():
        training = world.recipe.changed(changes).training
        layout, place = layout_of(training, 1), folder / f"ours-{architecture}"
        with Measured() as measured:
            made = train(training, layout, Stored(world.tokens), world.fitted, place, model="planted")
        found = scored(world, made, architecture)
        yield Run("gearscope", architecture, "recipe", seed, found, measured.cpu_seconds)
        if architecture == "batchtopk":
            references = {
                "random": random_like(made, truth, [found["exact"].l0], seed),
                "planted": planted_like(made, truth),
            }
            for name, reference in references.items():
                one = score(truth, reference, drawn=world.held_out).dictionaries[0]
                yield Run(name, "", "", seed, {"exact": one, "stored": one}, None)


def peers(
    name: str, python: str, world: World, data: Path, asked: argparse.Namespace
) -> Iterator[tuple[Run, dict[str, float]]]:
    """A peer's dictionaries at every setting; and how far its own scores are from ours."""
    grid = [
        {"architecture": architecture, "learning_rate": rate, "batch_tokens": batch}
        for architecture in ARCHITECTURES[name]
        for rate in (None, *asked.peer_rates)
        for batch in asked.peer_batches
    ]
    training = world.recipe.training
    settings = {name: getattr(training, name) for name in SHARED} | {"prefixes": PREFIXES, "runs": grid}
    with TemporaryDirectory() as folder:
        told = _run_peer(python, name, data, Path(folder), settings)
        for number, (own, one) in enumerate(zip(grid, told, strict=True)):
            made = read_dictionaries(Path(folder) / str(number))
            found = scored(world, made, own["architecture"])
            rate = "own rate" if own["learning_rate"] is None else f"rate {own['learning_rate']:g}"
            setting = f"{rate}, batch {own['batch_tokens']}"
            run = Run(name, own["architecture"], setting, training.seed, found, one["cpu_seconds"])
            theirs = one.get("own", {})
            yield run, {score: abs(theirs[score] - getattr(found["stored"], score)) for score in theirs}


def _run_peer(python: str, name: str, data: Path, out: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    script = Path(__file__).with_name(f"planted_{name}.py")
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    alone = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    command = [python, str(script), str(data), str(out), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, env=inherited | alone)
    if done.returncode:
        raise SystemExit(f"{script.name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def pythons_of(asked: argparse.Namespace) -> dict[str, str]:
    """A Python for each peer; environments that nobody named are made."""
    if asked.no_peers:
        return {}
    named = dict(given.split("=", 1) for given in asked.peer)
    return {name: named.get(name) or environment(Path("build") / name, PEERS[name], name) for name in asked.only}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--peer", action="append", default=[], help="NAME=PYTHON, again for more")
    parser.add_argument("--only", nargs="+", default=list(ARCHITECTURES), help="these peers alone")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--peer-rates", type=float, nargs="+", default=[1e-3, 3e-3])
    parser.add_argument("--peer-batches", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--out", type=Path, default=Path("build/planted.json"), help="every score, as JSON")
    parser.add_argument("--read", type=Path, nargs="+", help="print the tables of these files instead")
    asked = parser.parse_args()
    runs: list[Run] = []
    apart: dict[str, float] = {}
    if asked.read:
        runs = [Run.from_json(one) for path in asked.read for one in json.loads(path.read_text(encoding="utf-8"))]
        print(tables(runs))
        return
    pythons = pythons_of(asked)
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        recipe = PLANTED["sae"].changed({"world_seed": seed, "seed": seed, "tokens": asked.tokens})
        with TemporaryDirectory() as folder, one_thread(), torch.inference_mode():
            world, data = world_of(recipe), Path(folder) / "data.safetensors"
            runs += ours(world, Path(folder))
            if pythons:
                dump(world, data)
            for name, python in pythons.items():
                for run, far in peers(name, python, world, data, asked):
                    runs.append(run)
                    apart |= {score: max(value, apart.get(score, 0.0)) for score, value in far.items()}
        print(f"seed {seed} done", file=sys.stderr, flush=True)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps([one.to_json() for one in runs], indent=1), encoding="utf-8")
    print(tables(runs))
    if apart:
        told = ", ".join(f"{name} {value:.1e}" for name, value in apart.items())
        print(f"\nSAELens' own scores of its SAEs and ours differ by at most: {told}")


if __name__ == "__main__":
    main()
