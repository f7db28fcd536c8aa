"""Graph files, ours and others', from JSON back to an AttributionGraph.

Ours come back exactly, from the table under `metadata.gearscope`. Others bring nodes, links and sometimes supernodes:
    ids            any text; layer, index and position are taken from `L_F_P`-like ids, else from the fields
    errors         `{layer}_-1_{position}` or the older `0_{layer}_{position}`, both named by the newer form here
    pins, groups   lists, JSON text, Python-like text or `a,b,c`; by `node_id` or `jsNodeId`
    influence, activation, clerp, jsNodeId, feature may be missing
A supernode none of whose nodes is in the file is left out, and the graph says which (`empty_groups.py`).
Every problem of one kind is named in one GraphError. Knows nothing about files.
"""

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_array, csr_array

from gearscope.errors import GraphError
from gearscope.graph.empty_groups import with_empty_groups
from gearscope.graph.graph import AttributionGraph, Supernode
from gearscope.graph.nodes import KIND_ORDER, Layout, NodeKind, Nodes
from gearscope.graph.qk import head_node_ids
from gearscope.graph.schema import (
    FEATURE_TYPES,
    GRAPH_FORMAT,
    REAL_COLUMNS,
    WHOLE_COLUMNS,
    effects_from_json,
    scores_from_json,
)

KIND_OF_TYPE = {
    **{name: kind for kind, name in FEATURE_TYPES.items()},
    "lorsa error": NodeKind.ERROR,
    "bias": NodeKind.BIAS,
}
_LARGEST = 2**53
_MOST = 1e30
"""Edges and activations beyond this would overflow in 32 bits."""
_ID_FORMS = (
    re.compile(r"(?P<layer>\d+)_(?:[a-z]+_)?(?P<index>\d+)_(?P<position>\d+)"),
    re.compile(r"[a-z]+_(?P<position>\d+)_(?P<layer>-?\d+)_(?P<index>\d+)"),
    re.compile(r"E_(?P<index>\d+)_(?P<position>\d+)"),
)


def from_json(data: object) -> AttributionGraph:
    """The graph in parsed JSON. Raises GraphError in one sentence when it is no graph."""
    parts = _parts(data)
    metadata, rows, links = parts["metadata"], parts["nodes"], parts["links"]
    _check_nodes(rows)
    own = metadata.get("gearscope")
    if isinstance(own, dict) and _describes(own, rows):
        graph_parts = _own_parts(own, links)
    else:
        graph_parts = _foreign_parts(metadata, rows, links)
    pinned, supernodes = _groups(parts["qParams"], rows, graph_parts["nodes"], graph_parts.pop("renamed"))
    empty = tuple(group.name for group in supernodes if not group.ids)
    graph_parts["details"] = with_empty_groups(graph_parts["details"], empty)
    return AttributionGraph(
        prompt=metadata["prompt"],
        tokens=tuple(metadata["prompt_tokens"]),
        pinned=pinned,
        supernodes=tuple(group for group in supernodes if group.ids),
        **graph_parts,
    )


def new_names(data: dict[str, Any]) -> dict[str, str]:
    """Id in the file -> id here, for the nodes of a file of another program; nothing for one of ours."""
    rows, own = data["nodes"], data["metadata"].get("gearscope")
    if isinstance(own, dict) and _describes(own, rows):
        return {}
    kinds = [_kind(row) for row in rows]
    places = [_place(row, kind) for row, kind in zip(rows, kinds, strict=True)]
    return {row["node_id"]: name for row, name in zip(rows, _new_names(rows, places), strict=True)}


def _kind(row: dict[str, Any]) -> NodeKind:
    return KIND_OF_TYPE.get(row["feature_type"], NodeKind.FEATURE)


