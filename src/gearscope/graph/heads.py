"""Head loadings as stored with a graph: every edge split by the last attention head that its paths pass.

    details["head_loadings"]   {"layers", "heads",
                                "ids": node ids, "step": of each as a target, the unit of its weights,
                                "target", "source" (numbers into ids), "parts": edges, with their numbers of parts,
                                "head" (layer · heads + head; -1: no head), "weight" (in steps): the parts, in order}

The parts of an edge sum to it, to within 8e-6 of all that its target receives: weights are whole steps, so parts that
hold next to nothing vanish. They are kept by the ids of nodes, so they stay right when a graph is pruned further.
Graphs of other programs have none; what is damaged is as if it were not there. Knows nothing about how an edge is
split.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.influence import row_scale

KEY = "head_loadings"
_ROUNDING = 1.6e-5
"""The step of weights, times the number of parts that an edge may have, as a share of what the target receives: an edge
is then at most half as much from the sum of its parts."""
NO_HEAD = -1
"""The head of the part that passes none: the residual stream at the receiver's own position."""


@dataclass(frozen=True, eq=False)
class HeadLoadings:
    """Parts of edges, as columns sorted by (target, source, head)."""

    n_layers: int
    n_heads: int
    """Heads of one layer."""
    target: Int[np.ndarray, " M"]
    """Node numbers."""
    source: Int[np.ndarray, " M"]
    head: Int[np.ndarray, " M"]
    """Layer times `n_heads` plus the head's number in its layer; NO_HEAD for the direct part."""
    weight: Float[np.ndarray, " M"]

    def __len__(self) -> int:
        return len(self.weight)

    def of_edge(self, target: int, source: int) -> list[tuple[int, float]]:
        """(head, weight) of one edge, the strongest first."""
        start, stop = np.searchsorted(self.target, [target, target + 1]).tolist()
        here = start + np.flatnonzero(self.source[start:stop] == source)
        found = zip(self.head[here].tolist(), self.weight[here].tolist(), strict=True)
        return sorted(found, key=lambda part: -abs(part[1]))

    def name(self, head: int) -> str:
        """`LAYER.HEAD`, or `direct`."""
        return "direct" if head == NO_HEAD else f"{head // self.n_heads}.{head % self.n_heads}"


class HeadShare(NamedTuple):
    """How much one head carries."""

    head: int
    share: float
    """Of the influence that all edges carry together, the part whose last head this is."""
    edge: tuple[int, int]
    """The (target, source) through which it carries most."""


def carried(graph: AttributionGraph, loadings: HeadLoadings) -> Float[np.ndarray, " M"]:
    """The influence that every part carries: |part| (I_t + w_t) / Σ|row t|."""
    flow = (graph.node_influence() + graph.target_weight) * row_scale(graph.row_mass())
    return np.abs(loadings.weight) * flow[loadings.target]


def head_shares(graph: AttributionGraph, loadings: HeadLoadings) -> list[HeadShare]:
    """What each head carries of all that edges carry, the strongest first; what passes no head is among them."""
    flow = carried(graph, loadings)
    total = float(flow.sum()) or 1.0
    sums = np.bincount(loadings.head + 1, weights=flow, minlength=1 + loadings.n_layers * loadings.n_heads)
    found = []
    for head in (np.flatnonzero(sums) - 1).tolist():
        own = np.flatnonzero(loadings.head == head)
        best = own[np.argmax(flow[own])]
        edge = (int(loadings.target[best]), int(loadings.source[best]))
        found.append(HeadShare(head, float(sums[head + 1]) / total, edge))
    return sorted(found, key=lambda some: -some.share)


class HeadLook(NamedTuple):
    """A head, what it carries, and where it looks from the position that it carries most to."""

    layer: int
    head: int
    share: float
    query: int
    key: int
    """Where most of its attention goes ..."""
    weight: float
    """... and how much of it."""
    edge: tuple[int, int]
    """The (target, source) through which it carries most."""


