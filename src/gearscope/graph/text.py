"""A circuit as plain text that fits a screen: what was traced, how much is explained, what feeds what.

    describe(graph)              header, scores, inputs of the targets, supernodes, what the prompt's tokens feed,
                                 the strongest paths, inhibition, the heads that carry most, the experts chosen
                                 where the answer is read
    describe_node(graph, node)   one node: what it says to the output, what feeds it, what it feeds

A weight is the signed direct effect in units of the receiving node's value; a percentage is its share of all that the
node receives, in absolute terms. Works for graphs of other programs too, which may have no values, scores or labels.
Everything from a file is shown with control characters escaped. Knows nothing about terminals and colours.
"""

import re
import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from gearscope.graph.empty_groups import read_empty_groups
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.heads import NO_HEAD, HeadLoadings, head_shares, read_loadings
from gearscope.graph.influence import edge_scores
from gearscope.graph.nodes import KIND_ORDER, NodeKind, Nodes
from gearscope.graph.opened import read_opened
from gearscope.graph.panels import flows
from gearscope.graph.paths import strongest_paths
from gearscope.graph.qk import read_scores
from gearscope.graph.routing import expert_of, read_routing
from gearscope.graph.scores import Forms

MAIN_INPUTS, OTHER_INPUTS, OTHER_TARGETS = 10, 3, 2
TOKENS, OPERANDS, FED_BY_TOKEN, PATHS, INHIBITORS, GROUPS, ROUTED = 12, 4, 3, 8, 5, 12, 12
HEADS, CARRIERS, LOOKS = 6, 3, 8
_PLURAL = {
    NodeKind.FEATURE: "features",
    NodeKind.ERROR: "errors",
    NodeKind.TOKEN: "tokens",
    NodeKind.POSITION: "positions",
    NodeKind.FIRST: "first positions",
    NodeKind.BIAS: "biases",
    NodeKind.TARGET: "targets",
}


def describe(graph: AttributionGraph, width: int = 100) -> str:
    """The circuit in at most about 80 lines of `width` characters. Raises GraphError when the graph has a cycle."""
    influence = graph.node_influence()
    scores = edge_scores(graph.nodes, graph.adjacency, graph.rest_abs, influence)
    by_influence = csr_array((scores, graph.adjacency.indices, graph.adjacency.indptr), graph.adjacency.shape)
    sections = [
        _header(graph, width),
        _scores(graph, width),
        *_inputs(graph),
        _supernodes(graph, influence),
        _tokens(graph, influence, by_influence),
        _paths(graph),
        _inhibition(graph),
        _heads(graph),
        _looks(graph),
        _routing(graph),
    ]
    lines = [line for section in sections if section for line in (*section, "")]
    return "\n".join(clipped(line, width) for line in lines[:-1])


def describe_node(graph: AttributionGraph, node: int, width: int = 100) -> str:
    """One node of the circuit: what it says to the output, what feeds it and what it feeds."""
    nodes, influence = graph.nodes, graph.node_influence()
    known = {"activation": nodes.activation[node], "value": nodes.value[node], "probability": nodes.probability[node]}
    figures = [f"{name} {value:.4g}" for name, value in known.items() if np.isfinite(value)]
    share = f"{influence[node] / _total_weight(graph):.1%} of the influence"
    fed = graph.adjacency[:, [node]].tocoo()
    order = np.argsort(-np.abs(fed.data), kind="stable")[:MAIN_INPUTS]
    feeds = [f"  {fed.data[i]:+9.3f}  {node_name(graph, int(fed.row[i]))}" for i in order.tolist()]
    expert = expert_of(graph, node)
    if expert is not None:
        figures.append(f"expert {expert.expert} with weight {expert.weight:.3g} on this token")
    head = [
        f"NODE     {node_name(graph, node)}   id {printable(nodes.ids[node])}",
        " " * 9 + ", ".join([*figures, share]),
    ]
    said = [f"SAYS  {_effects(graph, node, count=5)}"] if nodes.ids[node] in graph.effects else []
    inputs = _strongest(graph, node, MAIN_INPUTS, loadings=read_loadings(graph))
    sections = [
        head + said,
        ["FED BY   weight, share of the absolute input; the last heads that carry it", *inputs] if inputs else [],
        ["FEEDS    weight", *feeds] if feeds else [],
        _opened(graph, node),
    ]
    lines = [line for section in sections if section for line in (*section, "")]
    return "\n".join(clipped(line, width) for line in lines[:-1])


