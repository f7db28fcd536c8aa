"""Which directions do the same: B says one word where they fire, and turning one off undoes the others as well.

    undone(i, j)    share of the KL undone where i fires, by a vector of the size of i's step in the direction of j's
    alike           the smaller of undone(i, j) / undone(i, i) and undone(j, i) / undone(j, j), at least SAME

at the last site, where a step is what B says in the place of what A expects. A habit that shows in several kinds of
text has a direction in each, told apart by the words of the text alone. Groups are joined by complete linkage: each of
a group undoes each other. Knows nothing about how directions are found.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.diffing.pair import Pair
from gearscope.diffing.turning import undone_by

SAME = 0.9


class Saying(NamedTuple):
    """A direction."""

    feature: int
    said: int | None
    """What B says where it fires; None where that is no one word."""
    ids: Int[Tensor, "B C"]
    """Windows in which it fires."""


def doing_the_same(
    pair: Pair, dictionary: Dictionary, sites: Sequence[str], directions: Sequence[Saying]
) -> list[list[int]]:
    """The features of these directions, in groups of those that do the same."""
    by_word = defaultdict[int | None, list[Saying]](list)
    for direction in directions:
        by_word[direction.said].append(direction)
    groups = [[one.feature] for one in by_word.pop(None, [])]
    for some in by_word.values():
        features = [one.feature for one in some]
        rows = [undone_by(pair, dictionary, sites, one.feature, features, one.ids) for one in some]
        groups += [[features[i] for i in group] for group in together(torch.tensor(rows))]
    return sorted(groups)


def together(undone: Float[Tensor, "N N"]) -> list[list[int]]:
    """The numbers that belong together, of what each (row) is undone by each."""
    if len(undone) < 2:
        return [[i] for i in range(len(undone))]
    shares = undone / undone.diagonal().clamp(min=1e-6)[:, None]
    apart = 1 - torch.minimum(shares, shares.T).clamp(0, 1).fill_diagonal_(1)
    labels = fcluster(linkage(squareform(apart.numpy()), "complete"), 1 - SAME, "distance").tolist()
    return sorted([i for i, label in enumerate(labels) if label == wanted] for wanted in set(labels))
