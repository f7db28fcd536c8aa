"""Mean graphs against means of dense matrices, differences, shares, errors; the file and the text."""

from dataclasses import replace

import numpy as np
import pytest

from gearscope.errors import GraphError
from gearscope.graph.average import average
from gearscope.graph.spread import KEY, describe_spread, spread_table
from gearscope.graph.store import read_graph, write_graph
from gearscope.graph.summing import GraphSum
from gearscope.graph.text import describe
from tests.oracles.layered_graphs import layered_graph

GRAPHS = [layered_graph(seed, dtype=np.float64) for seed in range(4)]
COLUMNS = (0, 1, 2)


def _summed(graphs, *, one_target=False, columns=COLUMNS):
    done = GraphSum(one_target=one_target)
    for graph in graphs:
        done.add(graph, columns)
    return done


def _dense(graph, ids):
    """The graph's edges over these ids; tokens and targets of all graphs have the same."""
    place = {name: ids.index(name) for name in graph.nodes.ids}
    found = np.zeros((len(ids), len(ids)))
    for t, s, w in zip(*graph.adjacency.tocoo().coords, graph.adjacency.tocoo().data, strict=True):
        found[place[graph.nodes.ids[t]], place[graph.nodes.ids[s]]] = w
    return found


def test_the_mean_is_the_mean_of_the_single_graphs_with_errors_and_shares():
    found = average(_summed(GRAPHS), title="mean", like=GRAPHS[0])
    ids = list(found.graph.nodes.ids)
    dense = np.stack([_dense(graph, ids) for graph in GRAPHS])
    assert np.allclose(found.graph.adjacency.toarray(), dense.mean(0))
    assert np.allclose(found.share.toarray(), (dense != 0).mean(0))
    assert np.allclose(found.error.toarray(), dense.std(0, ddof=1) / np.sqrt(len(GRAPHS)))
    there = np.array([[name in graph.nodes for name in ids] for graph in GRAPHS])
    assert np.allclose(found.node_share, there.mean(0))
    error = found.graph.row_error()
    assert np.nanmax(error) < 1e-12  # rows still sum to their values


def test_one_graph_is_its_own_mean():
    found = average(_summed(GRAPHS[:1]), title="mean", like=GRAPHS[0])
    assert np.allclose(found.graph.adjacency.toarray(), _dense(GRAPHS[0], list(found.graph.nodes.ids)))
    assert not found.error.data.any()
    assert np.allclose(found.graph.node_influence().sum(), GRAPHS[0].node_influence().sum())


def test_all_targets_of_a_prompt_become_one_by_their_weights():
    graph = GRAPHS[0]
    found = average(_summed([graph], one_target=True), title="mean", like=graph).graph
    targets = found.layout.targets
    assert targets.stop - targets.start == 1
    rows = graph.adjacency.toarray()[graph.layout.targets]
    expected = (0.6 * rows[0] + 0.3 * rows[1]) / 0.9
    assert np.isclose(found.adjacency.toarray()[targets].sum(), expected.sum())
    assert np.isclose(np.abs(found.adjacency.toarray()[targets]).sum(), np.abs(expected).sum())
    assert found.nodes.weight[targets.start] == pytest.approx(0.9)
    assert found.nodes.value[targets.start] == pytest.approx(expected.sum())


def test_a_difference_is_that_of_the_means_and_of_a_set_with_itself_nothing():
    one, two = _summed(GRAPHS[:2]), _summed(GRAPHS[2:])
    found = average(one, two, title="difference", like=GRAPHS[0])
    ids = list(found.graph.nodes.ids)
    dense = np.stack([_dense(graph, ids) for graph in GRAPHS])
    assert np.allclose(found.graph.adjacency.toarray(), dense[:2].mean(0) - dense[2:].mean(0))
    squares = dense[:2].var(0, ddof=1) / 2 + dense[2:].var(0, ddof=1) / 2
    assert np.allclose(found.error.toarray(), np.sqrt(squares))
    assert np.nanmax(np.abs(found.graph.row_sum() - found.graph.nodes.value)) < 1e-12
    nothing = average(one, one, title="nothing", like=GRAPHS[0])
    assert not nothing.graph.adjacency.toarray().any()
    assert np.allclose(nothing.node_share, nothing.node_share_against)


def test_columns_put_prompts_of_different_lengths_together():
    graph = GRAPHS[0]
    found = average(_summed([graph], columns=(0, 2, 5)), title="mean", like=graph).graph
    assert set(found.nodes.position.tolist()) <= {-1, 0, 2, 5}


def test_tokens_of_one_column_are_one_node():
    graph = GRAPHS[0]
    nodes = graph.nodes
    index, labels = nodes.index.copy(), list(nodes.labels)
    index[graph.layout.tokens.start], labels[graph.layout.tokens.start] = 70, "other"
    ids = tuple("E_70_0" if name == "E_7_0" else name for name in nodes.ids)
    columns = {name: getattr(nodes, name) for name in type(nodes).__dataclass_fields__}
    other = replace(graph, nodes=type(nodes)(**{**columns, "index": index, "ids": ids, "labels": tuple(labels)}))
    other = replace(other, tokens=("other", "b", "c"))
    found = average(_summed([graph, other]), title="mean", like=graph).graph
    tokens = found.layout.tokens
    assert found.nodes.index[tokens].tolist() == [-1, 8, 9]
    assert found.tokens == ("a|other", "b", "c")
    assert np.allclose(
        found.adjacency.toarray()[:, tokens].sum(), graph.adjacency.toarray()[:, graph.layout.tokens].sum()
    )


def test_a_mean_graph_is_stored_read_and_told(tmp_path):
    found = average(_summed(GRAPHS), _summed(GRAPHS[1:]), title="mean", like=GRAPHS[0])
    table = spread_table(found, found.graph, {"count": 4, "against": 3})
    graph = replace(found.graph, details={KEY: table})
    write_graph(tmp_path / "mean.json", graph)
    again = read_graph(tmp_path / "mean.json")
    assert np.allclose(again.adjacency.toarray(), graph.adjacency.toarray())
    assert again.details[KEY]["ids"] == list(graph.nodes.ids)
    said = describe_spread(again)
    assert "MEAN OF 4 prompts less 3" in said
    assert "±" in said
    assert describe(again)


def test_nothing_to_average_and_a_graph_of_another_length_are_refused():
    with pytest.raises(GraphError, match="at least one graph"):
        average(GraphSum(one_target=False), title="mean", like=GRAPHS[0])
    with pytest.raises(GraphError, match="2 tokens was expected"):
        GraphSum(one_target=False).add(GRAPHS[0], (0, 1))
