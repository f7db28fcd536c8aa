"""The mean of many prompts' graphs, and the difference of two means, as one graph. No torch.

With G graphs, added up by `summing.py`, and absent edges counting as 0,

    mean[t, s]    Σ_g A_g[t, s] / G               error[t, s]    √((Σ_g A_g² / G − mean²) / (G − 1))
    share[t, s]   graphs that have the edge / G    (nodes likewise)

Values, rests and weights are averaged too, so rows still sum to their values. The difference of two means is that of
all of these, over the nodes of either; its errors add in squares. What is left out of rows is unknown by sign in a
difference, so there `rest_abs` is the size of `rest_sum`. Knows nothing about how graphs were made.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_array, csr_array

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import KIND_ORDER, NodeKind, Nodes, default_id
from gearscope.graph.summing import SHIFT, SUMS, GraphSum, Key


class Averaged(NamedTuple):
    """A mean or a difference: the graph, and of its nodes and edges in how many prompts they are, how sure."""

    graph: AttributionGraph
    node_share: Float[np.ndarray, " N"]
    share: csr_array
    """By edge."""
    error: csr_array
    """Standard error by edge; 0 where one graph was averaged."""
    node_share_against: Float[np.ndarray, " N"] | None
    share_against: csr_array | None


def average(done: GraphSum, against: GraphSum | None = None, *, title: str, like: AttributionGraph) -> Averaged:
    """The mean of what was added up, or what it has more than that of `against`. `like` names model and basis."""
    if not done.n_graphs or (against is not None and not against.n_graphs):
        raise GraphError("at least one graph was expected on every side", found="none")
    sides = [done] if against is None else [done, against]
    keys = sorted({key for side in sides for key in side.keys})
    place = {key: i for i, key in enumerate(keys)}
    found = [_side(side, place) for side in sides]
    first, last = found[0], found[-1]
    differs = against is not None
    nodes = _nodes(sides, keys, first, last, differs)
    adjacency = csr_array(first.mean - last.mean) if differs else first.mean
    adjacency.sum_duplicates()
    rest_sum = first.rest_sum - last.rest_sum if differs else first.rest_sum
    named = [(place[key], side.effects.get(i)) for side in sides for key, i in side.keys.items()]
    effects = {nodes.ids[number]: effect for number, effect in named if effect is not None}
    graph = AttributionGraph(
        nodes=nodes,
        adjacency=adjacency,
        rest_sum=rest_sum,
        rest_abs=np.abs(rest_sum) if differs else first.rest_abs,
        prompt=title,
        tokens=_column_tokens(sides),
        model=like.model,
        basis=like.basis,
        details={name: like.details[name] for name in ("opened", "attribution") if name in like.details},
        effects=effects,
    )
    error = csr_array(first.variance + last.variance) if differs else first.variance
    return Averaged(
        graph=replace(graph, influence=graph.node_influence()),
        node_share=first.count,
        share=first.share,
        error=csr_array((np.sqrt(error.data), error.indices, error.indptr), error.shape),
        node_share_against=last.count if differs else None,
        share_against=last.share if differs else None,
    )


class _Side(NamedTuple):
    """The means of one set of graphs, over the nodes of either."""

    mean: csr_array
    variance: csr_array
    """Of the mean."""
    share: csr_array
    columns: dict[str, Float[np.ndarray, " N"]]
    rest_sum: Float[np.ndarray, " N"]
    rest_abs: Float[np.ndarray, " N"]
    count: Float[np.ndarray, " N"]


def _side(side: GraphSum, place: dict[Key, int]) -> _Side:
    size, n = len(place), side.n_graphs
    moved = np.array([place[key] for key in side.keys], dtype=np.int64)
    edges = side.edges()
    row, column = moved[edges.code >> SHIFT], moved[edges.code & ((1 << SHIFT) - 1)]
    mean = edges.total / n
    variance = np.maximum(edges.square / n - np.square(mean), 0) / max(1, n - 1)

    def table(values: Float[np.ndarray, " E"]) -> csr_array:
        return csr_array(coo_array((values, (row, column)), shape=(size, size)))

    def spread(name: str) -> Float[np.ndarray, " N"]:
        values = np.zeros(size)
        for number, total in side.sums[name].items():
            values[moved[number]] = total / n
        return values

    return _Side(
        mean=table(mean),
        variance=table(variance),
        share=table(edges.count / n),
        columns={name: spread(name) for name in SUMS},
        rest_sum=spread("rest_sum"),
        rest_abs=spread("rest_abs"),
        count=spread("count"),
    )


def _nodes(sides: Sequence[GraphSum], keys: Sequence[Key], first: _Side, last: _Side, differs: bool) -> Nodes:
    columns = {
        name: first.columns[name] - last.columns[name] if differs else first.columns[name]
        for name in ("activation", "probability", "value")
    }
    weight = (first.columns["weight"] + last.columns["weight"]) / 2
    kinds = np.array([str(KIND_ORDER[key[0]]) for key in keys], dtype="<U8")
    only = {NodeKind.FEATURE: "activation", NodeKind.TARGET: "probability"}
    for kind, name in only.items():
        columns[name] = np.where(kinds == str(kind), columns[name], np.nan)
    has_row = np.isin(kinds, [str(NodeKind.FEATURE), str(NodeKind.TARGET)])
    return Nodes(
        kind=kinds,
        layer=np.array([key[1] for key in keys], dtype=np.int64),
        position=np.array([key[2] for key in keys], dtype=np.int64),
        index=np.array([_index(sides, key) for key in keys], dtype=np.int64),
        activation=columns["activation"],
        probability=columns["probability"],
        value=np.where(has_row, columns["value"], np.nan),
        weight=np.where(kinds == str(NodeKind.TARGET), weight, np.nan),
        ids=tuple(_id(sides, key) for key in keys),
        labels=tuple(_label(sides, key) for key in keys),
    )


def _index(sides: Sequence[GraphSum], key: Key) -> int:
    """Tokens have one where one token stands in the column."""
    if KIND_ORDER[key[0]] != NodeKind.TOKEN:
        return key[3]
    ids = set[int]().union(*(side.token_ids.get(key[2], set()) for side in sides))
    return ids.pop() if len(ids) == 1 else -1


def _id(sides: Sequence[GraphSum], key: Key) -> str:
    kind, layer, column, index = KIND_ORDER[key[0]], key[1], key[2], _index(sides, key)
    if kind == NodeKind.BIAS:
        return key[4]
    if kind == NodeKind.TARGET and index < 0:
        return f"{layer + 1}_answer_{column}"
    return default_id(kind, layer, column, index)


def _label(sides: Sequence[GraphSum], key: Key) -> str:
    found: Counter[str] = Counter()
    for side in sides:
        number = side.keys.get(key)
        found.update({} if number is None else side.labels[number])
    return _several(found)


def _column_tokens(sides: Sequence[GraphSum]) -> tuple[str, ...]:
    columns = sorted({column for side in sides for column in side.tokens})
    return tuple(
        _several(sum((side.tokens.get(column, Counter()) for side in sides), Counter[str]())) for column in columns
    )


def _several(names: Counter[str], most: int = 2) -> str:
    """One name, or the most frequent ones: `36|59|…`."""
    ordered = [name.strip() or name for name, _ in names.most_common()]
    shown = "|".join(ordered[:most])
    return f"{shown}|…" if len(ordered) > most else shown
