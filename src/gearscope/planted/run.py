"""One run on a planted world: dictionaries trained, and scored beside the random and the planted ones.

    found = run_seed(PLANTED["sae"], 0)

A seed decides the world, its tokens and the first weights.
"""

from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.store import write_dictionaries
from gearscope.dictionaries.training.config import layout_of
from gearscope.dictionaries.training.train import Report, train
from gearscope.errors import ArtifactError
from gearscope.planted.config import PlantedRecipe
from gearscope.planted.recovery import score
from gearscope.planted.references import planted_like, random_like
from gearscope.planted.report import SeedScores
from gearscope.planted.stream import FITTED, PlantedStream, blocks
from gearscope.planted.truth import Truth, plant, superposition
from gearscope.threads import one_thread


class Found(NamedTuple):
    """What a run made, and what it is worth."""

    dictionaries: DictionarySet
    scores: SeedScores


def run_seed(recipe: PlantedRecipe, seed: int, *, out: Path | None = None, progress: Report | None = None) -> Found:
    """Plant, train and score; with `out`, the dictionaries are kept in that new folder.

    Raises what training and writing raise, and ConfigError where world and recipe do not fit.
    """
    if out is not None and out.exists():
        raise ArtifactError(f"a new folder was expected at {out}", found="one that exists", hint="choose another --out")
    recipe = recipe.changed({"world_seed": seed, "seed": seed})
    truth = plant(recipe.world)
    with TemporaryDirectory() as folder, one_thread(), torch.inference_mode():
        dictionaries = train_on(truth, recipe, Path(folder), progress=progress)
        scores = scores_of(truth, dictionaries, seed, tokens=recipe.training.held_out_tokens)
    if out is not None:
        made = {"planted": recipe.model_dump(mode="json"), "measured": scores.model_dump(mode="json")}
        write_dictionaries(out, dictionaries, made=made)
    return Found(dictionaries, scores)


def train_on(truth: Truth, recipe: PlantedRecipe, folder: Path, *, progress: Report | None = None) -> DictionarySet:
    """The dictionaries of a recipe, trained on a world."""
    layout = layout_of(recipe.training, truth.config.n_layers)
    source = PlantedStream(truth, layout.sites)
    fitted = _fitted(truth, layout.sites, recipe.training.held_out_tokens)
    return train(recipe.training, layout, source, fitted, folder, model="planted", progress=progress)


def scores_of(truth: Truth, dictionaries: DictionarySet, seed: int, *, tokens: int) -> SeedScores:
    """Dictionaries of any origin, beside random ones of their L0 and the planted ones."""
    trained = score(truth, dictionaries, tokens=tokens)
    random = random_like(dictionaries, truth, [one.l0 for one in trained.dictionaries], seed)
    return SeedScores(
        seed=seed,
        superposition=superposition(truth.directions[truth.layers == 0, 0]),
        trained=trained,
        random=score(truth, random, tokens=tokens),
        planted=score(truth, planted_like(dictionaries, truth), tokens=tokens),
    )


def _fitted(truth: Truth, sites: tuple[str, ...], tokens: int) -> Generator[Float[Tensor, "P M D"]]:
    """Tokens for thresholds: neither those that are trained on nor those that are scored."""
    places = [truth.place(site) for site in sites]
    for block in blocks(truth, FITTED, tokens):
        yield block.acts[:, places]