def _opened(graph: AttributionGraph, node: int) -> list[str]:
    """An error node's neurons: what they are, what of it was missed, what that adds to the strongest target."""
    found = read_opened(graph).get(graph.nodes.ids[node])
    edges = [edge for edge in found.edges if edge.target in graph.nodes] if found is not None else []
    if found is None or not edges:
        return []
    influence = graph.node_influence() + graph.target_weight
    share = influence / np.maximum(graph.row_mass(), np.finfo(float).tiny)
    edge = max(edges, key=lambda edge: abs(edge.weight) * share[graph.nodes.find(edge.target)])
    layer, position = int(graph.nodes.layer[node]), int(graph.nodes.position[node])
    columns = list(zip(found.neurons, found.activation, found.missed, edge.contributions, strict=True))
    ranked = sorted(columns, key=lambda row: -abs(row[3]))
    lines = [
        f"  {part:+9.3f}  neuron {layer}/{neuron}@{position}, {activation:.3g} of which {missed:+.3g} was missed"
        for neuron, activation, missed, part in ranked[:MAIN_INPUTS]
    ]
    rest = edge.others + sum(row[3] for row in ranked[MAIN_INPUTS:])
    by_chance = "" if found.needed_random is None else f"; {found.needed_random} for a random error"
    head = f"OPENED   into neurons, on {node_name(graph, graph.nodes.find(edge.target))}: {edge.weight:+.3f} ="
    tail = f"  {rest:+9.3f}  all other neurons, {edge.left:+.1e} no neuron"
    return [head, *lines, tail, f"  {found.needed} of {found.active} neurons hold 80 % of what was missed{by_chance}"]


def printable(text: str) -> str:
    """The text with control characters and lone surrogates escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def clipped(line: str, width: int) -> str:
    """The line, cut to `width` with an ellipsis."""
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def quoted(token: str) -> str:
    """A token in quotes, so that its spaces show."""
    return f'"{printable(token)}"'


def node_name(graph: AttributionGraph, node: int) -> str:
    """A node as a reader knows it: `2/417@5 on "36"`, `"36"@2`, `error 3@5`, a target's token."""
    return name_among(graph.nodes, node, graph.tokens)


def name_among(nodes: Nodes, node: int, tokens: Sequence[str]) -> str:
    """The same for a node of any table, on a prompt of these tokens."""
    layer, index, position = (int(column[node]) for column in (nodes.layer, nodes.index, nodes.position))
    label = printable(nodes.labels[node])
    token = quoted(tokens[position]) if 0 <= position < len(tokens) else ""
    match NodeKind(nodes.kind[node]):
        case NodeKind.FEATURE:
            name = f"{layer}/{index}@{position}" if index >= 0 else printable(nodes.ids[node])
            return f"{name} on {token}" + (f" [{label}]" if label else "") if token else name
        case NodeKind.ERROR:
            return f"error {layer}@{position} on {token}"
        case NodeKind.TOKEN:
            return f"{token or quoted(label)}@{position}"
        case NodeKind.POSITION:
            return f"position embedding @{position}"
        case NodeKind.FIRST:
            return f"MLP {layer} of constant position {position}"
        case NodeKind.BIAS:
            return label or printable(nodes.ids[node])
        case NodeKind.TARGET:
            return quoted(nodes.labels[node] or nodes.ids[node])


def _effects(graph: AttributionGraph, node: int, count: int = 3) -> str:
    effects = graph.effects.get(graph.nodes.ids[node])
    if effects is None:
        return ""
    sides = (("raises", effects.promoted), ("lowers", effects.suppressed))
    said = [f"{verb} {' '.join(printable(token) for token, _ in side[:count])}" for verb, side in sides if side]
    return "   " + ", ".join(said) if said else ""


