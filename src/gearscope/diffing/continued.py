"""Text that B writes by itself where the predictions part, to be read by both models like the corpus.

    window     the first token, those that lead to a parting one, then GOES_ON tokens of B, drawn as B predicts them
    counted    the tokens that B wrote, until it ends its text: the others were read in the corpus, or are a text that
               nobody asked for

What B says behind its own words alone stands in no text of A. Knows nothing about features.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.models.model import Model

GOES_ON = 16
"""Tokens that B writes; half of a window where that is shorter."""


class Start(NamedTuple):
    """Where B goes on."""

    window: int
    position: int
    """Of the last token that is given."""


class Continued(NamedTuple):
    """Windows that end with B's own text."""

    ids: Int[Tensor, "B C"]
    counted: Bool[Tensor, "B C"]
    starts: tuple[Start, ...]
    """Of each window, where its given tokens end."""


def starts_of(parting: Bool[Tensor, "B C"], first_window: int = 0) -> list[Start]:
    """The tokens behind which predictions part, left out those that a continuation before them would pass."""
    length, found = _goes_on(parting.shape[1]), []
    for window, row in enumerate(parting):
        last = -length
        for position in row.nonzero()[:, 0].tolist():
            if position - last >= length:
                found.append(Start(first_window + window, position))
                last = position
    return found


def given_until(start: Start, n_tokens: int) -> int:
    """The position of the last given token in a window of B's own text."""
    return min(start.position, n_tokens - 1 - _goes_on(n_tokens))


@torch.no_grad()
def continued(
    model: Model, given: Sequence[Int[Tensor, " C"]], starts: Sequence[Start], draw: torch.Generator, size: int
) -> Continued:
    """Let a model go on from each start in its window `given`, about `size` tokens per pass."""
    n_tokens, length = len(given[0]), _goes_on(len(given[0]))
    last = torch.tensor([given_until(start, n_tokens) for start in starts])
    ids = torch.zeros(len(starts), n_tokens, dtype=torch.int64)
    for row, window, start, end in zip(ids, given, starts, last.tolist(), strict=True):
        row[0] = window[0]
        row[1 : end + 1] = window[start.position - end + 1 : start.position + 1]
    for some in last.argsort(stable=True).split(max(1, size // n_tokens)):
        ids[some] = _written(model, ids[some], last[some], length, draw)
    positions = torch.arange(n_tokens)
    counted = (positions > last[:, None]) & (positions <= last[:, None] + length)
    ended = (torch.isin(ids, torch.tensor(model.ends, dtype=torch.int64)) & counted).cumsum(1) > 0
    counted &= ~ended
    return Continued(ids, counted, tuple(starts))


def _written(
    model: Model, ids: Int[Tensor, "B C"], last: Int[Tensor, " B"], length: int, draw: torch.Generator
) -> Int[Tensor, "B C"]:
    """The windows with `length` drawn tokens behind position `last` of each."""
    rows = torch.arange(len(ids))
    for step in range(length):
        read = ids[:, : int(last.max()) + step + 1]
        logits: Float[Tensor, "B V"] = model.run(read.to(model.device)).logits[rows, last + step]
        drawn = torch.multinomial(logits.float().softmax(-1).cpu(), 1, generator=draw)
        ids[rows, last + step + 1] = drawn[:, 0]
    return ids


def _goes_on(n_tokens: int) -> int:
    return min(GOES_ON, n_tokens // 2)
