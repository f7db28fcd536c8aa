"""Replacement and completeness, three ways, each as the interval that contains the score of the uncapped graph.

Influence is a flow. One unit per target weight walks from a target to one of its sources, with probability Â, until
it ends in a leaf: a token, an error, a constant. With T, E, C the flow that ends in tokens, errors and constants, and
M all visits (targets and leaves included):

    replacement  = T / (T + E)              does the prompt reach the logits through features, or through errors?
    completeness = 1 - E / M                how much of what nodes receive, weighted by influence, is not error?

Three forms: `as_published` (constants are in the rows and count as neither token nor error), `without_constants`
(their columns deleted and rows renormalised: what circuit-tracer prints, which has no constants) and
`constants_unexplained` (constants count as errors: E becomes E + C).

A cap leaves features unexpanded: their rows are unknown, the entries they would send are in `rest`. The divisor of
every known row is the uncapped one all the same, so T, E, M of the known walks are exact parts of the uncapped ones.
The flow U that steps into unexpanded features ends anywhere: it adds x to E and y to T with x, y >= 0, x + y <= U:

    T / (T + E + U)        <= replacement  <= (T + U) / (T + E + U).

For completeness, flow that steps into an unexpanded feature u visits u, and the error it ends in (x of it): it adds
at least U + x visits. (E + x) / (M + U + x) grows with x because E <= M, so the lowest completeness has x = U. It
adds most visits when it ends in no error after the longest walk: u at layer l, features at layers l-1 .. 0, one leaf,
so l + 2; a row of layer k reads features of layers up to k-1, so its flow into the rest adds at most k + 1 each:

    1 - (E + U) / (M + 2U) <= completeness <= 1 - E / (M + sum_t U_t (layer_t + 1)).

Both hold for `without_constants` too, because constants are always nodes: deleting them leaves known divisors.
Only for graphs whose rest is unexpanded features, so measure before pruning. Ameisen et al. 2025, "Circuit tracing".
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from gearscope.graph.influence import node_influence, row_mass, row_scale
from gearscope.graph.nodes import KIND_ORDER, NodeKind, Nodes

LEAF_KINDS = tuple(kind for kind in KIND_ORDER if kind not in (NodeKind.FEATURE, NodeKind.TARGET))


class Interval(NamedTuple):
    """A number known to lie between `low` and `high`, which are equal when nothing was left unexpanded."""

    low: float
    high: float

    def __str__(self) -> str:
        shown = f"{self.low:.3f}", f"{self.high:.3f}"
        return shown[0] if shown[0] == shown[1] else f"{shown[0]} to {shown[1]}"

    def contains(self, value: float, tolerance: float = 1e-9) -> bool:
        """Whether `value` lies in the interval, give or take rounding."""
        return self.low - tolerance <= value <= self.high + tolerance


class Forms(NamedTuple):
    """One score in its three forms."""

    as_published: Interval
    without_constants: Interval
    constants_unexplained: Interval


class Scores(NamedTuple):
    """What the circuit explains of its targets."""

    replacement: Forms
    completeness: Forms
    unexpanded: float
    """Share of the targets' influence that ends in features whose own inputs were not traced."""
    ends: dict[str, float]
    """Share of the targets' influence that ends in every kind of leaf (NodeKind value -> share)."""


class _Flow(NamedTuple):
    """Where a unit of influence goes."""

    tokens: float
    errors: float
    constants: float
    visits: float
    rest: float
    """Flow into unexpanded features."""
    rest_visits: float
    """The most visits that flow could add."""
    total: float
    ends: dict[str, float]


def measure(
    nodes: Nodes,
    adjacency: csr_array,
    rest_abs: Float[np.ndarray, " N"],
    influence: Float[np.ndarray, " N"] | None = None,
) -> Scores:
    """Scores of an unpruned graph. `rest_abs` is the mass of unexpanded features; raises GraphError on cycles.

    `influence` is that of all nodes, where it is known already.
    """
    if influence is None:
        influence = node_influence(nodes, adjacency, rest_abs)
    flow = _flow_to_leaves(nodes, influence, rest_abs, row_mass(adjacency, rest_abs))
    without = nodes.layout.constants
    bare_influence = node_influence(nodes, adjacency, rest_abs, without)
    bare = _flow_to_leaves(nodes, bare_influence, rest_abs, row_mass(adjacency, rest_abs, without))
    total = flow.total or 1.0
    return Scores(
        replacement=Forms(
            _replacement(flow, flow.errors),
            _replacement(bare, bare.errors),
            _replacement(flow, flow.errors + flow.constants),
        ),
        completeness=Forms(
            _completeness(flow, flow.errors),
            _completeness(bare, bare.errors),
            _completeness(flow, flow.errors + flow.constants),
        ),
        unexpanded=flow.rest / total,
        ends={kind: amount / total for kind, amount in flow.ends.items()},
    )


def _flow_to_leaves(
    nodes: Nodes,
    influence: Float[np.ndarray, " N"],
    rest_abs: Float[np.ndarray, " N"],
    mass: Float[np.ndarray, " N"],
) -> _Flow:
    layout = nodes.layout
    weight = np.nan_to_num(nodes.weight)
    arriving = influence + weight
    into_rest = arriving * rest_abs * row_scale(mass)
    # foreign targets may have no layer of their own: they read every layer
    top = max(nodes.layer.max(initial=-1) + 1, 0)
    layer = np.where(nodes.layer >= 0, nodes.layer, top)
    ends = {str(kind): float(arriving[layout.of(kind)].sum()) for kind in LEAF_KINDS}
    return _Flow(
        tokens=ends[NodeKind.TOKEN],
        errors=ends[NodeKind.ERROR],
        constants=float(arriving[layout.constants].sum()),
        visits=float(arriving.sum()),
        rest=float(into_rest.sum()),
        rest_visits=float((into_rest * (layer + 1)).sum()),
        total=float(weight.sum()),
        ends=ends,
    )


def _replacement(flow: _Flow, unexplained: float) -> Interval:
    whole = flow.tokens + unexplained + flow.rest
    if whole <= 0:
        return Interval(0.0, 0.0)
    return Interval(flow.tokens / whole, (flow.tokens + flow.rest) / whole)


def _completeness(flow: _Flow, unexplained: float) -> Interval:
    if flow.visits <= 0:
        return Interval(0.0, 0.0)
    low = 1 - (unexplained + flow.rest) / (flow.visits + 2 * flow.rest)
    high = 1 - unexplained / (flow.visits + flow.rest_visits)
    return Interval(low, high)