def _parts(data: object) -> dict[str, Any]:
    """The four parts of the file, checked for kind and for the metadata every graph needs."""
    kinds = {"metadata": dict, "qParams": dict, "nodes": list, "links": list}
    if not isinstance(data, dict):
        raise GraphError("a graph is a JSON object", found=f"a {type(data).__name__}")
    missing = [name for name in kinds if name not in data]
    if missing:
        raise GraphError("a graph has metadata, qParams, nodes and links", found=f"no {', '.join(missing)}")
    wrong = [name for name, kind in kinds.items() if not isinstance(data[name], kind)]
    if wrong:
        raise GraphError("metadata and qParams are objects, nodes and links lists", found=f"another {', '.join(wrong)}")
    metadata = data["metadata"]
    missing = [name for name in ("slug", "scan", "prompt_tokens", "prompt") if name not in metadata]
    if missing:
        raise GraphError("a graph's metadata needs slug, scan, prompt_tokens, prompt", found=f"no {', '.join(missing)}")
    tokens, prompt = metadata["prompt_tokens"], metadata["prompt"]
    if not isinstance(prompt, str) or not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
        raise GraphError("a text as prompt and a list of texts as prompt_tokens were expected", found="something else")
    return data


def _check_nodes(rows: list[Any]) -> None:
    needed = ("node_id", "layer", "ctx_idx", "feature_type")
    if not all(isinstance(row, dict) for row in rows):
        raise GraphError("every node is a JSON object", found="one that is not")
    missing = sorted({name for row in rows for name in needed if name not in row})
    if missing:
        count = sum(any(name not in row for name in needed) for row in rows)
        raise GraphError(f"every node needs {', '.join(needed)}", found=f"{count} without {', '.join(missing)}")
    names = [row["node_id"] for row in rows]
    if not all(isinstance(row[name], str) for row in rows for name in ("node_id", "feature_type")):
        raise GraphError("every node_id and feature_type is a text", found="one that is not")
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise GraphError("every node_id must be there once", found=f"{twice!r} twice")
    if not any(row["feature_type"] == FEATURE_TYPES[NodeKind.TARGET] for row in rows):
        raise GraphError("a graph has at least one logit node", found=f"none among {len(rows)} nodes")


