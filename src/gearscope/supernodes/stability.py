"""Whether groups are found again: on evidence that was resampled, or in the graphs of paraphrases. No torch.

    of a group G in another grouping    max over its groups H of |G ∩ H| / |G ∪ H|, over the features that both have

averaged over groupings. In a paraphrase a feature is the same when it stands as far from the prompt's end; only those
that are in both graphs can be compared, so a figure from paraphrases comes with the number in which there were any.
The control is random features, as many as the group has. Knows nothing about how groups are made.
"""

from collections.abc import Hashable, Sequence, Set
from typing import NamedTuple

import numpy as np

from gearscope.graph.graph import AttributionGraph, Supernode

Partition = Sequence[Set[Hashable]]


class Again(NamedTuple):
    """How well a group was found again, and random ones; None where there was nothing to compare."""

    value: float | None
    random: float | None
    count: int


def found_again(
    group: Set[Hashable], every: Set[Hashable], others: Sequence[Partition], rng: np.random.Generator
) -> Again:
    """Of a group of the features `every`, over other groupings."""
    own, control = [], []
    pool = sorted(every, key=str)
    for other in others:
        shared = set().union(*other) & set(every)
        if not shared & group:
            continue
        rest = [part & shared for part in other]
        own.append(_best(group & shared, rest))
        drawn = {pool[i] for i in rng.choice(len(pool), len(group), replace=False)}
        if drawn & shared:
            control.append(_best(drawn & shared, rest))
    return Again(_mean(own), _mean(control), len(own))


def from_end(graph: AttributionGraph, groups: Sequence[Supernode]) -> list[frozenset[Hashable]]:
    """Groups as sets of (layer, index, distance from the prompt's end)."""
    nodes, length = graph.nodes, len(graph.tokens)

    def place(name: str) -> tuple[int, int, int]:
        i = graph.find(name)
        return int(nodes.layer[i]), int(nodes.index[i]), int(nodes.position[i]) - length

    return [frozenset(place(name) for name in group.ids) for group in groups]


def _best(group: Set[Hashable], others: Partition) -> float:
    return max((len(group & other) / len(group | other) for other in others), default=0.0)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
