import numpy as np
import pytest

from gearscope.errors import GraphError
from gearscope.graph.nodes import KIND_ORDER, Layout, NodeKind, Nodes
from tests.oracles.layered_graphs import layered_graph


def test_layout_ranges_follow_each_other_and_constants_are_contiguous():
    layout = Layout.from_counts([3, 0, 2, 1, 0, 4, 2])
    assert layout.features == slice(0, 3)
    assert layout.errors == slice(3, 3)
    assert layout.constants == slice(5, 10)
    assert layout.targets == slice(10, 12)
    assert layout.size == 12
    assert [layout.of(kind) for kind in KIND_ORDER][2] == layout.tokens


def test_default_ids_follow_the_public_format_and_differ():
    nodes = layered_graph(0).nodes
    layout = nodes.layout
    assert nodes.ids[layout.errors][0] == "0_-1_1"
    assert nodes.ids[layout.tokens][1] == "E_8_1"
    assert nodes.ids[layout.targets][0] == "4_4_2"
    assert nodes.ids[layout.biases][2] == "bias_2_MLP_bias"
    assert len(set(nodes.ids)) == len(nodes)


def test_scalars_are_repeated_and_all_scalars_make_one_node():
    assert len(Nodes.of(NodeKind.TOKEN, position=3, index=5)) == 1
    nodes = Nodes.of(NodeKind.FEATURE, layer=2, position=1, index=np.arange(4))
    assert nodes.ids[3] == "2_3_1"
    assert len(Nodes.of(NodeKind.FEATURE, layer=np.array([], dtype=int))) == 0


def test_an_id_that_is_there_twice_is_refused():
    with pytest.raises(GraphError, match="'E_1_0' twice"):
        Nodes.of(NodeKind.TOKEN, position=np.array([0, 0]), index=1)


def test_kinds_out_of_order_are_a_bug():
    token, feature = Nodes.of(NodeKind.TOKEN, position=0), Nodes.of(NodeKind.FEATURE, layer=0, position=0, index=0)
    with pytest.raises(AssertionError, match="sorted by kind"):
        Nodes.join(token, feature)
