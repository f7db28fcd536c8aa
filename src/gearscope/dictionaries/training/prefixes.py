"""Nested prefixes of a code (Matryoshka, Bussmann et al. 2025): the first features must do without the later ones.

Features are divided into groups, one between each prefix and the next. What a prefix leaves over is what the one before
it leaves over, minus what its last group writes; so all prefixes cost one decoding of the whole code. Features are
selected once, from all of them. With one group everything here is the whole. Knows nothing about losses.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.training.codes import Coded
from gearscope.dictionaries.training.pattern import Pattern
from gearscope.dictionaries.training.sparse import decode, pattern_of, transposed, value_gradient
from gearscope.dictionaries.training.weights import Coder


class Share(NamedTuple):
    """One group's entries of a code."""

    entries: Tensor | slice
    """Which of the code's entries they are."""
    pattern: Pattern
    """Them alone, features counted from the group's first."""
    features: slice


def groups_here(groups: tuple[tuple[int, int], ...], first: int, end: int) -> tuple[tuple[int, int], ...]:
    """The groups as seen from a block of features, counted from its first; empty where a group lies elsewhere."""
    inside = [(min(max(a, first), end), min(max(b, first), end)) for a, b in groups]
    return tuple((a - first, b - first) for a, b in inside)


def shares_of(pattern: Pattern, groups: tuple[tuple[int, int], ...]) -> tuple[Share, ...]:
    """The entries by group."""
    if len(groups) == 1:
        return (Share(slice(None), pattern, slice(None)),)
    found = []
    for first, end in groups:
        entries = ((pattern.columns >= first) & (pattern.columns < end)).nonzero()[:, 0]
        rows, columns = pattern.rows[entries], pattern.columns[entries] - first
        part = pattern_of(rows, columns, len(pattern.offsets), end - first)
        found.append(Share(entries, part, slice(first, end)))
    return tuple(found)


def written(coder: Coder, codes: Coded, share: Share) -> Float[Tensor, "P W"]:
    """What one group writes."""
    return decode(share.pattern, codes.values[share.entries], coder.W_dec[share.features])


def by_group(lefts: Sequence[Float[Tensor, "P S D"]], factor: float) -> tuple[Float[Tensor, "P S D"], ...]:
    """The gradient of what each group writes, `factor` times what the prefixes leave over.

    A group's features are in its own prefix and in all later ones.
    """
    found: list[Tensor] = []
    for left in reversed(lefts):
        here = left * factor
        found.append(here.add_(found[-1]) if found else here)
    return tuple(reversed(found))


def gradient_of_decoder(
    codes: Coded, shares: tuple[Share, ...], g: tuple[Float[Tensor, "P W"], ...]
) -> Float[Tensor, "F W"]:
    """Of `W_dec`, from the gradient of what each group writes."""
    parts = [
        transposed(share.pattern, codes.values[share.entries], of_group)
        for share, of_group in zip(shares, g, strict=True)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def gradient_of_values(
    coder: Coder, codes: Coded, shares: tuple[Share, ...], g: tuple[Float[Tensor, "P W"], ...]
) -> Float[Tensor, " K"]:
    """Of the code's values, likewise."""
    if len(shares) == 1:
        return value_gradient(shares[0].pattern, g[0], coder.W_dec)
    out = torch.zeros_like(codes.values)
    for share, of_group in zip(shares, g, strict=True):
        out[share.entries] = value_gradient(share.pattern, of_group, coder.W_dec[share.features])
    return out
