"""Planted activations as the trainer reads them: a `Source`, and held-out blocks with their truth.

Blocks are drawn when they are needed and follow from the world and their number alone, so a run goes on exactly from a
place of a few bytes. Tokens are independent, so nothing is shuffled.
"""

import json
from collections.abc import Generator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.config import fingerprint
from gearscope.planted.draw import Block, draw_block
from gearscope.planted.truth import Truth

TRAIN, HELD_OUT, FITTED = "train", "held_out", "fitted"
"""Tokens to train on, to measure on, and on which thresholds and the reference dictionaries are fitted."""


class PlantedStream:
    """Batches of training tokens without end, at some sites of the world. Fulfils `training.train.Source`."""

    def __init__(self, truth: Truth, sites: Sequence[str]) -> None:
        self._truth = truth
        self._places = [truth.place(site) for site in sites]
        self._sites = tuple(sites)
        self._number, self._used = 0, 0
        self._block: Tensor | None = None

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with the world or the sites."""
        return fingerprint([self._truth.config.fingerprint(), list(self._sites)])

    def sample(self) -> Float[Tensor, "P M D"]:
        """The tokens of the present block, without moving on."""
        return self._filled()

    def take(self, n_tokens: int) -> Float[Tensor, "P M D"]:
        """The next tokens."""
        parts, missing = [], n_tokens
        while missing:
            block = self._filled()
            part = block[self._used : self._used + missing]
            parts.append(part)
            self._used += len(part)
            missing -= len(part)
            if self._used == len(block):
                self._number, self._used, self._block = self._number + 1, 0, None
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def place(self) -> str:
        """Where the next token is, as JSON."""
        return json.dumps({"number": self._number, "used": self._used})

    def go_to(self, place: str) -> None:
        """Go on from a place that `place` gave."""
        found = json.loads(place)
        self._number, self._used, self._block = found["number"], found["used"], None

    def _filled(self) -> Float[Tensor, "P M D"]:
        if self._block is None:
            self._block = draw_block(self._truth, TRAIN, self._number).acts[:, self._places]
        return self._block


def blocks(truth: Truth, split: str, n_tokens: int) -> Generator[Block]:
    """At least so many tokens of a split, in whole blocks."""
    for number in range(-(-n_tokens // truth.config.block_tokens)):
        yield draw_block(truth, split, number)
