"""A circuit as the JSON that the public graph viewers read (circuit-tracer, Neuronpedia, Anthropic's page).

Features, errors, tokens and targets become `nodes`, their edges `links`. `influence` is the cumulative share (0.05 is
among the strongest). Error ids are `{layer}_-1_{position}`, the `feature` field is the Cantor number of (layer, index),
a logit's layer is the number of blocks + 1. A `jsNodeId` ends with how many later positions hold the same feature.

Everything the format has no place for lies under `metadata.gearscope`: one table of all nodes with their values and
rests, the constant nodes and their links (absent from `nodes` and `links`; their signed sum per node is
`constant_sum`), scores, token effects and the certificate. `reading.py` is the way back.

Knows nothing about files.
"""

import re
from collections import Counter
from typing import Any

import numpy as np
from jaxtyping import Shaped

from gearscope.artifact import package_versions
from gearscope.graph.graph import AttributionGraph, TokenEffects
from gearscope.graph.heads import KEY as HEAD_LOADINGS
from gearscope.graph.nodes import CONSTANT_KINDS, KIND_ORDER, NodeKind, Nodes
from gearscope.graph.qk import peer_nodes
from gearscope.graph.scores import Forms, Interval, Scores

GRAPH_FORMAT = 1
FEATURE_TYPES = {
    NodeKind.FEATURE: "cross layer transcoder",
    NodeKind.ERROR: "mlp reconstruction error",
    NodeKind.TOKEN: "embedding",
    NodeKind.TARGET: "logit",
}
_LINK_BYTES, _PARTS_BYTES, _NODE_BYTES = 64, 56, 750
"""What an edge, its split by heads, and a node with its token effects take in graphs of the bundled model."""
WHOLE_COLUMNS = ("layer", "position", "index")
REAL_COLUMNS = ("activation", "probability", "value", "weight")


def to_json(graph: AttributionGraph, slug: str) -> dict[str, Any]:
    """The graph as a JSON-able dictionary, valid against the public schema."""
    shown = ~np.isin(graph.nodes.kind, [str(kind) for kind in CONSTANT_KINDS])
    heads, outside = peer_nodes(graph)
    return {
        "metadata": {
            "slug": slug,
            "scan": graph.model,
            "transcoder_list": [],
            "prompt_tokens": list(graph.tokens),
            "prompt": graph.prompt,
            "schema_version": 1,
            **_thresholds(graph),
            "info": {"generator": {"name": "gearscope", "version": package_versions().get("gearscope", "0")}},
            "gearscope": _own(graph, shown),
        },
        "qParams": {
            "pinnedIds": list(graph.pinned),
            "supernodes": [[group.name, *group.ids] for group in graph.supernodes],
            "linkType": "both",
            "clickedId": "",
            "sg_pos": "",
        },
        "nodes": _nodes(graph, shown) + heads,
        "links": _links(graph, shown),
        **({"qk_only_nodes": outside} if outside else {}),
    }


def about_bytes(graph: AttributionGraph) -> int:
    """About how many bytes of JSON the graph is, without making them."""
    per_edge = _LINK_BYTES + (_PARTS_BYTES if HEAD_LOADINGS in graph.details else 0)
    return graph.adjacency.nnz * per_edge + len(graph.nodes) * _NODE_BYTES


def cantor(first: int, second: int) -> int:
    """The Cantor pairing of two numbers >= 0: (x + y)(x + y + 1) / 2 + y."""
    return (first + second) * (first + second + 1) // 2 + second


def js_node_ids(nodes: Nodes) -> list[str]:
    """The viewers' second id of every node; unique, like the first."""
    columns = zip(nodes.kind, nodes.layer.tolist(), nodes.index.tolist(), nodes.position.tolist(), strict=True)
    repeats: Counter[str] = Counter()
    wanted = [""] * len(nodes)
    for number, (kind, layer, index, position) in reversed(list(enumerate(columns))):
        stem = {
            NodeKind.FEATURE: f"{layer}_{index}",
            NodeKind.ERROR: f"{layer}_-1",
            NodeKind.TOKEN: f"E_{index}",
            NodeKind.TARGET: f"L_{index}",
        }.get(NodeKind(kind), nodes.ids[number])
        wanted[number] = f"{stem}-{repeats[stem] if kind == NodeKind.FEATURE else position}"
        repeats[stem] += 1
    taken = Counter(wanted)
    return [name if taken[name] == 1 else own for name, own in zip(wanted, nodes.ids, strict=True)]


def output_label(label: str, probability: float) -> str:
    """The label of a target in the form that the viewers take apart."""
    return label if re.search(r"\(p=", label) else f'Output "{label}" (p={probability:.3f})'


def reals(column: Shaped[np.ndarray, " K"]) -> list[float | None]:
    """Numbers for JSON: nan becomes null, and 32-bit numbers get the nine digits that bring them back exactly."""
    if column.dtype == np.float32:
        return [float(f"{x:.9g}") if x == x else None for x in column.tolist()]
    return [x if x == x else None for x in column.tolist()]


def _thresholds(graph: AttributionGraph) -> dict[str, Any]:
    if graph.thresholds is None:
        return {}
    settings = dict(zip(("node_threshold", "edge_threshold"), graph.thresholds, strict=True))
    return {"node_threshold": graph.thresholds[0], "pruning_settings": settings}


