"""Which positions of several prompts mean the same: one column for each role that a token has. No torch.

Prompts of one length are aligned position by position. Others by the tokens that all of them share, in order (their
longest common subsequence, found prompt by prompt); what stands between two shared tokens is aligned to its end, where
a name or a number is complete. So `dal las` and `san an tonio` in one place of a template end in one column.

Knows nothing about graphs.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple


class Alignment(NamedTuple):
    """Columns of every prompt's positions."""

    columns: tuple[tuple[int, ...], ...]
    n_columns: int


def align(prompts: Sequence[Sequence[Hashable]]) -> Alignment:
    """Align prompts, given as tokens."""
    if len({len(prompt) for prompt in prompts}) <= 1:
        length = len(prompts[0]) if prompts else 0
        return Alignment(tuple(tuple(range(length)) for _ in prompts), length)
    shared = list(prompts[0])
    for prompt in prompts[1:]:
        shared = _common(shared, prompt)
    places = [_places(shared, prompt) for prompt in prompts]
    widths = [_gaps(own, len(prompt)) for own, prompt in zip(places, prompts, strict=True)]
    widest = [max(gaps) for gaps in zip(*widths, strict=True)]
    columns = tuple(_columns(gaps, widest) for gaps in widths)
    return Alignment(columns, sum(widest) + len(shared))


def _gaps(places: Sequence[int], length: int) -> list[int]:
    """How many tokens stand before, between and behind the shared ones."""
    return [end - start - 1 for start, end in zip([-1, *places], [*places, length], strict=True)]


def _columns(gaps: Sequence[int], widest: Sequence[int]) -> tuple[int, ...]:
    """The columns of a prompt whose gaps between shared tokens are so wide; each gap ends where the widest does."""
    found: list[int] = []
    column = 0
    for number, (gap, width) in enumerate(zip(gaps, widest, strict=True)):
        column += width
        found += range(column - gap, column)
        if number < len(widest) - 1:
            found.append(column)
            column += 1
    return tuple(found)


def _places(shared: Sequence[Hashable], prompt: Sequence[Hashable]) -> list[int]:
    """Where the shared tokens stand, each as early as it can."""
    found, start = [], 0
    for token in shared:
        start = list(prompt).index(token, start)
        found.append(start)
        start += 1
    return found


def _common(one: Sequence[Hashable], two: Sequence[Hashable]) -> list[Hashable]:
    """The longest common subsequence."""
    best = [[0] * (len(two) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) - 1, -1, -1):
        for j in range(len(two) - 1, -1, -1):
            same = one[i] == two[j]
            best[i][j] = best[i + 1][j + 1] + 1 if same else max(best[i + 1][j], best[i][j + 1])
    found, i, j = [], 0, 0
    while i < len(one) and j < len(two):
        if one[i] == two[j]:
            found.append(one[i])
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return found
