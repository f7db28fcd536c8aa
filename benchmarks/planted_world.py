"""One seed of `planted.py`: a planted world with its tokens, drawn once for every trainer, and scores at equal L0."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.planted.config import PlantedRecipe
from gearscope.planted.draw import Block
from gearscope.planted.recovery import score
from gearscope.planted.report import Recovery
from gearscope.planted.stream import FITTED, HELD_OUT, PlantedStream, blocks
from gearscope.planted.truth import Truth, plant

SAMPLE = 4096
"""Tokens from which our trainer takes its scales, as in a planted stream: one block."""


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
