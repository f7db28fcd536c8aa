"""AttributionGraph: the circuit of one prompt as nodes and sparse signed edges.

`adjacency[t, s]` is the direct effect of source s on target t: how much of t's value s writes, along every path that
passes no other node. Sources that are not nodes of this graph (features left unexpanded, nodes pruned away) are summed
per row in `rest_sum` and `rest_abs`, so the sum rule holds for every row, pruned or not:

    sum_s adjacency[t, s] + rest_sum[t] = value[t]

measured against `sum_s |adjacency[t, s]| + rest_abs[t]`. Ameisen et al. 2025, "Circuit tracing"; here the constants
are nodes too.

Knows nothing about how a circuit was traced, drawn or stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from gearscope.errors import GraphError, TargetError
from gearscope.graph.influence import node_influence, row_mass, row_scale, row_sum, signed_influence
from gearscope.graph.nodes import Layout, NodeKind, Nodes
from gearscope.graph.scores import Reached, Scores, measure, scores_of
from gearscope.ids import FeatureAt


class TokenEffects(NamedTuple):
    """The tokens a node's direct path to the logits raises and lowers most, with the change of the logit."""

    promoted: tuple[tuple[str, float], ...]
    suppressed: tuple[tuple[str, float], ...]


class Supernode(NamedTuple):
    """A named group of nodes."""

    name: str
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributionGraph:
    """The circuit of one prompt. `adjacency` is [target, source] over all N nodes; rows of pure sources are empty."""

    nodes: Nodes
    adjacency: csr_array
    """Signed direct effects, float32 or float64, [N, N]."""
    rest_sum: Float[np.ndarray, " N"]
    """Signed sum of the entries whose source is not a node of this graph."""
    rest_abs: Float[np.ndarray, " N"]
    """Absolute sum of the same entries."""
    prompt: str
    tokens: tuple[str, ...]
    """The prompt's tokens as shown to a reader."""
    model: str
    basis: str
    details: dict[str, Any] = field(default_factory=dict)
    """Birth certificate and settings; JSON-able."""
    effects: Mapping[str, TokenEffects] = field(default_factory=dict)
    """Token effects by node id."""
    supernodes: tuple[Supernode, ...] = ()
    pinned: tuple[str, ...] = ()
    """Ids of the nodes a person pinned in a viewer."""
    scores: Scores | None = None
    """Scores of the graph before pruning; pruning keeps them."""
    influence: Float[np.ndarray, " N"] | None = None
    """Influence of every node in the graph before pruning."""
    cumulative: Float[np.ndarray, " N"] | None = None
    """Share of all influence held by this node and the stronger ones (small = strong), before pruning."""

    def __post_init__(self) -> None:
        count = len(self.nodes)
        assert self.adjacency.shape == (count, count), f"[{count}, {count}] edges, found {self.adjacency.shape}"
        assert self.adjacency.has_canonical_format, "sorted columns without duplicates: call adjacency.sum_duplicates()"
        assert np.isfinite(self.adjacency.data).all(), "finite edges were expected"
        columns = [c for c in (self.rest_sum, self.rest_abs, self.influence, self.cumulative) if c is not None]
        assert all(len(column) == count for column in columns), f"columns of {count} nodes were expected"
        named = [*self.effects, *self.pinned, *(name for group in self.supernodes for name in group.ids)]
        unknown = next((name for name in named if name not in self.nodes), None)
        if unknown is not None:
            raise GraphError("effects, pins and supernodes must name nodes of the graph", found=repr(unknown))

    @property
    def layout(self) -> Layout:
        """The named ranges of node numbers."""
        return self.nodes.layout

    def find(self, node: str | FeatureAt) -> int:
        """The number of a node, by its id, by `L/F@P`, or by FeatureAt. Raises GraphError when it is not there."""
        if isinstance(node, str) and node not in self.nodes and "/" in node:
            try:
                node = FeatureAt.parse(node)
            except TargetError as error:
                raise GraphError("a node id or LAYER/INDEX@POSITION was expected", found=repr(node)) from error
        if isinstance(node, str):
            return self.nodes.find(node)
        ours = (
            (self.nodes.layer == node.layer)
            & (self.nodes.index == node.index)
            & (self.nodes.position == node.position)
            & np.isin(self.nodes.kind, [str(NodeKind.FEATURE), str(NodeKind.TARGET)])
        )
        found = np.flatnonzero(ours)
        if not len(found):
            shown = self.layout.features.stop
            hint = f"the graph has {shown} features; trace again with more of them or with --all"
            raise GraphError(f"feature {node} should be in the graph", found="no such node", hint=hint)
        return int(found[0])

    def edge(self, target: str | FeatureAt, source: str | FeatureAt) -> float:
        """The signed direct effect of `source` on `target`; 0 where there is no edge. Raises GraphError."""
        return float(self.adjacency[self.find(target), self.find(source)])

    def row_sum(self) -> Float[np.ndarray, " N"]:
        """Signed sum of every row, rest included."""
        return row_sum(self.adjacency, self.rest_sum)

    def row_mass(self) -> Float[np.ndarray, " N"]:
        """Absolute sum of every row, rest included."""
        return row_mass(self.adjacency, self.rest_abs)

    def row_error(self) -> Float[np.ndarray, " N"]:
        """|row sum - value| relative to the row's absolute sum; nan where a node has no value."""
        return np.abs(self.row_sum() - self.nodes.value) * row_scale(self.row_mass())

    def unattributed_rows(self) -> Float[np.ndarray, " N"]:
        """Share of every row's absolute sum that comes from constants and from the rest; 0 for empty rows."""
        unknown = row_mass(self.adjacency[:, self.layout.constants], self.rest_abs)
        return unknown * row_scale(self.row_mass())

    @property
    def unattributed(self) -> float:
        """Share of the targets' absolute input, by target weight, that comes from constants and from the rest."""
        weight = self.target_weight[self.layout.targets]
        total = weight.sum()
        return float(weight @ self.unattributed_rows()[self.layout.targets] / total) if total > 0 else 0.0

    @property
    def target_weight(self) -> Float[np.ndarray, " N"]:
        """Weight of every node as a target: 0 for all others."""
        return np.nan_to_num(self.nodes.weight)

    @property
    def thresholds(self) -> tuple[float, float] | None:
        """Node and edge threshold this graph was pruned with; None for a whole graph."""
        pruning = self.details.get("pruning")
        if not isinstance(pruning, dict):
            return None
        found = pruning.get("node_threshold"), pruning.get("edge_threshold")
        return (found[0], found[1]) if all(isinstance(x, int | float) for x in found) else None

    def node_influence(self) -> Float[np.ndarray, " N"]:
        """Influence of every node in this graph as it stands."""
        return node_influence(self.nodes, self.adjacency, self.rest_abs)

    def signed_influence(self) -> Float[np.ndarray, " N"]:
        """Signed influence of every node in this graph as it stands: negative where it inhibits the targets."""
        return signed_influence(self.nodes, self.adjacency, self.rest_abs)

    def with_scores(self, reached: tuple[Reached, Reached] | None = None) -> "AttributionGraph":
        """The same graph with its scores, its influence and the cumulative shares. Only for unpruned graphs.

        `reached` is what is known of whole rows, with constants and without, where more is known than the graph holds.
        """
        if reached is None:
            influence = self.node_influence()
            scores = measure(self.nodes, self.adjacency, self.rest_abs, influence)
        else:
            influence, scores = reached[0].influence, scores_of(self.nodes, *reached)
        return replace(self, scores=scores, influence=influence, cumulative=cumulative_share(influence))


def cumulative_share(influence: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """For every node the share of all influence held by it and the stronger nodes: 0.05 is among the strongest."""
    order = np.argsort(-influence, kind="stable")
    total = influence.sum()
    share = np.empty(len(influence))
    share[order] = np.cumsum(influence[order]) / (total if total > 0 else 1.0)
    return share
