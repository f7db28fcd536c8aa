"""What is known of a mean graph besides its mean: in how many prompts its nodes and edges are, and how sure. No torch.

Kept in the graph under `details["prompts"]`, by node id, for what pruning kept. Knows nothing about files.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from gearscope.graph.average import Averaged
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.influence import edge_scores
from gearscope.graph.text import clipped, node_name

KEY = "prompts"
_NODES, _EDGES = 25, 25


def spread_table(found: Averaged, kept: AttributionGraph, more: dict[str, Any]) -> dict[str, Any]:
    """Shares and standard errors of what is kept, JSON-able, beside `more`."""
    numbers = np.array([found.graph.nodes.find(name) for name in kept.nodes.ids], dtype=np.int64)
    edges = kept.adjacency.tocoo()
    row, column = numbers[edges.row], numbers[edges.col]

    def of(table: csr_array) -> list[float]:
        return [float(f"{x:.6g}") for x in np.asarray(table[row, column]).ravel()] if len(row) else []

    table: dict[str, Any] = {
        "ids": list(kept.nodes.ids),
        "node_share": found.node_share[numbers].tolist(),
        "target": edges.row.tolist(),
        "source": edges.col.tolist(),
        "share": of(found.share),
        "error": of(found.error),
    }
    if found.node_share_against is not None and found.share_against is not None:
        table |= {"node_share_against": found.node_share_against[numbers].tolist()}
        table |= {"share_against": of(found.share_against)}
    return more | table


def describe_spread(graph: AttributionGraph, width: int = 110) -> str:
    """The strongest nodes and edges of a mean graph with their shares of prompts and standard errors."""
    table = graph.details[KEY]
    influence = graph.node_influence()
    total = float(graph.target_weight.sum()) or 1.0
    differs = "node_share_against" in table
    of = f"{table['count']} prompts" + (f" less {table['against']}" if differs else "")
    lines = [f"MEAN OF {of}: influence, share of the prompts that have the node"]
    features = graph.layout.features
    strongest = np.argsort(-influence[features], kind="stable")[:_NODES] + features.start
    for i in strongest.tolist():
        share = _share(table, "node_share", i)
        lines.append(f"  {influence[i] / total:6.1%} {share}  {node_name(graph, i)}")
    lines += ["", "EDGES   mean weight ± standard error, share of the prompts that have it"]
    lines += [f"  {line}" for line in _edge_lines(graph, table, influence)]
    return "\n".join(clipped(line, width) for line in lines)


def _edge_lines(graph: AttributionGraph, table: dict[str, Any], influence: np.ndarray) -> Sequence[str]:
    scores = edge_scores(graph.nodes, graph.adjacency, graph.rest_abs, influence)
    edges = graph.adjacency.tocoo()
    lines = []
    for i in np.argsort(-scores, kind="stable")[:_EDGES].tolist():
        ends = f"{node_name(graph, int(edges.col[i]))} -> {node_name(graph, int(edges.row[i]))}"
        lines.append(f"{edges.data[i]:+8.3f} ± {table['error'][i]:.3f} {_share(table, 'share', i)}  {ends}")
    return lines


def _share(table: dict[str, Any], name: str, i: int) -> str:
    shown = f"{table[name][i]:4.0%}"
    other = table.get(f"{name}_against")
    return shown if other is None else f"{shown} less {other[i]:4.0%}"