def _describes(own: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether our table still fits the nodes of the file; a file cut down by another program is read as foreign."""
    if own.get("format_version") != GRAPH_FORMAT:
        hint = "open it with the gearscope version that wrote it"
        raise GraphError(f"graph format {GRAPH_FORMAT} was expected", found=repr(own.get("format_version")), hint=hint)
    try:
        counts = own["nodes"]["counts"]
        layout = Layout.from_counts(counts)
        ids = own["nodes"]["ids"]
        shown = {name for i, name in enumerate(ids) if not layout.constants.start <= i < layout.constants.stop}
        return shown == {row["node_id"] for row in rows} - head_node_ids(own.get("details"))
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> GraphError:
    return GraphError("a whole node table under metadata.gearscope was expected", found=f"a damaged one ({error!r})")


def _own_parts(own: dict[str, Any], links: list[Any]) -> dict[str, Any]:
    """The exact graph that was written."""
    try:
        table = own["nodes"]
        count = len(table["ids"])
        assert sum(table["counts"]) == count, "counts of other nodes"
        kind = np.repeat(np.array(KIND_ORDER, dtype="<U8"), table["counts"])
        columns: dict[str, Any] = {name: np.array(table[name], dtype=np.int64) for name in WHOLE_COLUMNS}
        columns |= {name: _reals(table[name]) for name in REAL_COLUMNS}
        nodes = Nodes(kind=kind, ids=tuple(table["ids"]), labels=tuple(table["labels"]), **columns)
        extra = own["constant_links"]
        constant = (
            np.array(extra["target"], dtype=np.int64),
            np.array(extra["source"], dtype=np.int64),
            _reals(extra["weight"], complete=True),
        )
        edges = _edges(nodes, links, {}, constant)
        whole: dict[str, Any] = {name: _reals(table[name], complete=True) for name in ("rest_sum", "rest_abs")}
        whole["influence"] = None if table["influence"] is None else _reals(table["influence"], complete=True)
        whole["cumulative"] = None if table["cumulative"] is None else _reals(table["cumulative"])
        assert all(column is None or len(column) == count for column in whole.values()), "columns of other lengths"
        assert (whole["rest_abs"] >= 0).all(), "a rest below zero"
        texts = (own["model"], own["basis"], *nodes.ids, *nodes.labels)
        assert all(isinstance(text, str) for text in texts), "names that are no texts"
        assert own["dtype"] in ("float32", "float64"), "edges of another kind"
        return {
            "nodes": nodes,
            "adjacency": edges.astype(np.dtype(own["dtype"])),
            **whole,
            "model": own["model"],
            "basis": own["basis"],
            "details": dict(own["details"]),
            "effects": effects_from_json(own["effects"]),
            "scores": None if own["scores"] is None else scores_from_json(own["scores"]),
            "renamed": {},
        }
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, AssertionError) as error:
        raise _damaged(error) from error


def _foreign_parts(metadata: dict[str, Any], rows: list[dict[str, Any]], links: list[Any]) -> dict[str, Any]:
    kinds = [_kind(row) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: KIND_ORDER.index(kinds[i]))
    rows, kinds = [rows[i] for i in order], [kinds[i] for i in order]
    places = [_place(row, kind) for row, kind in zip(rows, kinds, strict=True)]
    names = _new_names(rows, places)
    probability = np.array([_real(row, "token_prob") for row in rows])
    is_target = np.array([kind == NodeKind.TARGET for kind in kinds])
    has_probability = np.nan_to_num(probability[is_target]).sum() > 0
    weight = np.where(is_target, np.nan_to_num(probability) if has_probability else 1 / is_target.sum(), np.nan)
    top = max(
        (layer for (layer, _, _), kind in zip(places, kinds, strict=True) if kind == NodeKind.FEATURE), default=-1
    )
    layer = [max(layer - 1, top + 1) if goal else layer for (layer, _, _), goal in zip(places, is_target, strict=True)]
    nodes = Nodes(
        kind=np.array(kinds, dtype="<U8"),
        layer=np.array(layer, dtype=np.int64),
        position=np.array([position for _, _, position in places], dtype=np.int64),
        index=np.array([index for _, index, _ in places], dtype=np.int64),
        activation=np.array([_real(row, "activation") for row in rows]),
        probability=np.where(is_target, probability, np.nan),
        value=np.full(len(rows), np.nan),
        weight=weight,
        ids=tuple(names),
        labels=tuple(_labels(metadata, rows, kinds)),
    )
    renamed = {row["node_id"]: name for row, name in zip(rows, names, strict=True)}
    cumulative = np.array([_real(row, "influence") for row in rows])
    others = {k: v for k, v in metadata.items() if k not in ("prompt", "prompt_tokens", "gearscope")}
    types = {
        n: r["feature_type"]
        for n, r, k in zip(names, rows, kinds, strict=True)
        if r["feature_type"] != FEATURE_TYPES.get(k)
    }
    return {
        "nodes": nodes,
        "adjacency": _edges(nodes, links, renamed, None),
        "rest_sum": np.zeros(len(rows)),
        "rest_abs": np.zeros(len(rows)),
        "cumulative": cumulative if np.isfinite(cumulative).any() else None,
        "model": str(metadata["scan"]),
        "basis": "of another program",
        "details": {"foreign": others, **({"feature_types": types} if types else {})},
        "renamed": renamed,
    }  # fmt: skip


def _place(row: dict[str, Any], kind: NodeKind) -> tuple[int, int, int]:
    """Layer, index and position of a foreign node; -1 where there is none."""
    layer, position = _whole(row["layer"]), _whole(row["ctx_idx"])
    index = _whole(row.get("feature"))
    if kind == NodeKind.ERROR:
        return layer, -1, position
    for form in _ID_FORMS:
        if match := form.fullmatch(row["node_id"]):
            index = _whole(match["index"])
            break
    return (-1 if kind == NodeKind.TOKEN else layer), index, position


def _whole(value: Any) -> int:
    """A whole number from a number or its text; -1 for anything else."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}", value):
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST
    return max(value, -1) if whole else -1


def _real(row: dict[str, Any], name: str) -> float:
    """A number of a node, nan when it is absent. Raises GraphError when it is something else."""
    value = row.get(name)
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST:
        raise GraphError(f"{name} of node {row['node_id']!r} should be a finite number", found=repr(value)[:40])
    return float(value)


def _reals(column: Sequence[float | None], *, complete: bool = False) -> Float[np.ndarray, " K"]:
    """Numbers of our table; null is nan, unless the column must be `complete`. Raises ValueError."""
    numbers = np.array([math.nan if x is None else float(x) for x in column], dtype=np.float64)
    if (complete and np.isnan(numbers).any()) or (np.abs(np.nan_to_num(numbers, posinf=math.inf)) > _MOST).any():
        raise ValueError("a number that is missing or too large")
    return numbers