def _nodes(graph: AttributionGraph, shown: Shaped[np.ndarray, " N"]) -> list[dict[str, Any]]:
    nodes = graph.nodes
    influence = reals(graph.cumulative) if graph.cumulative is not None else [None] * len(nodes)
    js_ids = js_node_ids(nodes)
    activation = reals(nodes.activation)
    other_types = graph.details.get("feature_types")
    other_types = other_types if isinstance(other_types, dict) else {}
    rows = []
    for i in np.flatnonzero(shown).tolist():
        kind = NodeKind(nodes.kind[i])
        rows.append(
            {
                "node_id": nodes.ids[i],
                "feature": _feature_number(nodes, i),
                "layer": _layer(graph, i),
                "ctx_idx": int(nodes.position[i]) if nodes.position[i] >= 0 else max(len(graph.tokens) - 1, 0),
                "feature_type": str(other_types.get(nodes.ids[i], FEATURE_TYPES[kind])),
                "token_prob": float(np.nan_to_num(nodes.probability[i])),
                "is_target_logit": i == graph.layout.targets.start,
                "run_idx": 0,
                "reverse_ctx_idx": 0,
                "jsNodeId": js_ids[i],
                "clerp": _clerp(nodes, i),
                "influence": None if kind == NodeKind.TARGET else influence[i],
                "activation": activation[i],
            }
        )
    return rows


def _feature_number(nodes: Nodes, i: int) -> int | None:
    kind, layer, index = nodes.kind[i], int(nodes.layer[i]), int(nodes.index[i])
    if kind == NodeKind.ERROR:
        return -1
    if kind == NodeKind.TOKEN:
        return int(nodes.position[i])
    if kind == NodeKind.FEATURE and index >= 0 and layer >= 0:
        return cantor(layer, index)
    return index if index >= 0 else None


def _layer(graph: AttributionGraph, i: int) -> str:
    kind, layer = graph.nodes.kind[i], int(graph.nodes.layer[i])
    if kind == NodeKind.TOKEN:
        return "E"
    if kind == NodeKind.TARGET:
        return str((layer if layer >= 0 else int(graph.nodes.layer.max()) + 1) + 1)
    return str(layer)


def _clerp(nodes: Nodes, i: int) -> str:
    if nodes.kind[i] != NodeKind.TARGET:
        return nodes.labels[i]
    probability = nodes.probability[i] if np.isfinite(nodes.probability[i]) else np.nan_to_num(nodes.weight[i])
    return output_label(nodes.labels[i], float(probability))


def _links(graph: AttributionGraph, shown: Shaped[np.ndarray, " N"]) -> list[dict[str, Any]]:
    ids, edges = graph.nodes.ids, graph.adjacency.tocoo()
    between = shown[edges.row] & shown[edges.col]
    columns = edges.row[between].tolist(), edges.col[between].tolist(), reals(edges.data[between])
    return [{"source": ids[s], "target": ids[t], "weight": weight} for t, s, weight in zip(*columns, strict=True)]


def _own(graph: AttributionGraph, shown: Shaped[np.ndarray, " N"]) -> dict[str, Any]:
    nodes, edges = graph.nodes, graph.adjacency.tocoo()
    constant = ~(shown[edges.row] & shown[edges.col])
    sums = np.bincount(edges.row[constant], weights=edges.data[constant], minlength=len(nodes))
    layout = graph.layout
    table: dict[str, Any] = {
        "ids": list(nodes.ids),
        "labels": list(nodes.labels),
        "counts": [layout.of(kind).stop - layout.of(kind).start for kind in KIND_ORDER],
    }
    table |= {name: getattr(nodes, name).tolist() for name in WHOLE_COLUMNS}
    table |= {name: reals(getattr(nodes, name)) for name in REAL_COLUMNS}
    for name in ("rest_sum", "rest_abs", "influence", "cumulative"):
        column = getattr(graph, name)
        table[name] = None if column is None else reals(column)
    return {
        "format_version": GRAPH_FORMAT,
        "model": graph.model,
        "basis": graph.basis,
        "details": graph.details,
        "unattributed": graph.unattributed,
        "scores": None if graph.scores is None else scores_to_json(graph.scores),
        "effects": {name: effects._asdict() for name, effects in graph.effects.items()},
        "dtype": str(edges.data.dtype),
        "nodes": table,
        "constant_sum": {nodes.ids[i]: float(sums[i]) for i in np.flatnonzero(sums).tolist()},
        "constant_links": {
            "target": edges.row[constant].tolist(),
            "source": edges.col[constant].tolist(),
            "weight": reals(edges.data[constant]),
        },
    }


def scores_to_json(scores: Scores) -> dict[str, Any]:
    """Scores as a JSON-able dictionary: every form as [low, high]."""
    return {
        "replacement": {form: list(interval) for form, interval in scores.replacement._asdict().items()},
        "completeness": {form: list(interval) for form, interval in scores.completeness._asdict().items()},
        "unexpanded": scores.unexpanded,
        "ends": scores.ends,
    }


def scores_from_json(data: dict[str, Any]) -> Scores:
    """Scores from their dictionary; raises KeyError, TypeError or ValueError when it is not one."""
    forms = {
        name: Forms(*(Interval(*map(float, data[name][form])) for form in Forms._fields))
        for name in ("replacement", "completeness")
    }
    ends = {str(NodeKind(kind)): float(share) for kind, share in data["ends"].items()}
    return Scores(forms["replacement"], forms["completeness"], float(data["unexpanded"]), ends)


def effects_from_json(data: dict[str, Any]) -> dict[str, TokenEffects]:
    """Token effects by node id; raises KeyError, TypeError or ValueError when they are not."""

    def side(pairs: Any) -> tuple[tuple[str, float], ...]:
        return tuple((str(token), float(value)) for token, value in pairs)

    return {name: TokenEffects(side(both["promoted"]), side(both["suppressed"])) for name, both in data.items()}
