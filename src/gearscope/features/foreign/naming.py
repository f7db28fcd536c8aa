"""What features, sources, groups of examples and labels of a library are called in other programs.

Names that become folders hold letters, digits, dots, hyphens and underscores, whatever a library calls itself.
"""

import re
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gearscope.features.records import Example, FeatureRecord
from gearscope.features.store import Library

TOP = -1.0
"""The share that marks one of the largest activations; their interval begins there, too."""


class Names(NamedTuple):
    """How a library is called where it goes."""

    model: str
    sources: tuple[str, ...]
    """Of each shelf."""


class Group(NamedTuple):
    """What an example stands for: activations from `low` to `high`, a share of all; None where that is not known."""

    low: float
    high: float
    share: float | None


def names_of(library: Library, model: str | None = None, source_set: str | None = None) -> Names:
    """The names that a library came with, or that follow from it, unless others are given."""
    contents, imported = library.contents, library.contents.imported
    called = safe(PurePath(contents.model).name if model is None else model)
    if imported is not None and source_set is None:
        return Names(called, tuple(safe(source) for source in imported.sources))
    chosen = safe(f"gearscope-{contents.shelves[0].kind}" if source_set is None else source_set)
    return Names(called, tuple(f"{shelf.layer}-{chosen}" for shelf in contents.shelves))


def safe(name: str) -> str:
    """A name that can be a folder's: no separator, none that means another folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[:100].strip(".") or "unnamed"


def group_of(record: FeatureRecord, example: Example) -> Group | None:
    """What an example stands for; None for one of the largest, and where it is not known."""
    if example.interval is not None:
        return Group(*example.interval)
    if not example.decile or not record.deciles or record.max_activation is None:
        return None
    edges = (0.0, *record.deciles, record.max_activation)
    return Group(edges[example.decile - 1], edges[example.decile], 0.1)


def plain(values: Float[np.ndarray, " K"]) -> list[float]:
    """Numbers as the shortest decimals that mean the same float32."""
    found, where = [0.0] * len(values), np.flatnonzero(values)
    for at, value in zip(where.tolist(), values[where], strict=True):
        found[at] = float(str(np.float32(value)))
    return found


def number(value: float | None) -> float | None:
    """The same of one number."""
    return None if value is None else float(str(np.float32(value)))


def written(text: str) -> str:
    """Text without the one character that their database refuses."""
    return text.replace("\x00", "�")
