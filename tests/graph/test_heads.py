"""Head loadings on their way through a file: what comes back, what is kept when a graph shrinks, what damage does."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.heads import (
    KEY,
    NO_HEAD,
    HeadLoadings,
    carried,
    head_looks,
    head_shares,
    read_loadings,
    split_error,
    with_loadings,
)
from gearscope.graph.prune import prune
from gearscope.graph.reading import from_json
from gearscope.graph.schema import to_json
from gearscope.graph.store import read_graph, write_graph
from gearscope.graph.text import describe, describe_node
from tests.oracles.layered_graphs import layered_graph, plans

LAYERS, HEADS = 3, 2


def split(graph: AttributionGraph, seed: int = 0) -> HeadLoadings:
    """Every edge in random parts that sum to it."""
    rng, edges = np.random.default_rng(seed), graph.adjacency.tocoo()
    columns = [[], [], [], []]
    for target, source, weight in sorted(zip(edges.row.tolist(), edges.col.tolist(), edges.data.tolist(), strict=True)):
        heads = np.sort(rng.choice(1 + LAYERS * HEADS, size=rng.integers(1, 4), replace=False)) - 1
        parts = rng.standard_normal(len(heads)) * abs(weight)
        parts[-1] = weight - parts[:-1].sum()
        for column, values in zip(columns, ([target] * len(heads), [source] * len(heads), heads, parts), strict=True):
            column.extend(values)
    ints = [np.array(column, dtype=int) for column in columns[:3]]
    return HeadLoadings(LAYERS, HEADS, *ints, np.array(columns[3]))


@settings(max_examples=25, deadline=None)
@given(plan=plans())
def test_what_is_stored_sums_to_the_edges(plan) -> None:
    graph = layered_graph(**plan)
    loadings = split(graph)
    assert split_error(graph, loadings) < 1e-6
    stored = from_json(json.loads(json.dumps(to_json(with_loadings(graph, loadings), "slug"), allow_nan=False)))
    back = read_loadings(stored)
    assert back is not None
    assert (back.n_layers, back.n_heads) == (LAYERS, HEADS)
    assert split_error(stored, back) < 1e-5
    mass = graph.row_mass()
    columns = (loadings.target, loadings.source, loadings.head, loadings.weight)
    for target, source, head, weight in zip(*(column[:50].tolist() for column in columns), strict=True):
        assert dict(back.of_edge(target, source)).get(head, 0.0) == pytest.approx(weight, abs=2e-6 * mass[target])


@settings(max_examples=25, deadline=None)
@given(plan=plans())
def test_edges_that_are_pruned_later_take_their_parts_along(plan) -> None:
    graph = layered_graph(**plan)
    small = prune(with_loadings(graph, split(graph)).with_scores(), 0.6, 0.9)
    back = read_loadings(small)
    assert back is not None
    assert split_error(small, back) < 1e-5
    edges = small.adjacency.tocoo()
    kept = set(zip(edges.row.tolist(), edges.col.tolist(), strict=True))
    assert set(zip(back.target.tolist(), back.source.tolist(), strict=True)) <= kept


def test_shares_count_every_part_once() -> None:
    graph = layered_graph(3)
    loadings = split(graph)
    shares = head_shares(graph, loadings)
    assert sum(some.share for some in shares) == pytest.approx(1.0)
    assert [some.share for some in shares] == sorted((some.share for some in shares), reverse=True)
    flow = carried(graph, loadings)
    for some in shares:
        own = loadings.head == some.head
        assert some.share == pytest.approx(flow[own].sum() / flow.sum())
        assert graph.adjacency[some.edge] != 0
    # one edge by hand: its share of the row, times what flows into the row
    target = int(loadings.target[0])
    into = graph.node_influence()[target] + graph.target_weight[target]
    assert flow[0] == pytest.approx(abs(loadings.weight[0]) / graph.row_mass()[target] * into)


def test_where_heads_look() -> None:
    graph = layered_graph(3)
    graph = with_loadings(graph, split(graph))
    P = len(graph.tokens)
    patterns = [np.tile(np.eye(P, k=-1) + np.eye(P) * (np.arange(P) == 0), (HEADS, 1, 1)) for _ in range(LAYERS)]
    looks = head_looks(graph, patterns, 4)
    assert len(looks) == 4
    for look in looks:
        assert (look.key, look.weight) == (max(look.query - 1, 0), 1.0)
        assert 0 <= look.layer < LAYERS
        assert 0 <= look.head < HEADS
    with pytest.raises(GraphError, match="split by heads"):
        head_looks(layered_graph(3), patterns, 4)


def test_they_are_said(tmp_path: Path) -> None:
    graph = layered_graph(3)
    loadings = split(graph)
    write_graph(tmp_path / "g.json", with_loadings(graph, loadings))
    stored = read_graph(tmp_path / "g.json")
    said = describe(stored)
    assert "HEADS   share of the influence of edges whose last head it is" in said
    best = next(some for some in head_shares(graph, loadings) if some.head != NO_HEAD)
    assert f"{loadings.name(best.head):>5} {best.share:6.1%}" in said
    node = graph.layout.targets.start
    assert "by " in describe_node(stored, node)
    assert "no head" in describe_node(stored, node)
    assert "HEADS" not in describe(graph)


DAMAGE = {
    "no dictionary": lambda data: [1, 2],
    "a column is missing": lambda data: {k: v for k, v in data.items() if k != "head"},
    "a head that does not exist": lambda data: data | {"head": [LAYERS * HEADS] * len(data["head"])},
    "numbers beyond the ids": lambda data: data | {"target": [10**6] * len(data["target"])},
    "numbers below zero": lambda data: data | {"source": [-1] * len(data["source"])},
    "parts of other edges": lambda data: data | {"parts": data["parts"][1:]},
    "texts": lambda data: data | {"weight": ["x"] * len(data["weight"])},
    "steps that overflow": lambda data: (
        data | {"step": [1e308] * len(data["step"]), "weight": [2**60] * len(data["weight"])}
    ),
    "no heads": lambda data: data | {"heads": 0},
    "ids that are no texts": lambda data: data | {"ids": [["a"]] * len(data["ids"])},
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_as_if_it_were_not_there(damage: str) -> None:
    graph = with_loadings(layered_graph(3), split(layered_graph(3)))
    assert read_loadings(graph) is not None
    broken = replace(graph, details=graph.details | {KEY: DAMAGE[damage](graph.details[KEY])})
    assert read_loadings(broken) is None
    assert "HEADS" not in describe(broken)
