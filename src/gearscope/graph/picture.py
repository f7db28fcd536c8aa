"""A circuit as a self-contained SVG picture, for pages that have no viewer.

    draw(graph)     x: position in the prompt, y: layer, tokens at the bottom, targets on top

Shown are the nodes with most influence, all targets, all tokens that fit, and the strongest edges between them, every
box with its strongest edge in and out. An edge is as wide as the root of its score, the share of the targets' influence
that flows through it; negative edges are dashed and of another colour. Constants are shown when they are among the
strongest quarter, and say so. Colours follow the reader's light or dark scheme.

Everything from a file is escaped. The same graph gives the same text. Knows nothing about files.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.influence import edge_scores
from gearscope.graph.nodes import CONSTANT_KINDS, NodeKind
from gearscope.graph.placement import (
    MARGIN,
    NOWHERE,
    RAIL,
    SMALL,
    TEXT,
    TOKEN_HEIGHT,
    Box,
    Card,
    Placement,
    fitted,
    place,
    text_width,
    token_width,
)
from gearscope.graph.text import node_name, printable

MOST_NODES, MOST_TARGETS = 28, 40
EDGES_PER_NODE = 2
THIN, THICK = 0.9, 5.0
PORT = 4.0
TITLE, TOP = 17.0, 98.0
BOWS = (0.0, 36.0, -36.0, 72.0, -72.0, 120.0, -120.0, 180.0, -180.0)
_LIGHT = {
    "page": "#ffffff", "band": "#f4f6f8", "line": "#e3e7ec", "box": "#ffffff", "rim": "#b6bfca", "ink": "#1f2730",
    "soft": "#57616d", "up": "#2f74b5", "down": "#c2541b", "token": "#e6edf5", "target": "#e4f0e8", "green": "#3f7d58",
}  # fmt: skip
_DARK = {
    "page": "#0d1117", "band": "#151b23", "line": "#262e38", "box": "#1c242e", "rim": "#4a5562", "ink": "#e8edf2",
    "soft": "#9aa5b1", "up": "#62a8e8", "down": "#ee8a4f", "token": "#1d2c3d", "target": "#1a3226", "green": "#6bb38a",
}  # fmt: skip


class _Edge(NamedTuple):
    target: int
    source: int
    weight: float
    score: float


def draw(graph: AttributionGraph, *, most_nodes: int = MOST_NODES) -> str:
    """The circuit as the text of an SVG file, 900 pixels wide unless its boxes need more.

    `most_nodes` boxes are drawn besides tokens and targets. Raises GraphError on cycles and ConfigError below 0.
    """
    if most_nodes < 0:
        raise ConfigError("the number of nodes to draw is 0 or more", found=str(most_nodes))
    influence = graph.node_influence()
    layout, position = graph.layout, graph.nodes.position
    chosen = _strongest(graph, influence, most_nodes)
    cards = [_card(graph, node, rank) for rank, node in enumerate(chosen)]
    targets = np.arange(layout.targets.start, layout.targets.stop)
    ranked = targets[np.argsort(-graph.target_weight[targets], kind="stable")][:MOST_TARGETS].tolist()
    top_cards = [_target_card(graph, node, rank) for rank, node in enumerate(ranked)]
    tokens = list(range(layout.tokens.start, layout.tokens.stop))
    strength = {int(position[node]): float(influence[node]) for node in tokens}
    placed = place(cards, top_cards, graph.tokens, strength, TOP)
    boxes = placed.boxes | _token_boxes(graph, tokens, placed)
    edges = _edges(graph, influence, np.array(sorted(boxes), dtype=np.int64))
    height = placed.bottom + 40
    shown = {card.node: card for card in (*cards, *top_cards)}
    parts = [
        _frame(graph, placed.width, height),
        *_scene(placed),
        *_lines(edges, boxes, placed.width),
        *_token_texts(graph, tokens, placed, boxes),
        *(_node(graph, card, boxes[node], influence) for node, card in shown.items()),
        *_legend(graph, edges, len(cards), placed.width),
        *_footer(graph, placed.width, height),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _strongest(graph: AttributionGraph, influence: Float[np.ndarray, " N"], most: int) -> list[int]:
    """Features, errors and strong constants by influence; none without influence."""
    layout = graph.layout
    ours = influence.copy()
    ours[layout.tokens] = ours[layout.targets] = 0.0
    order = np.argsort(-ours, kind="stable")
    order = order[ours[order] > 0]
    constant = (order >= layout.constants.start) & (order < layout.constants.stop)
    strong = np.arange(len(order)) < most // 4
    return order[~constant | strong][:most].tolist()


def _card(graph: AttributionGraph, node: int, rank: int) -> Card:
    nodes = graph.nodes
    layer, index, position = (int(column[node]) for column in (nodes.layer, nodes.index, nodes.position))
    label = printable(nodes.labels[node]).strip()
    detail = "constant"
    match NodeKind(nodes.kind[node]):
        case NodeKind.FEATURE:
            head = f"{layer}/{index}" if index >= 0 else printable(nodes.ids[node])
            effects = graph.effects.get(nodes.ids[node])
            promoted = [printable(token.strip()) or "␣" for token, _ in effects.promoted[:2]] if effects else []
            detail = label or ("↑ " + " · ".join(fitted(token, 66.0, SMALL) for token in promoted) if promoted else "")
        case NodeKind.ERROR:
            head, detail = f"error {layer}", "unexplained"
        case NodeKind.POSITION:
            head = f"position {position}"
        case NodeKind.FIRST:
            head = f"MLP {layer}"
        case _:
            head = label.partition(",")[0] or printable(nodes.ids[node])
    return Card(node, max(layer, -1), max(position, NOWHERE), head, detail, rank)


def _target_card(graph: AttributionGraph, node: int, rank: int) -> Card:
    nodes = graph.nodes
    label = nodes.labels[node]
    name = printable(label.strip(" ")) or ("␣" if label else printable(nodes.ids[node]))
    probability = nodes.probability[node]
    detail = f"{probability:.1%}" if np.isfinite(probability) else ""
    return Card(node, int(nodes.layer[node]), max(int(nodes.position[node]), NOWHERE), name, detail, rank)


def _token_boxes(graph: AttributionGraph, tokens: Sequence[int], placed: Placement) -> dict[int, Box]:
    """A box for the first token node of every column that is shown."""
    node_at = {int(graph.nodes.position[node]): node for node in reversed(tokens)}
    found = {}
    for column in placed.columns:
        if not column.hidden and column.position in node_at:
            width = token_width(column.text)
            box = Box(column.middle - width / 2, placed.token_y, width, TOKEN_HEIGHT)
            found[node_at[column.position]] = box
    return found


def _edges(graph: AttributionGraph, influence: Float[np.ndarray, " N"], shown: Int[np.ndarray, " K"]) -> list[_Edge]:
    """The strongest edges between shown nodes, with the strongest in and out of each, weakest first."""
    scores = edge_scores(graph.nodes, graph.adjacency, graph.rest_abs, influence)
    rows = np.repeat(np.arange(len(graph.nodes)), np.diff(graph.adjacency.indptr))
    columns = graph.adjacency.indices
    inside = np.flatnonzero(np.isin(rows, shown) & np.isin(columns, shown) & (graph.adjacency.data != 0))
    inside = inside[np.argsort(-scores[inside], kind="stable")]
    keep = np.arange(len(inside)) < EDGES_PER_NODE * len(shown)
    for ends in (rows[inside], columns[inside]):
        keep[np.unique(ends, return_index=True)[1]] = True
    total = float(graph.target_weight.sum()) or 1.0
    return [
        _Edge(int(rows[i]), int(columns[i]), float(graph.adjacency.data[i]), float(scores[i]) / total)
        for i in inside[keep][::-1].tolist()
    ]


def _thickness(score: float, strongest: float) -> float:
    return THIN + (THICK - THIN) * float(np.sqrt(score / strongest)) if strongest > 0 else THIN


def _lines(edges: Sequence[_Edge], boxes: dict[int, Box], width: float) -> list[str]:
    """Curves from the top of the source to the bottom of the target, bent around boxes that are in the way."""
    strongest = max((edge.score for edge in edges), default=0.0)
    corners = np.array([(b.x, b.y, b.x + b.width, b.y + b.height) for b in boxes.values()]).reshape(-1, 4)
    starts, ends = _ports(edges, boxes, "source", "target"), _ports(edges, boxes, "target", "source")
    lines = []
    for i, edge in enumerate(edges):
        low, high = boxes[edge.source].y, boxes[edge.target].y + boxes[edge.target].height
        path = _curve((starts[i], low), (ends[i], high), corners, (MARGIN + RAIL - 6, width - MARGIN))
        kind = "up" if edge.weight > 0 else "down"
        wide = _thickness(edge.score, strongest)
        faint = 0.75 + 0.2 * (wide - THIN) / (THICK - THIN)
        lines.append(f'<path class="{kind}" stroke-width="{wide:.2f}" stroke-opacity="{faint:.2f}" d="{path}"/>')
    return ['<g class="edges">', *lines, "</g>"]


def _ports(edges: Sequence[_Edge], boxes: dict[int, Box], own: str, other: str) -> list[float]:
    """The x at which every edge meets its box: side by side, in the order of where the edges go."""
    at: dict[int, list[int]] = {}
    for i, edge in enumerate(edges):
        at.setdefault(getattr(edge, own), []).append(i)
    found = [0.0] * len(edges)
    for node, members in at.items():
        members.sort(key=lambda i: (boxes[getattr(edges[i], other)].middle, i))
        step = min(PORT, 0.7 * boxes[node].width / len(members))
        for j, i in enumerate(members):
            found[i] = boxes[node].middle + (j - (len(members) - 1) / 2) * step
    return found


def _curve(
    start: tuple[float, float], end: tuple[float, float], corners: Float[np.ndarray, "B 4"], sides: tuple[float, float]
) -> str:
    """The cubic curve between two points that crosses fewest boxes, the straightest of them."""
    x, y = np.array([start[0], end[0]]), np.array([start[1], end[1]])
    along = np.linspace(0.03, 0.97, 32)[:, None]
    basis = np.hstack([(1 - along) ** 3, 3 * along * (1 - along) ** 2, 3 * along**2 * (1 - along), along**3])
    lift = (y[1] - y[0]) * 0.45
    best, fewest = "", np.inf
    for bow in BOWS:
        handles = np.clip(x + bow, *sides)
        points_x = basis @ np.array([x[0], *handles, x[1]])
        points_y = basis @ np.array([y[0], y[0] + lift, y[1] - lift, y[1]])
        inside = (points_x[:, None] > corners[:, 0]) & (points_x[:, None] < corners[:, 2])
        inside &= (points_y[:, None] > corners[:, 1]) & (points_y[:, None] < corners[:, 3])
        if inside.sum() < fewest:
            fewest = inside.sum()
            best = (
                f"M{x[0]:.1f} {y[0]:.1f}C{handles[0]:.1f} {y[0] + lift:.1f} "
                f"{handles[1]:.1f} {y[1] - lift:.1f} {x[1]:.1f} {y[1]:.1f}"
            )
    return best


def _words(
    x: float,
    y: float,
    text: str,
    *,
    size: float = SMALL,
    style: str = "soft",
    anchor: str = "start",
    bold: bool = False,
) -> str:
    """One line of text. Scripts whose widths are not known are set to the estimated width."""
    weight = ' font-weight="600"' if bold else ""
    fixed = ""
    if any(ord(c) >= 0x530 and c not in "…↑␣" for c in text):
        fixed = f' textLength="{text_width(text, size, bold):.1f}" lengthAdjust="spacingAndGlyphs"'
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"{weight}{fixed}>'
        f"{escape(text)}</text>"
    )


def _node(graph: AttributionGraph, card: Card, box: Box, influence: Float[np.ndarray, " N"]) -> str:
    kind = NodeKind(graph.nodes.kind[card.node])
    style = "constant" if kind in CONSTANT_KINDS else str(kind)
    head = fitted(card.head, box.width - 12, TEXT, bold=True)
    detail = fitted(card.detail, box.width - 12, SMALL)
    first = box.y + (16 if detail else 23.5)
    total = float(graph.target_weight.sum()) or 1.0
    more = f"{node_name(graph, card.node)}" + (f", {printable(card.detail)}" if card.detail else "")
    told = more if kind == NodeKind.TARGET else f"{more}, influence {influence[card.node] / total:.1%}"
    return "".join(
        [
            f'<g class="node {style}" data-node="{escape(printable(graph.nodes.ids[card.node]))}">',
            f"<title>{escape(told)}</title>",
            _rectangle(box, 6.0),
            _words(box.middle, first, head, size=TEXT, style="ink", anchor="middle", bold=True),
            _words(box.middle, box.y + 30.5, detail, anchor="middle") if detail else "",
            "</g>",
        ]
    )


def _rectangle(box: Box, radius: float) -> str:
    return f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:g}"/>'


def _token_texts(graph: AttributionGraph, tokens: Sequence[int], placed: Placement, boxes: dict[int, Box]) -> list[str]:
    """The token of every column, in a box when it is a node, with the position below it."""
    node_at = {int(graph.nodes.position[node]): node for node in tokens if node in boxes}
    parts = []
    for column in placed.columns:
        middle, baseline = column.middle, placed.token_y + 17.5
        node = None if column.hidden else node_at.get(column.position)
        if node is None:
            parts.append(_words(middle, baseline, column.text, size=TEXT, anchor="middle"))
        else:
            name = escape(printable(graph.nodes.ids[node]))
            words = _words(middle, baseline, column.text, size=TEXT, style="ink", anchor="middle")
            title = f"<title>{escape(node_name(graph, node))}</title>"
            parts.append(f'<g class="node token" data-node="{name}">{title}{_rectangle(boxes[node], 13.0)}{words}</g>')
        if not column.hidden and column.position >= 0:
            parts.append(_words(middle, placed.token_y + TOKEN_HEIGHT + 13, str(column.position), anchor="middle"))
    return parts


def _scene(placed: Placement) -> list[str]:
    """Bands of the rows with their names, and a line through every column."""
    parts = []
    for band in placed.bands:
        parts.append(f'<g class="band">{_rectangle(band.area, 8.0)}</g>')
        middle = band.area.y + band.area.height / 2 + 4
        parts.append(_words(MARGIN + 10, middle, fitted(band.label, RAIL - 12, SMALL)))
    top = placed.bands[0].area.y
    guides = [f"M{column.middle:.1f} {top:.1f}V{placed.token_y:.1f}" for column in placed.columns if not column.hidden]
    return [*parts, f'<path class="guide" d="{"".join(guides)}"/>']


def _legend(graph: AttributionGraph, edges: Sequence[_Edge], cards: int, width: float) -> list[str]:
    """The prompt as the title, what is shown of what, and what lines mean."""
    prompt = fitted(printable(graph.prompt) or "(no prompt)", width - 2 * MARGIN, TITLE, bold=True)
    whole = len(graph.nodes) - (graph.layout.tokens.stop - graph.layout.tokens.start)
    whole -= graph.layout.targets.stop - graph.layout.targets.start
    said = f"{graph.model} · {graph.basis} · the {cards} strongest of {whole:,} nodes, {len(edges):,} of "
    said = printable(f"{said}{graph.adjacency.nnz:,} edges")
    parts = [
        _words(MARGIN, 32.0, prompt, size=TITLE, style="ink", bold=True),
        _words(MARGIN, 51.0, fitted(said, width - 2 * MARGIN, SMALL)),
    ]
    x = MARGIN
    strongest = max((edge.score for edge in edges), default=0.0)
    samples = [("up", 3.0, "raises"), ("down", 3.0, "lowers")]
    if strongest > 0:
        samples += [("plain", _thickness(strongest / k, strongest), f"{_percent(strongest / k)}") for k in (1, 10, 100)]
    for style, wide, text in samples:
        parts.append(f'<path class="{style}" stroke-width="{wide:.2f}" d="M{x + 3:.1f} 70H{x + 25:.1f}"/>')
        parts.append(_words(x + 34, 74.0, text))
        x += 34 + text_width(text, SMALL) + 12
    meaning = "of the influence on the targets flows through · ↑ promotes"
    return [*parts, _words(x - 8, 74.0, fitted(meaning, width - MARGIN - x + 8, SMALL))]


def _percent(share: float) -> str:
    """A share with two significant digits."""
    return f"{100 * share:.2g}%" if share < 0.995 else "100%"


def _footer(graph: AttributionGraph, width: float, height: float) -> list[str]:
    if graph.scores is None:
        said = "replacement and completeness: not in this file"
    else:
        replacement, completeness = graph.scores.replacement.as_published, graph.scores.completeness.as_published
        said = f"replacement {replacement} · completeness {completeness} (as published)"
    return [_words(MARGIN, height - 16, fitted(said, width - 2 * MARGIN, SMALL))]


def _frame(graph: AttributionGraph, width: float, height: float) -> str:
    title = escape(f"Circuit of: {printable(graph.prompt)}")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" role="img" aria-label="{title}">',
            f"<style>{_rules(_LIGHT)}@media (prefers-color-scheme: dark){{{_rules(_DARK)}}}</style>",
            f'<rect class="page" width="{width:.0f}" height="{height:.0f}" rx="10"/>',
            '<g font-family="system-ui, -apple-system, Segoe UI, Noto Sans, Helvetica, Arial, sans-serif">',
        ]
    )


def _rules(c: dict[str, str]) -> str:
    """The style sheet of one colour scheme."""
    return (
        f".page{{fill:{c['page']}}}.band rect{{fill:{c['band']}}}.guide{{stroke:{c['line']};stroke-dasharray:2 4}}"
        f".ink{{fill:{c['ink']}}}.soft{{fill:{c['soft']}}}path{{fill:none;stroke-linecap:round}}"
        f".up{{stroke:{c['up']}}}.down{{stroke:{c['down']};stroke-dasharray:5 4;stroke-linecap:butt}}"
        f".plain{{stroke:{c['soft']}}}.node rect{{fill:{c['box']};stroke:{c['rim']}}}"
        f".error rect,.constant rect{{fill:{c['band']};stroke-dasharray:3 3}}"
        f".token rect{{fill:{c['token']};stroke:{c['up']};stroke-opacity:.55}}"
        f".target rect{{fill:{c['target']};stroke:{c['green']}}}"
    )
