import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from gearscope.errors import GraphError
from gearscope.graph.graph import Supernode, cumulative_share
from gearscope.ids import FeatureAt
from tests.oracles.layered_graphs import layered_graph


def test_rows_sum_to_their_values_and_a_wrong_value_shows():
    graph = layered_graph(1)
    errors = graph.row_error()
    assert np.nanmax(errors) < 1e-12
    dense = graph.adjacency.toarray()
    target = graph.layout.targets.start
    dense[target] *= 1.1
    wrong = replace(graph, adjacency=csr_array(dense)).row_error()
    share = abs(graph.nodes.value[target]) / np.abs(dense[target]).sum()
    assert wrong[target] == pytest.approx(0.1 * share, rel=1e-5)
    assert np.isnan(errors[graph.layout.tokens]).all()


def test_edges_are_found_by_id_and_by_feature():
    graph = layered_graph(2)
    target = graph.layout.targets.start
    source = int(graph.adjacency.indices[graph.adjacency.indptr[target]])
    place = FeatureAt(*(int(c[source]) for c in (graph.nodes.layer, graph.nodes.index, graph.nodes.position)))
    expected = graph.adjacency.toarray()[target, source]
    assert graph.edge(graph.nodes.ids[target], graph.nodes.ids[source]) == pytest.approx(expected)
    assert graph.edge(graph.nodes.ids[target], place) == graph.edge(graph.nodes.ids[target], str(place))
    assert graph.edge(graph.nodes.ids[source], graph.nodes.ids[target]) == 0.0


@pytest.mark.parametrize(
    ("node", "message"),
    [("nonsense", "id of a node"), ("1/99@0", "feature 1/99@0"), ("1/2@x", "LAYER/INDEX@POSITION")],
)
def test_a_node_that_is_not_there_is_named(node, message):
    with pytest.raises(GraphError, match=message):
        layered_graph(2).find(node)


def test_unattributed_is_the_constants_and_rests_share_of_the_targets():
    graph = layered_graph(4)
    dense = np.abs(graph.adjacency.toarray().astype(float))
    constant = np.isin(graph.nodes.kind, ["position", "first", "bias"])
    shares = dense[:, constant].sum(1) / np.maximum(dense.sum(1), 1e-30)
    targets = graph.layout.targets
    expected = (shares[targets] * [0.6, 0.3]).sum() / 0.9
    assert graph.unattributed == pytest.approx(expected, rel=1e-5)


def test_groups_and_effects_must_name_nodes():
    with pytest.raises(GraphError, match="'nobody'"):
        replace(layered_graph(0), supernodes=(Supernode("a group", ("nobody",)),))


def test_cumulative_share_gives_the_strongest_the_smallest_number():
    np.testing.assert_allclose(cumulative_share(np.array([1.0, 6.0, 0.0, 3.0])), [1.0, 0.6, 1.0, 0.9])


def test_the_room_needs_no_torch():
    rooms = ["nodes", "influence", "scores", "graph", "prune", "paths", "schema", "reading", "store", "text"]
    code = "import sys\n" + "\n".join(f"import gearscope.graph.{room}" for room in rooms)
    code += "\nassert not any(name.split('.')[0] in ('torch', 'transformers') for name in sys.modules), 'torch came in'"
    subprocess.run([sys.executable, "-c", code], check=True)
