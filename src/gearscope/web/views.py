"""Graph -> what the page shows of it. It picks and names; every number comes from the graph room. No torch."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gearscope.errors import GraphError
from gearscope.graph import panels
from gearscope.graph.graph import AttributionGraph, Supernode
from gearscope.graph.nodes import NodeKind
from gearscope.graph.prune import prune_further, stored_thresholds
from gearscope.graph.schema import reals, scores_to_json
from gearscope.graph.scores import Interval, measure_shown
from gearscope.graph.text import node_name, printable
from gearscope.web import schemas
from gearscope.web.config import Limits

ANSWERS, SAID, BRIEF = 3, 5, 3


class Numbers(NamedTuple):
    """The columns of a graph as plain lists, nan as None."""

    activation: list[float | None]
    probability: list[float | None]
    value: list[float | None]
    cumulative: list[float | None]
    influence: list[float | None]


def card(graph: AttributionGraph, *, id: str, name: str, modified: float) -> schemas.Card:
    """A graph in a list."""
    scores = graph.scores
    return schemas.Card(
        id=id,
        name=printable(name),
        prompt=printable(graph.prompt),
        tokens=[printable(token) for token in graph.tokens],
        answers=_answers(graph),
        model=printable(graph.model),
        basis=printable(graph.basis),
        n_nodes=len(graph.nodes),
        n_links=graph.adjacency.nnz,
        replacement=None if scores is None else _interval(scores.replacement.as_published),
        completeness=None if scores is None else _interval(scores.completeness.as_published),
        modified=modified,
    )


def graph_view(
    graph: AttributionGraph, shown: AttributionGraph, heading: schemas.Card, limits: Limits, *, traced_here: bool
) -> schemas.GraphView:
    """`shown` is `graph` at the thresholds asked for."""
    chosen = _strongest_nodes(shown, limits.nodes)
    place = {number: i for i, number in enumerate(chosen)}
    numbers = _numbers(shown)
    return schemas.GraphView(
        card=heading,
        thresholds=_thresholds(graph, shown),
        n_nodes=len(shown.nodes),
        n_links=shown.adjacency.nnz,
        nodes=[_node(shown, i, numbers) for i in chosen],
        links=_links(shown, place, limits.links),
        whole=None if graph.scores is None else schemas.WholeScores.model_validate(_whole(graph)),
        shown=_shown_scores(shown),
        unattributed=shown.unattributed,
        pinned=list(graph.pinned),
        groups=[schemas.Group(name=printable(group.name)[:200], ids=list(group.ids)) for group in graph.supernodes],
        traced_here=traced_here,
    )


def at_thresholds(graph: AttributionGraph, node: float | None, edge: float | None) -> AttributionGraph:
    """The graph at thresholds of the graph it was cut from; as stored where none is given."""
    most_node, most_edge = stored_thresholds(graph)
    return prune_further(graph, most_node if node is None else node, most_edge if edge is None else edge)


def node_view(graph: AttributionGraph, node_id: str, limits: Limits) -> schemas.NodeView:
    """A clicked node. Raises GraphError when it is not in the graph."""
    number = graph.nodes.find(node_id)
    found = panels.connections(graph, number, limits.connections)
    effects = graph.effects.get(node_id)
    promoted, suppressed = (effects.promoted, effects.suppressed) if effects is not None else ((), ())
    return schemas.NodeView(
        node=_node(graph, number, _numbers(graph)),
        inputs=[_connection(graph, end) for end in found.inputs],
        outputs=[_connection(graph, end) for end in found.outputs],
        n_inputs=found.n_inputs,
        n_outputs=found.n_outputs,
        mass=found.mass,
        rest_sum=found.rest_sum,
        rest_share=found.rest_share,
        promoted=[schemas.Effect(token=printable(token), change=change) for token, change in promoted],
        suppressed=[schemas.Effect(token=printable(token), change=change) for token, change in suppressed],
    )


def flows(graph: AttributionGraph, boxes: Sequence[Sequence[str]], most: int = 200) -> list[schemas.Flow]:
    """What boxes of nodes send to each other; nodes that these thresholds drop count for nothing."""
    numbers = [[graph.nodes.find(name) for name in names if name in graph.nodes] for names in boxes]
    return [
        schemas.Flow(source=flow.source, target=flow.target, share=flow.share)
        for flow in panels.flows(graph, numbers)[:most]
    ]


def supernodes(groups: Sequence[schemas.Group]) -> tuple[Supernode, ...]:
    """Groups from the wire."""
    return tuple(Supernode(group.name, tuple(group.ids)) for group in groups)


def _answers(graph: AttributionGraph) -> list[schemas.Answer]:
    targets, probability = graph.layout.targets, reals(graph.nodes.probability)
    ranked = sorted(range(targets.start, targets.stop), key=lambda i: -float(graph.target_weight[i]))
    return [
        schemas.Answer(token=printable(graph.nodes.labels[i] or graph.nodes.ids[i]), probability=probability[i])
        for i in ranked[:ANSWERS]
    ]


def _interval(interval: Interval) -> schemas.Interval:
    return schemas.Interval(low=interval.low, high=interval.high)


def _whole(graph: AttributionGraph) -> dict[str, Any]:
    assert graph.scores is not None
    said = scores_to_json(graph.scores)
    forms = {
        name: {form: {"low": low, "high": high} for form, (low, high) in said[name].items()}
        for name in ("replacement", "completeness")
    }
    return {**forms, "unexpanded": said["unexpanded"]}


def _thresholds(graph: AttributionGraph, shown: AttributionGraph) -> schemas.Thresholds:
    most_node, most_edge = stored_thresholds(graph)
    node, edge = stored_thresholds(shown)
    return schemas.Thresholds(node=node, edge=edge, most_node=most_node, most_edge=most_edge)


def _shown_scores(shown: AttributionGraph) -> schemas.ShownScores | None:
    try:
        scores = measure_shown(shown.nodes, shown.adjacency, shown.rest_abs)
    except GraphError:
        return None  # a foreign graph with a cycle has no scores
    return schemas.ShownScores(replacement=scores.replacement, completeness=scores.completeness)


def _strongest_nodes(graph: AttributionGraph, most: int) -> list[int]:
    """Numbers of at most `most` nodes: all tokens and targets, then the most influential, in the graph's order."""
    shares = panels.influence_shares(graph)
    count = len(graph.nodes)
    if count <= most:
        return list(range(count))
    always = {*range(graph.layout.tokens.start, graph.layout.tokens.stop)}
    always |= {*range(graph.layout.targets.start, graph.layout.targets.stop)}
    others = [i for i in range(count) if i not in always]
    if shares is not None:
        others.sort(key=lambda i: -float(shares[i]))
    return sorted([*always, *others[: max(0, most - len(always))]])


