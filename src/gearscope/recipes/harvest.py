"""Activations stored for many runs: what a recipe would read live, in a folder.

harvest(recipe, Path("acts"), tokens=5_000_000)
train_recipe(recipe, Path("out"), activations=Path("acts"))
"""

from pathlib import Path

import torch

from gearscope.activations.cache import Precision, Report, write_cache
from gearscope.activations.stream import ActivationStream
from gearscope.dictionaries.training.config import layout_of
from gearscope.recipes.config import Recipe
from gearscope.recipes.corpora import open_sides
from gearscope.recipes.train import PLAIN, Opening, corpus_of, held_out_activations, open_known
from gearscope.threads import one_thread


def harvest(
    recipe: Recipe,
    out: Path,
    *,
    tokens: int,
    precision: Precision = "float32",
    opening: Opening = PLAIN,
    progress: Report | None = None,
    resume: bool = False,
) -> None:
    """Write the activations that a recipe reads into the folder `out`.

    Raises every GearscopeError that opening, reading and writing can raise.
    """
    name = corpus_of(recipe)
    model = open_known(recipe.model, opening)
    train_on, held_out = open_sides(name, model, recipe.reading.context, recipe.training.batch_tokens)
    layout = layout_of(recipe.training, model.n_layers)
    stream = ActivationStream(model, train_on, layout.sites, recipe.reading, tangents=layout.tangents)
    inputs = {"model": model.fingerprint, "corpus": train_on.fingerprint}
    with one_thread(), torch.inference_mode():
        write_cache(
            out,
            stream,
            held_out_activations(model, held_out, layout, recipe),
            tokens=tokens,
            precision=precision,
            inputs=inputs,
            progress=progress,
            resume=resume,
        )
