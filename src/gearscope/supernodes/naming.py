"""Names of groups, from what their members say; nothing is made up. No torch.

The first of these that a group has:

    the label of at least half of the group's influence, where a library has labels and it is short enough for a name
    up to three tokens that at least two members promote (a group of one: its own), the strongest first
    what it reads: the tokens its input begins at, and the token that it stands on

Knows nothing about how groups were made.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

import numpy as np
from jaxtyping import Float, Int

from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureId
from gearscope.supernodes.likeness import features_of

_TOKENS = 3
_LONGEST = 60
"""Characters of a label that still is a name."""
_LEAST = 0.1
"""Share of a group's input from which on the token it begins at is named."""


def name_of(
    graph: AttributionGraph,
    rows: Int[np.ndarray, " J"],
    begins: Float[np.ndarray, "J P"],
    labels: Mapping[FeatureId, str],
    taken: Collection[str],
) -> str:
    """A name for some features that no other group has."""
    influence = graph.influence if graph.influence is not None else graph.node_influence()
    weight = np.maximum(influence[rows], np.finfo(float).tiny)
    name = _by_label(graph, rows, weight, labels) or _by_tokens(graph, rows, weight) or _by_input(graph, rows, begins)
    name = " ".join(name.replace("<-", " ").split())
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found


def _by_label(
    graph: AttributionGraph,
    rows: Int[np.ndarray, " J"],
    weight: Float[np.ndarray, " J"],
    labels: Mapping[FeatureId, str],
) -> str:
    share: Counter[str] = Counter()
    for feature, part in zip(features_of(graph, rows.tolist()), weight / weight.sum(), strict=True):
        label = labels.get(feature, "")
        if 0 < len(label) <= _LONGEST:
            share[label] += part
    best = max(share, key=lambda label: share[label], default="")
    return best if share[best] >= 0.5 else ""


def _by_tokens(graph: AttributionGraph, rows: Int[np.ndarray, " J"], weight: Float[np.ndarray, " J"]) -> str:
    strength: dict[str, float] = defaultdict(float)
    members: Counter[str] = Counter()
    for node, part in zip(rows.tolist(), weight.tolist(), strict=True):
        effects = graph.effects.get(graph.nodes.ids[node])
        promoted = effects.promoted if effects is not None else ()
        largest = max((abs(value) for _, value in promoted), default=1.0) or 1.0
        for token, value in promoted:
            strength[token.strip()] += part * value / largest
            members[token.strip()] += 1
    shared = [token for token in strength if token and members[token] >= min(2, len(rows))]
    return ", ".join(sorted(shared, key=lambda token: -strength[token])[:_TOKENS])


def _by_input(graph: AttributionGraph, rows: Int[np.ndarray, " J"], begins: Float[np.ndarray, "J P"]) -> str:
    places = Counter(graph.nodes.position[rows].tolist()).most_common(1)
    position = places[0][0]
    standing = f"on {_quoted(graph, position)}" if 0 <= position < len(graph.tokens) else "at no token"
    mean = begins.mean(axis=0)
    sources = [int(i) for i in np.argsort(-mean, kind="stable")[:_TOKENS] if mean[i] >= _LEAST]
    return f"{standing} from {' '.join(_quoted(graph, i) for i in sorted(sources))}" if sources else standing


def _quoted(graph: AttributionGraph, position: int) -> str:
    return f'"{graph.tokens[position].strip()}"'