def head_looks(graph: AttributionGraph, patterns: Sequence[Float[np.ndarray, "H P P"]], most: int) -> list[HeadLook]:
    """The `most` heads that carry most, with where each looks. Raises GraphError where edges were not split."""
    loadings = read_loadings(graph)
    if loadings is None:
        hint = "trace the prompt again; whole graphs (--all) are not split"
        raise GraphError("a graph whose edges are split by heads was expected", found="one without", hint=hint)
    flow = carried(graph, loadings)
    found = []
    for some in head_shares(graph, loadings):
        if some.head == NO_HEAD:
            continue
        layer, head = divmod(some.head, loadings.n_heads)
        own = loadings.head == some.head
        reached = np.bincount(
            graph.nodes.position[loadings.target[own]], weights=flow[own], minlength=len(graph.tokens)
        )
        query = int(reached.argmax())
        row = patterns[layer][head, query]
        key = int(row.argmax())
        found.append(HeadLook(layer, head, some.share, query, key, float(row[key]), some.edge))
    return found[:most]


def with_loadings(graph: AttributionGraph, loadings: HeadLoadings) -> AttributionGraph:
    """The graph with its edges split."""
    return replace(graph, details=graph.details | {KEY: _stored(graph, loadings)})


def _stored(graph: AttributionGraph, loadings: HeadLoadings) -> dict[str, Any]:
    steps = graph.row_mass() * (_ROUNDING / (1 + loadings.n_layers * loadings.n_heads))
    steps[steps == 0] = 1.0
    whole = np.rint(loadings.weight / steps[loadings.target]).astype(np.int64)
    kept = np.flatnonzero(whole)
    target, source = loadings.target[kept], loadings.source[kept]
    used, numbers = np.unique(np.concatenate([target, source]), return_inverse=True)
    target, source = numbers[: len(kept)], numbers[len(kept) :]
    starts = np.flatnonzero(np.diff(target, prepend=-1) | np.diff(source, prepend=-1))
    return {
        "layers": loadings.n_layers,
        "heads": loadings.n_heads,
        "ids": [graph.nodes.ids[node] for node in used.tolist()],
        "step": [float(f"{step:.9g}") for step in steps[used].tolist()],
        "target": target[starts].tolist(),
        "source": source[starts].tolist(),
        "parts": np.diff(starts, append=len(kept)).tolist(),
        "head": loadings.head[kept].tolist(),
        "weight": whole[kept].tolist(),
    }


def read_loadings(graph: AttributionGraph) -> HeadLoadings | None:
    """The loadings of the edges that are still in the graph; None where there are none."""
    stored = graph.details.get(KEY)
    if not isinstance(stored, dict):
        return None
    try:
        return _read(graph, stored)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        return None


def _read(graph: AttributionGraph, stored: dict[str, Any]) -> HeadLoadings:
    n_layers, n_heads = int(stored["layers"]), int(stored["heads"])
    nodes = np.array([graph.nodes.find(name) if name in graph.nodes else -1 for name in stored["ids"]], dtype=int)
    columns = (np.array(stored[name], dtype=np.int64) for name in ("target", "source", "parts", "head", "weight"))
    target, source, parts, head, weight = columns
    if n_layers < 1 or n_heads < 1 or (np.concatenate([target, source, parts]) < 0).any():
        raise ValueError("numbers below zero")
    if (head < NO_HEAD).any() or (head >= n_layers * n_heads).any() or len(head) != len(weight):
        raise ValueError("heads that the model has not")
    with np.errstate(over="ignore", invalid="ignore"):
        values = weight * np.repeat(np.array(stored["step"], dtype=float)[target], parts)
    if not np.isfinite(values).all():
        raise ValueError("parts that are not finite")
    target, source = np.repeat(nodes[target], parts), np.repeat(nodes[source], parts)
    kept = np.flatnonzero((target >= 0) & (source >= 0))
    edges, size = graph.adjacency.tocoo(), len(graph.nodes)
    alive = edges.row.astype(np.int64) * size + edges.col
    kept = kept[np.isin(target[kept] * size + source[kept], alive)]
    order = kept[np.lexsort((head[kept], source[kept], target[kept]))]
    return HeadLoadings(n_layers, n_heads, target[order], source[order], head[order], values[order])


def split_error(graph: AttributionGraph, loadings: HeadLoadings) -> float:
    """How far the parts of any edge are from it, relative to the absolute sum of its row."""
    edges = graph.adjacency.tocoo()
    size = len(graph.nodes)
    wanted, own = (
        edges.row.astype(np.int64) * size + edges.col,
        loadings.target.astype(np.int64) * size + loadings.source,
    )
    order = np.argsort(wanted)
    sums = np.zeros(len(wanted))
    np.add.at(sums, order[np.searchsorted(wanted[order], own)], loadings.weight)
    scale = row_scale(graph.row_mass())[edges.row]
    return float((np.abs(sums - edges.data) * scale).max(initial=0.0))
