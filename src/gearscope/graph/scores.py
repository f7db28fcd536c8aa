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
so l + 2; where it is only known that a row of layer k sends it, it goes to layers up to k-1, which is k + 1 each:

    1 - (E + U) / (M + 2U) <= completeness <= 1 - E / (M + sum_u U_u (layer_u + 2)).

Both hold for `without_constants` too, because constants are always nodes: deleting them leaves known divisors.
Who traced a graph may know these flows by whole rows and hand them in (`Reached`), so that entries that are not stored
widen nothing. Else they are read off a graph whose rest is unexpanded features alone, so measure before pruning.
Ameisen et al. 2025, "Circuit tracing".
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from gearscope.graph.influence import influence_with, row_mass, row_scale
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


class Reached(NamedTuple):
    """Influence of every node, in units of the targets' weights, and what of it is not followed."""

    influence: Float[np.ndarray, " N"]
    rest: float
    """Flow into unexpanded features."""
    rest_visits: float
    """The most visits that flow could add."""


class _Flow(NamedTuple):
    """Where a unit of influence goes."""

    tokens: float
    errors: float
    constants: float
    visits: float
    rest: float
    rest_visits: float
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
    mass = row_mass(adjacency, rest_abs)
    if influence is None:
        influence = influence_with(nodes, adjacency, mass)
    bare_mass = row_mass(adjacency, rest_abs, nodes.layout.constants)
    bare = influence_with(nodes, adjacency, bare_mass)
    return scores_of(nodes, _reached(nodes, influence, rest_abs, mass), _reached(nodes, bare, rest_abs, bare_mass))


def scores_of(nodes: Nodes, whole: Reached, bare: Reached) -> Scores:
    """Scores from what is reached in the rows as they are, and in the rows without their constants."""
    bare.influence[nodes.layout.constants] = 0
    flow, bare_flow = _flow_to_leaves(nodes, whole), _flow_to_leaves(nodes, bare)
    total = flow.total or 1.0
    return Scores(
        replacement=Forms(
            _replacement(flow, flow.errors),
            _replacement(bare_flow, bare_flow.errors),
            _replacement(flow, flow.errors + flow.constants),
        ),
        completeness=Forms(
            _completeness(flow, flow.errors),
            _completeness(bare_flow, bare_flow.errors),
            _completeness(flow, flow.errors + flow.constants),
        ),
        unexpanded=flow.rest / total,
        ends={kind: amount / total for kind, amount in flow.ends.items()},
    )


class Shown(NamedTuple):
    """What the nodes of a graph explain by themselves: everything that is not in it counts as error."""

    replacement: float
    completeness: float


def measure_shown(nodes: Nodes, adjacency: csr_array, rest_abs: Float[np.ndarray, " N"]) -> Shown:
    """Scores of any graph, pruned or not, with its rest R as error: T / (T + E + R) and 1 - (E + R) / (M + R).

    Never above the published scores of the graph it was cut from, and the scores that a viewer shows for what it
    shows. Raises GraphError on cycles.
    """
    mass = row_mass(adjacency, rest_abs)
    flow = _flow_to_leaves(nodes, _reached(nodes, influence_with(nodes, adjacency, mass), rest_abs, mass))
    lost = flow.errors + flow.rest
    ended, visits = flow.tokens + lost, flow.visits + flow.rest
    return Shown(flow.tokens / ended if ended > 0 else 0.0, 1 - lost / visits if visits > 0 else 0.0)


def _reached(
    nodes: Nodes,
    influence: Float[np.ndarray, " N"],
    rest_abs: Float[np.ndarray, " N"],
    mass: Float[np.ndarray, " N"],
) -> Reached:
    """With what every row sends into its rest."""
    into_rest = (influence + np.nan_to_num(nodes.weight)) * rest_abs * row_scale(mass)
    # foreign targets may have no layer of their own: they read every layer
    top = max(nodes.layer.max(initial=-1) + 1, 0)
    layer = np.where(nodes.layer >= 0, nodes.layer, top)
    return Reached(influence, float(into_rest.sum()), float((into_rest * (layer + 1)).sum()))


def _flow_to_leaves(nodes: Nodes, reached: Reached) -> _Flow:
    layout = nodes.layout
    weight = np.nan_to_num(nodes.weight)
    arriving = reached.influence + weight
    ends = {str(kind): float(arriving[layout.of(kind)].sum()) for kind in LEAF_KINDS}
    return _Flow(
        tokens=ends[NodeKind.TOKEN],
        errors=ends[NodeKind.ERROR],
        constants=float(arriving[layout.constants].sum()),
        visits=float(arriving.sum()),
        rest=reached.rest,
        rest_visits=reached.rest_visits,
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
