"""Graphs of many prompts added up, one by one, none of them kept. No torch.

Nodes of different prompts are one node when they are the same feature (error, constant) in the same column of the
alignment (`align.py`); the tokens of one column are one node. Targets of one name are one node; or all targets of a
prompt are, and then their rows are averaged by weight first. Knows nothing about means.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph, TokenEffects
from gearscope.graph.nodes import KIND_ORDER, NodeKind

Key = tuple[int, int, int, int, str]
"""Kind (its place in the order), layer, column, index, name."""
SUMS = ("activation", "probability", "value", "weight")
SHIFT = 32
"""An edge's code is its target's number, so many bits up, and its source's."""
_AT_ONCE = 4_000_000
"""Edges that wait to be added up."""


class EdgeSums(NamedTuple):
    """Sums over graphs by edge, sorted by (target, source) numbers of keys."""

    code: Int[np.ndarray, " E"]
    total: Float[np.ndarray, " E"]
    square: Float[np.ndarray, " E"]
    count: Float[np.ndarray, " E"]


class GraphSum:
    """Graphs added up. `one_target` makes all targets of a graph one node."""

    def __init__(self, *, one_target: bool) -> None:
        self.one_target = one_target
        self.n_graphs = 0
        self.keys: dict[Key, int] = {}
        self.labels: dict[int, Counter[str]] = {}
        self.tokens: dict[int, Counter[str]] = {}
        """Column -> the tokens that stand there."""
        self.token_ids: dict[int, set[int]] = {}
        names = (*SUMS, "rest_sum", "rest_abs", "count")
        self.sums: dict[str, defaultdict[int, float]] = {name: defaultdict(float) for name in names}
        self.effects: dict[int, TokenEffects] = {}
        self._edges = EdgeSums(np.empty(0, np.int64), *(np.empty(0) for _ in range(3)))
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, graph: AttributionGraph, columns: Sequence[int]) -> None:
        """Add one graph, whose positions stand in these columns. Raises GraphError where the two do not fit."""
        if len(columns) != len(graph.tokens):
            raise GraphError(f"a graph of {len(columns)} tokens was expected", found=f"{len(graph.tokens)}")
        self.n_graphs += 1
        numbers = np.array([self._number(graph, i, columns) for i in range(len(graph.nodes))])
        share = self._shares(graph)
        for name in SUMS:
            column = np.nan_to_num(getattr(graph.nodes, name))
            weighted = column if name in ("weight", "probability") else column * share
            self._add_to(name, numbers, weighted)
        self._add_to("rest_sum", numbers, graph.rest_sum * share)
        self._add_to("rest_abs", numbers, graph.rest_abs * share)
        for number in set(numbers.tolist()):
            self.sums["count"][number] += 1
        for column, token in zip(columns, graph.tokens, strict=True):
            self.tokens.setdefault(column, Counter())[token] += 1
        for i in range(graph.layout.tokens.start, graph.layout.tokens.stop):
            self.token_ids.setdefault(columns[int(graph.nodes.position[i])], set()).add(int(graph.nodes.index[i]))
        self.effects |= {int(numbers[graph.nodes.find(name)]): effect for name, effect in graph.effects.items()}
        self._add_edges(graph, numbers, share)

    def edges(self) -> EdgeSums:
        """The sums over all graphs added so far."""
        if self._waiting:
            codes = np.concatenate([self._edges.code, *(code for code, _ in self._waiting)])
            values = np.concatenate([weight for _, weight in self._waiting])
            old = self._edges
            columns = [
                np.concatenate([old.total, values]),
                np.concatenate([old.square, np.square(values)]),
                np.concatenate([old.count, np.ones(len(values))]),
            ]
            code, place = np.unique(codes, return_inverse=True)
            self._edges = EdgeSums(code, *(np.bincount(place, weights=column) for column in columns))
            self._waiting = []
        return self._edges

    def _number(self, graph: AttributionGraph, i: int, columns: Sequence[int]) -> int:
        """The number of a node's key."""
        nodes = graph.nodes
        kind, position = NodeKind(nodes.kind[i]), int(nodes.position[i])
        column = columns[position] if 0 <= position < len(columns) else -1
        layer, index, name = int(nodes.layer[i]), int(nodes.index[i]), ""
        if kind == NodeKind.TOKEN:
            index = -1
        elif kind == NodeKind.BIAS:
            name = nodes.ids[i]
        elif kind == NodeKind.TARGET:
            index, name = (-1, "") if self.one_target else (index, nodes.labels[i])
        key = (KIND_ORDER.index(kind), layer, column, index, name)
        number = self.keys.setdefault(key, len(self.keys))
        self.labels.setdefault(number, Counter())[nodes.labels[i]] += 1
        return number

    def _shares(self, graph: AttributionGraph) -> Float[np.ndarray, " N"]:
        """1, and for targets that become one their shares of the weight."""
        share, targets = np.ones(len(graph.nodes)), graph.layout.targets
        if self.one_target and targets.stop > targets.start:
            weight = graph.target_weight[targets]
            whole = weight.sum()
            share[targets] = weight / whole if whole > 0 else 1 / len(weight)
        return share

    def _add_to(self, name: str, numbers: Int[np.ndarray, " N"], values: Float[np.ndarray, " N"]) -> None:
        sums = self.sums[name]
        for number, value in zip(numbers.tolist(), values.tolist(), strict=True):
            sums[number] += value

    def _add_edges(
        self, graph: AttributionGraph, numbers: Int[np.ndarray, " N"], share: Float[np.ndarray, " N"]
    ) -> None:
        edges = graph.adjacency.tocoo()
        codes = (numbers[edges.row] << SHIFT) | numbers[edges.col]
        code, place = np.unique(codes, return_inverse=True)
        weight = np.bincount(place, weights=edges.data.astype(np.float64) * share[edges.row], minlength=len(code))
        self._waiting.append((code, weight))
        if sum(len(some) for some, _ in self._waiting) > _AT_ONCE:
            self.edges()
