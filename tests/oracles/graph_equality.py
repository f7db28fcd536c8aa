"""Two circuits compared field by field, nan equal to nan."""

import numpy as np

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import Nodes


def assert_same_graph(found: AttributionGraph, expected: AttributionGraph) -> None:
    for name in Nodes.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found.nodes, name), getattr(expected.nodes, name), err_msg=name)
    assert found.adjacency.dtype == expected.adjacency.dtype
    np.testing.assert_array_equal(found.adjacency.toarray(), expected.adjacency.toarray())
    for name in ("rest_sum", "rest_abs", "influence", "cumulative"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours is None) == (theirs is None), name
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
    for name in ("prompt", "tokens", "model", "basis", "details", "effects", "supernodes", "pinned", "scores"):
        assert getattr(found, name) == getattr(expected, name), name