def _header(graph: AttributionGraph, width: int) -> list[str]:
    tokens = "  ".join(f"{i}:{printable(token)}" for i, token in enumerate(graph.tokens))
    wrapped = textwrap.wrap(
        tokens, width, initial_indent="prompt   ", subsequent_indent=" " * 9, break_on_hyphens=False
    )
    if len(wrapped) > 5:
        wrapped = [*wrapped[:4], f"{' ' * 9}… {len(graph.tokens)} tokens"]
    layout = graph.layout
    sizes = ((_PLURAL[kind], layout.of(kind)) for kind in KIND_ORDER)
    counts = ", ".join(f"{found.stop - found.start} {name}" for name, found in sizes if found.stop > found.start)
    counts = re.sub(r"\b1 (\w[\w -]*?)(?<=bias)es\b|\b1 (\w[\w -]*)s\b", r"1 \1\2", counts)
    cut = " (pruned to {:g} of nodes, {:g} of edges)".format(*graph.thresholds) if graph.thresholds else ""
    targets = ", ".join(_target(graph, node) for node in _ranked_targets(graph)[:6])
    more = layout.targets.stop - layout.targets.start - 6
    return [
        *(wrapped or ["prompt   (none)"]),
        f"model    {printable(graph.model)}, basis {printable(graph.basis)}",
        f"traced   {targets}" + (f" and {more} more" if more > 0 else ""),
        *textwrap.wrap(
            f"graph    {counts}, {graph.adjacency.nnz} edges{cut}", width, subsequent_indent=" " * 9
        ),
        *_empty_groups(graph, width),
    ]  # fmt: skip


def _empty_groups(graph: AttributionGraph, width: int) -> list[str]:
    names = [printable(name) for name in read_empty_groups(graph)]
    if not names:
        return []
    shown = ", ".join(names[:GROUPS]) + (f" and {len(names) - GROUPS} more" if len(names) > GROUPS else "")
    said = f"left out supernodes with none of the file's nodes in them: {shown}"
    return textwrap.wrap(said, width, subsequent_indent=" " * 9)


def _target(graph: AttributionGraph, node: int) -> str:
    probability = graph.nodes.probability[node]
    return node_name(graph, node) + (f" ({probability:.1%})" if np.isfinite(probability) else "")


def _ranked_targets(graph: AttributionGraph) -> list[int]:
    targets = np.arange(graph.layout.targets.start, graph.layout.targets.stop)
    return targets[np.argsort(-graph.target_weight[targets], kind="stable")].tolist()


def _scores(graph: AttributionGraph, width: int) -> list[str]:
    nothing = f"of the targets' input, {graph.unattributed:.1%} is from constants and from nodes not in this graph"
    if graph.scores is None:
        return ["SCORES   not in this file", f"  {nothing}"]
    ends = {_PLURAL[NodeKind(kind)]: share for kind, share in graph.scores.ends.items()}
    ends["unexpanded features"] = graph.scores.unexpanded
    ranked = sorted(((share, name) for name, share in ends.items() if share >= 0.0005), reverse=True)
    said = ", ".join(f"{share:.1%} {name}" for share, name in ranked)
    lost = graph.details.get("unstored")
    cut = (
        [f"  {lost:.1%} of what nodes receive lies in edges too small to be stored"] if isinstance(lost, float) else []
    )
    errors = graph.row_error()
    finite = errors[np.isfinite(errors)]
    checked = f"  every row sums to its value within {finite.max(initial=0):.1e} of its absolute sum"
    return [
        "SCORES   as published | without constants | constants unexplained",
        f"  replacement   {_forms(graph.scores.replacement)}",
        f"  completeness  {_forms(graph.scores.completeness)}",
        *textwrap.wrap(f"influence ends in {said}", width, initial_indent="  ", subsequent_indent="    "),
        f"  {nothing}",
        *cut,
        *([checked] if len(finite) else []),
    ]


def _forms(forms: Forms) -> str:
    return " | ".join(map(str, forms))


