"""A circuit in the older form of the public format, for viewers and scripts that were made for it. The way back is
`reading.py`, which reads both.

                 newer (schema.py)            older
    error        `{layer}_-1_{position}`      `0_{layer}_{position}`
    feature      Cantor number                layer · 10^k + index, k the digits of the largest index
    table        `metadata.gearscope`         none: nodes, links and groups alone

Knows nothing about files.
"""

from typing import Any

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind
from gearscope.graph.schema import to_json


def to_older_json(graph: AttributionGraph, slug: str) -> dict[str, Any]:
    """The graph as a JSON-able dictionary in the older form.

    Raises GraphError where an error's older id is also that of a feature of layer 0, which that form cannot tell apart.
    """
    data, nodes = to_json(graph, slug), graph.nodes
    errors = range(graph.layout.errors.start, graph.layout.errors.stop)
    older = {nodes.ids[i]: f"0_{nodes.layer[i]}_{nodes.position[i]}" for i in errors}
    twice = sorted(set(older.values()) & set(nodes.ids))
    if twice:
        hint = "write the newer form"
        raise GraphError("ids that the older form can tell apart were expected", found=f"{twice[0]} twice", hint=hint)
    features = graph.layout.features
    base = 10 ** len(str(max(nodes.index[features].max(initial=0), 0)))
    for row in data["nodes"]:
        name = row["node_id"]
        if name in older:
            row["node_id"], row["jsNodeId"] = older[name], f"{older[name]}-0"
        elif nodes.kind[nodes.find(name)] == NodeKind.FEATURE and row["feature"] is not None:
            number = nodes.find(name)
            row["feature"] = int(nodes.layer[number] * base + nodes.index[number])
    for link in data["links"]:
        link |= {end: older.get(link[end], link[end]) for end in ("source", "target")}
    params = data["qParams"]
    params["pinnedIds"] = [older.get(name, name) for name in params["pinnedIds"]]
    params["supernodes"] = [[name, *(older.get(i, i) for i in ids)] for name, *ids in params["supernodes"]]
    del data["metadata"]["gearscope"], data["metadata"]["schema_version"]
    return data
