"""Stretches of text with activations, as they stand in prompts: data, whatever is written in them. numpy alone.

Tokens on which a feature fires stand in double brackets: `[[Dallas]] is in the state of`.
"""

import json
from collections.abc import Collection
from typing import Any, NamedTuple

LEVELS = 10
"""Activations are told as whole numbers up to this, the feature's largest."""


class Passage(NamedTuple):
    """A stretch of a window."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    """Of the feature that is explained, at each token."""

    @property
    def text(self) -> str:
        """As it is read."""
        return "".join(self.tokens)

    @property
    def fires_at(self) -> tuple[int, ...]:
        """Tokens on which it fires."""
        return tuple(at for at, value in enumerate(self.activations) if value > 0)

    def marked(self, at: Collection[int]) -> str:
        """The text with some tokens in double brackets."""
        return "".join(_bracketed(token) if i in at else token for i, token in enumerate(self.tokens))


def level(activation: float, largest: float) -> int:
    """From 0 to 10; what fires at all is 1 at least."""
    if activation <= 0 or largest <= 0:
        return 0
    return min(LEVELS, max(1, round(LEVELS * activation / largest)))


def block(name: str, value: Any) -> str:
    """Data as JSON between tags, one item of a list to a line; nothing in it can close the tag."""
    rows = [_plain(item) for item in value] if isinstance(value, list) else [_plain(value)]
    return "\n".join([f"<{name}>", *rows, f"</{name}>"])


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")


def _bracketed(token: str) -> str:
    bare = token.strip()
    if not bare:
        return f"[[{token}]]"
    begin = token.index(bare)
    return f"{token[:begin]}[[{bare}]]{token[begin + len(bare) :]}"