def _inputs(graph: AttributionGraph) -> list[list[str]]:
    sections = []
    for rank, target in enumerate(_ranked_targets(graph)[: 1 + OTHER_TARGETS]):
        rows = _strongest(graph, target, MAIN_INPUTS if rank == 0 else OTHER_INPUTS)
        if rank == 0 and graph.rest_abs[target] > 0:
            share = graph.rest_abs[target] / graph.row_mass()[target]
            rows.append(f"  {graph.rest_sum[target]:+9.3f} {share:6.1%}  all nodes that are not in this graph")
        if rows:
            sections.append([f"WHAT FEEDS {_target(graph, target)}", *rows])
    return sections


def _strongest(
    graph: AttributionGraph, target: int, count: int, sign: int = 0, loadings: HeadLoadings | None = None
) -> list[str]:
    """The strongest entries of one row, all or of one sign, as lines; with the heads that carry each where known."""
    row = slice(*graph.adjacency.indptr[target : target + 2])
    sources, weights = graph.adjacency.indices[row], graph.adjacency.data[row]
    mass = float(np.abs(weights).sum() + graph.rest_abs[target]) or 1.0
    wanted = np.flatnonzero(weights * sign > 0 if sign else weights)
    order = wanted[np.argsort(-np.abs(weights[wanted]), kind="stable")][:count]
    return [
        f"  {weights[i]:+9.3f} {abs(weights[i]) / mass:6.1%}  {node_name(graph, int(sources[i]))}"
        + (_effects(graph, int(sources[i])) if loadings is None else _carriers(loadings, target, int(sources[i])))
        for i in order.tolist()
    ]


def _carriers(loadings: HeadLoadings, target: int, source: int) -> str:
    """The heads that carry an edge, strongest first."""
    parts = loadings.of_edge(target, source)
    if [head for head, _ in parts] == [NO_HEAD]:
        return "   no head"
    said = [
        f"{'no head' if head == NO_HEAD else loadings.name(head)} {weight:+.3f}" for head, weight in parts[:CARRIERS]
    ]
    return "   by " + ", ".join(said) + (", …" if len(parts) > CARRIERS else "") if parts else ""


def _supernodes(graph: AttributionGraph, influence: Float[np.ndarray, " N"]) -> list[str]:
    """Groups by influence, with what each sends to the other groups and the targets, as shares of their input."""
    groups = {group.name: [graph.find(name) for name in group.ids] for group in graph.supernodes}
    boxes = groups | {node_name(graph, node): [node] for node in _ranked_targets(graph)[:3]}
    names, total = list(boxes), float(influence.sum()) or 1.0
    sent = flows(graph, list(boxes.values()), least=0.005)
    lines = []
    ranked = sorted(groups.items(), key=lambda group: -float(influence[group[1]].sum()))
    for name, members in ranked[:GROUPS]:
        strongest = [(flow.share, names[flow.target]) for flow in sent if names[flow.source] == name][:3]
        feeds = ", ".join(f"{share:+.1%} of {printable(other)}" for share, other in strongest)
        held = f"{len(members)} nodes, {influence[members].sum() / total:.1%}"
        lines.append(f"  {printable(name)} ({held})" + (f" -> {feeds}" if feeds else ""))
    return ["SUPERNODES   nodes, share of all influence -> share of the input of", *lines] if lines else []


def _tokens(graph: AttributionGraph, influence: Float[np.ndarray, " N"], by_influence: csr_array) -> list[str]:
    """What every influential token feeds; the strongest few with a line and the token effects per receiver."""
    tokens = np.arange(graph.layout.tokens.start, graph.layout.tokens.stop)
    ranked = tokens[np.argsort(-influence[tokens], kind="stable")][:TOKENS]
    strong = ranked[np.argsort(graph.nodes.position[ranked], kind="stable")]
    columns, weights = by_influence[:, strong].tocsc(), graph.adjacency[:, strong].tocsc()
    lines = []
    for i, token in enumerate(strong.tolist()):
        column = slice(*columns.indptr[i : i + 2])
        order = np.argsort(-columns.data[column], kind="stable")[:FED_BY_TOKEN]
        fed = list(zip(columns.indices[column][order].tolist(), weights.data[column][order].tolist(), strict=True))
        if not fed:
            continue
        head = f"  {node_name(graph, token):16} {influence[token] / _total_weight(graph):6.1%}  -> "
        said = [f"{weight:+.3f} {_brief(graph, node)}" for node, weight in fed]
        if token in ranked[:OPERANDS]:
            full = [text + _effects(graph, node) for text, (node, _) in zip(said, fed, strict=True)]
            lines += [head + full[0], *(" " * len(head) + text for text in full[1:])]
        else:
            lines.append(head + ", ".join(said))
    return ["WHAT THE PROMPT FEEDS   share of influence -> strongest receivers", *lines] if lines else []


