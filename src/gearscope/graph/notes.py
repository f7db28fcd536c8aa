"""What a person added to a circuit: pins, groups, labels, put into a file's JSON and nothing else in it changed.

Pins and groups go into `qParams`, spelled as the file spells them (by `node_id`, or by `jsNodeId` as in Anthropic's
files); labels go into the nodes' `clerp`, and into our own table where there is one. Whatever else another program
stored stays as it is. Knows nothing about files.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gearscope.errors import GraphError
from gearscope.graph.graph import Supernode
from gearscope.graph.nodes import NodeKind
from gearscope.graph.reading import from_json, new_names


@dataclass(frozen=True, kw_only=True)
class Notes:
    """Pins, groups, and the labels that were changed, all by node id."""

    pinned: tuple[str, ...] = ()
    supernodes: tuple[Supernode, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def with_notes(data: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """A graph file's JSON with these notes in place of its own. Raises GraphError for unknown nodes."""
    graph = from_json(data)
    named = [*notes.pinned, *(name for group in notes.supernodes for name in group.ids), *notes.labels]
    unknown = next((name for name in named if name not in graph.nodes), None)
    if unknown is not None:
        raise GraphError("notes must name nodes of the graph", found=repr(unknown))
    fixed = [name for name in notes.labels if graph.nodes.kind[graph.nodes.find(name)] in _NAMED_BY_TOKEN]
    if fixed:
        raise GraphError("labels can be given to all nodes but tokens and targets", found=repr(fixed[0]))
    spell = _spelling(data)
    params = data["qParams"] | {
        "pinnedIds": spell(notes.pinned),
        "supernodes": [[group.name, *spell(group.ids)] for group in notes.supernodes],
    }
    old = _file_names(data)
    labels = {old.get(name, name): label for name, label in notes.labels.items()}
    rows = [row | {"clerp": labels[row["node_id"]]} if row["node_id"] in labels else row for row in data["nodes"]]
    return data | {"qParams": params, "nodes": rows, "metadata": _own_labels(data["metadata"], notes.labels)}


_NAMED_BY_TOKEN = (NodeKind.TOKEN, NodeKind.TARGET)


def _file_names(data: dict[str, Any]) -> dict[str, str]:
    """Ids here -> ids in the file, where they differ."""
    return {new: old for old, new in new_names(data).items()}


def _own_labels(metadata: dict[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    own = metadata.get("gearscope")
    if not isinstance(own, dict) or not labels:
        return metadata
    table = own["nodes"]
    changed = [labels.get(name, label) for name, label in zip(table["ids"], table["labels"], strict=True)]
    return metadata | {"gearscope": own | {"nodes": table | {"labels": changed}}}


def _spelling(data: dict[str, Any]) -> Callable[[Iterable[str]], list[str]]:
    """How to write ids as the file writes them."""
    old, rows, params = _file_names(data), data["nodes"], data["qParams"]
    ids = {row["node_id"] for row in rows}
    second = {row["node_id"]: str(row["jsNodeId"]) for row in rows if "jsNodeId" in row}
    stored = f"{params.get('pinnedIds', '')} {params.get('supernodes', '')}"
    by_second = any(name and name not in ids and name in stored for name in second.values())

    def spell(names: Iterable[str]) -> list[str]:
        files = [old.get(name, name) for name in names]
        return list(dict.fromkeys(second.get(name, name) for name in files)) if by_second else files

    return spell
