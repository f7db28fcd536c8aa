"""Planted activations as the trainer reads them: a `Source`, and held-out blocks with their truth.

Blocks are drawn when they are needed and follow from the world and their number alone, so a run goes on exactly from a
place of a few bytes. Tokens are independent, so nothing is shuffled.
"""

from collections.abc import Generator, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from gearscope.activations.blocks import Blocks
from gearscope.config import fingerprint
from gearscope.planted.draw import Block, draw_block
from gearscope.planted.truth import Truth

TRAIN, HELD_OUT, FITTED = "train", "held_out", "fitted"
"""Tokens to train on, to measure on, and on which thresholds and the reference dictionaries are fitted."""


class PlantedStream(Blocks):
    """Batches of training tokens without end, at some sites of the world. Fulfils `training.train.Source`."""

    def __init__(self, truth: Truth, sites: Sequence[str]) -> None:
        super().__init__()
        self._truth = truth
        self._places = [truth.place(site) for site in sites]
        self._sites = tuple(sites)
        self._number = 0

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with the world or the sites."""
        return fingerprint([self._truth.config.fingerprint(), list(self._sites)])

    def _advance(self) -> None:
        self._number += 1

    def _where(self) -> dict[str, Any]:
        return {"number": self._number}

    def _move(self, where: dict[str, Any]) -> None:
        self._number = where["number"]

    def _read(self) -> Float[Tensor, "P M D"]:
        return draw_block(self._truth, TRAIN, self._number).acts[:, self._places]


def blocks(truth: Truth, split: str, n_tokens: int) -> Generator[Block]:
    """At least so many tokens of a split, in whole blocks."""
    for number in range(-(-n_tokens // truth.config.block_tokens)):
        yield draw_block(truth, split, number)