def _total_weight(graph: AttributionGraph) -> float:
    return float(graph.target_weight.sum()) or 1.0


def _brief(graph: AttributionGraph, node: int) -> str:
    """A node's name without what follows the first ` on `, unless it has a label."""
    name, _, rest = node_name(graph, node).partition(" on ")
    label = printable(graph.nodes.labels[node])
    return f"{name} [{label}]" if rest and label else name


def _paths(graph: AttributionGraph) -> list[str]:
    target = _ranked_targets(graph)[0]
    lines = []
    for path in strongest_paths(graph, target, PATHS):
        share = f"{path.sign * path.strength:+.2%}"
        lines.append(f"  {share:>9}  " + " -> ".join(_brief(graph, node) for node in path.nodes))
    return [f"STRONGEST PATHS   share of the influence on {_target(graph, target)}", *lines] if lines else []


def _inhibition(graph: AttributionGraph) -> list[str]:
    target = _ranked_targets(graph)[0]
    lines: Iterable[str] = _strongest(graph, target, INHIBITORS, sign=-1)
    return [f"WHAT INHIBITS {_target(graph, target)}", *lines] if lines else []


def _heads(graph: AttributionGraph) -> list[str]:
    """The heads that carry most of the influence, each with the edge through which it carries most."""
    loadings = read_loadings(graph)
    if loadings is None:
        return []
    shares = head_shares(graph, loadings)
    direct = sum(some.share for some in shares if some.head == NO_HEAD)
    lines = [
        f"  {loadings.name(some.head):>5} {some.share:6.1%}  most of it {_brief(graph, some.edge[1])}"
        f" -> {_brief(graph, some.edge[0])}"
        for some in shares
        if some.head != NO_HEAD
    ][:HEADS]
    said = f"HEADS   share of the influence of edges whose last head it is; {direct:.1%} passes no head"
    return [said, *lines] if lines else []


def _looks(graph: AttributionGraph) -> list[str]:
    """The attention scores that were taken apart and stored, each with its strongest pair."""
    lines = []
    for found in read_scores(graph)[:LOOKS]:
        layer, head, query, key, against = found.question
        q, k, other = (f"{quoted(graph.tokens[p])}@{p}" if p is not None else "" for p in (query, key, against))
        said = f"  {f'{layer}.{head}':>5}  {q} to {k}" + (f", not {other}" if other else "") + f": {found.score:+.3f}"
        if found.pairs:
            best = found.pairs[0]
            names = [name_among(found.nodes, node, graph.tokens).partition(" on ")[0] for node in best[:2]]
            said += f", most of it {best.value:+.3f} from {names[0]} x {names[1]}"
        lines.append(said)
    return ["WHY HEADS LOOK   score, or difference of two scores", *lines] if lines else []


def _routing(graph: AttributionGraph) -> list[str]:
    """The experts that routers chose at the position of the strongest target, held fixed while the graph was traced."""
    position = int(graph.nodes.position[_ranked_targets(graph)[0]])
    layers = sorted(read_routing(graph).items())
    lines = [
        f"  layer {layer:<3} " + ", ".join(f"expert {c.expert} {c.weight:.3f}" for c in routing.at(position))
        for layer, routing in layers[:ROUTED]
    ]
    lines += [f"  … {len(layers) - ROUTED} more layers"] if len(layers) > ROUTED else []
    return [f"EXPERTS   chosen at position {position} and frozen, with their weights", *lines] if lines else []