def _new_names(rows: list[dict[str, Any]], places: list[tuple[int, int, int]]) -> list[str]:
    """Ids with errors in the newer form, where that keeps all ids different."""
    newer = [
        f"{layer}_-1_{position}" if row["feature_type"] == FEATURE_TYPES[NodeKind.ERROR] else row["node_id"]
        for row, (layer, _, position) in zip(rows, places, strict=True)
    ]
    return newer if len(set(newer)) == len(newer) else [row["node_id"] for row in rows]


def _labels(metadata: dict[str, Any], rows: list[dict[str, Any]], kinds: list[NodeKind]) -> Iterable[str]:
    tokens = metadata["prompt_tokens"]
    for row, kind in zip(rows, kinds, strict=True):
        label, position = str(row.get("clerp") or ""), _whole(row["ctx_idx"])
        if kind == NodeKind.TARGET and (match := re.fullmatch(r'output:? "(.*)" \(p=[^)]*\)', label, re.I | re.S)):
            label = match[1]
        if kind == NodeKind.TOKEN and not label and 0 <= position < len(tokens):
            label = tokens[position]
        yield label


def _edges(nodes: Nodes, links: list[Any], renamed: dict[str, str], constant: Any) -> csr_array:
    """Sparse edges [target, source] of links by id, plus the constants' by node number."""
    for link in links:
        if not isinstance(link, dict) or any(name not in link for name in ("source", "target", "weight")):
            raise GraphError("every link has source, target and weight", found=repr(link)[:60])
        weight = link["weight"]
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not abs(weight) <= _MOST:
            raise GraphError("every link has a finite number as weight", found=repr(weight)[:40])
    ends = [[renamed.get(str(link[end]), str(link[end])) for link in links] for end in ("target", "source")]
    unknown = sorted({name for names in ends for name in names if name not in nodes})
    if unknown:
        shown = ", ".join(map(repr, unknown[:3])) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        raise GraphError("every link joins two nodes of the graph", found=f"links to {shown}")
    targets, sources = (np.array([nodes.find(name) for name in names], dtype=np.int64) for names in ends)
    weights = np.array([float(link["weight"]) for link in links], dtype=np.float64)
    if constant is not None:
        targets, sources, weights = (
            np.concatenate(pair) for pair in zip((targets, sources, weights), constant, strict=True)
        )
    edges = csr_array(coo_array((weights, (targets, sources)), shape=(len(nodes), len(nodes))))
    edges.sum_duplicates()
    return edges


def _groups(
    params: dict[str, Any], rows: list[dict[str, Any]], nodes: Nodes, renamed: dict[str, str]
) -> tuple[tuple[str, ...], tuple[Supernode, ...]]:
    """Pinned ids and supernodes, empty ones too; ids of nodes that are not in the file are left out."""
    aliases: dict[str, list[str]] = {}
    for row in rows:
        aliases.setdefault(str(row.get("jsNodeId", "")), []).append(renamed.get(row["node_id"], row["node_id"]))

    def resolve(names: Iterable[Any]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in map(str, names):
            known = renamed.get(name, name)
            found |= dict.fromkeys([known] if known in nodes else aliases.get(name, []))
        return tuple(found)

    groups = _listed(params.get("supernodes"), "supernodes")
    if not all(isinstance(group, list | tuple) and group for group in groups):
        raise GraphError("every supernode is a list of a name and node ids", found="one that is not")
    supernodes = tuple(Supernode(str(group[0]), resolve(group[1:])) for group in groups)
    return resolve(_listed(params.get("pinnedIds"), "pinnedIds")), supernodes


def _listed(value: Any, name: str) -> list[Any]:
    """A list given as a list, as JSON text, as Python-like text, or as words joined by commas."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        value = _parsed(value, name)
    if not isinstance(value, list | tuple):
        raise GraphError(f"qParams.{name} should be a list", found=repr(value)[:60])
    return list(value)


def _parsed(text: str, name: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    if "[" in text:
        raise GraphError(f"qParams.{name} should be a list or the text of one", found=repr(text)[:60])
    return [word for word in text.split(",") if word]
