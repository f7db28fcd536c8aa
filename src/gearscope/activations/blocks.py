"""Tokens taken one batch after another from blocks that come one after another: what every source of them shares.

A place is plain JSON: where the present block is, in the words of whoever reads it, and how many of its tokens were
used. So a run goes on exactly from a few bytes. Knows nothing about where blocks come from.
"""

import json
from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class Blocks(ABC):
    """Batches without end out of blocks [tokens, planes, D]."""

    def __init__(self) -> None:
        self._used = 0
        self._block: Tensor | None = None

    @abstractmethod
    def _read(self) -> Float[Tensor, "P M D"]:
        """The present block."""

    @abstractmethod
    def _advance(self) -> None:
        """Make the next block the present one."""

    @abstractmethod
    def _where(self) -> dict[str, Any]:
        """Which block is the present one, as JSON values."""

    @abstractmethod
    def _move(self, where: dict[str, Any]) -> None:
        """Make the block present that `_where` named."""

    def sample(self) -> Float[Tensor, "P M D"]:
        """The tokens of the present block, without moving on."""
        if self._block is None:
            self._block = self._read()
        return self._block

    def take(self, n_tokens: int) -> Float[Tensor, "P M D"]:
        """The next tokens. Raises what reading a block raises."""
        parts, missing = [], n_tokens
        while missing:
            block = self.sample()
            part = block[self._used : self._used + missing]
            parts.append(part)
            self._used += len(part)
            missing -= len(part)
            if self._used == len(block):
                self._used, self._block = 0, None
                self._advance()
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def place(self) -> str:
        """Where the next token is, as JSON."""
        return json.dumps(self._where() | {"used": self._used})

    def go_to(self, place: str) -> None:
        """Go on from a place that `place` gave."""
        found = json.loads(place)
        self._used, self._block = found["used"], None
        self._move(found)