def _numbers(graph: AttributionGraph) -> Numbers:
    shares, missing = panels.influence_shares(graph), [None] * len(graph.nodes)
    return Numbers(
        activation=reals(graph.nodes.activation),
        probability=reals(graph.nodes.probability),
        value=reals(graph.nodes.value),
        cumulative=missing if graph.cumulative is None else reals(graph.cumulative),
        influence=missing if shares is None else reals(shares),
    )


def _node(graph: AttributionGraph, i: int, numbers: Numbers) -> schemas.Node:
    nodes = graph.nodes
    kind = NodeKind(nodes.kind[i])
    effects = graph.effects.get(nodes.ids[i])
    return schemas.Node(
        id=nodes.ids[i],
        kind=kind.value,
        layer=int(nodes.layer[i]),
        position=int(nodes.position[i]),
        name=_short_name(graph, i, kind),
        label="" if kind in (NodeKind.TOKEN, NodeKind.TARGET) else printable(nodes.labels[i]),
        activation=numbers.activation[i],
        probability=numbers.probability[i],
        value=numbers.value[i],
        influence=numbers.influence[i],
        cumulative=numbers.cumulative[i],
        raises=[printable(token) for token, _ in effects.promoted[:SAID]] if effects else [],
        lowers=[printable(token) for token, _ in effects.suppressed[:SAID]] if effects else [],
    )


def _short_name(graph: AttributionGraph, i: int, kind: NodeKind) -> str:
    """The name without the token it stands on: the page shows that beside it."""
    if kind in (NodeKind.TOKEN, NodeKind.TARGET, NodeKind.BIAS):
        return node_name(graph, i)
    return node_name(graph, i).partition(" on ")[0]


def _connection(graph: AttributionGraph, end: panels.Connection) -> schemas.Connection:
    kind = NodeKind(graph.nodes.kind[end.node])
    effects = graph.effects.get(graph.nodes.ids[end.node])
    return schemas.Connection(
        id=graph.nodes.ids[end.node],
        kind=kind.value,
        position=int(graph.nodes.position[end.node]),
        name=_short_name(graph, end.node, kind),
        label="" if kind in (NodeKind.TOKEN, NodeKind.TARGET) else printable(graph.nodes.labels[end.node]),
        raises=[printable(token) for token, _ in effects.promoted[:BRIEF]] if effects else [],
        weight=end.weight,
        share=end.share,
    )


def _links(graph: AttributionGraph, place: dict[int, int], most: int) -> schemas.Links:
    strongest = panels.strongest_links(graph, most)
    rows = [row for row in zip(*strongest, strict=True) if row[0] in place and row[1] in place]
    return schemas.Links(
        source=[place[source] for source, _, _, _ in rows],
        target=[place[target] for _, target, _, _ in rows],
        weight=[weight for _, _, weight, _ in rows],
        share=[share for _, _, _, share in rows],
    )
