import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.graph.prune import prune
from gearscope.graph.scores import Forms, Interval, measure, measure_shown
from tests.oracles.layered_graphs import capped, layered_graph, plans, published_scores


def scores_of(graph: AttributionGraph):
    return measure(graph.nodes, graph.adjacency, graph.rest_abs)


@settings(max_examples=40, deadline=None)
@given(plan=plans())
def test_uncapped_scores_are_points_and_equal_the_definitions(plan):
    graph = layered_graph(**plan)
    scores = scores_of(graph)
    for form in Forms._fields:
        replacement, completeness = published_scores(graph, form)
        for interval, expected in (
            (getattr(scores.replacement, form), replacement),
            (getattr(scores.completeness, form), completeness),
        ):
            assert interval.low == pytest.approx(expected, abs=1e-5)
            assert interval.high == pytest.approx(interval.low, abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(plan=plans(), data=st.data())
def test_the_interval_of_a_capped_graph_contains_the_uncapped_score(plan, data):
    graph = layered_graph(**plan)
    features = range(graph.layout.features.stop)
    removed = data.draw(st.sets(st.sampled_from(features), min_size=1))
    scores = scores_of(capped(graph, np.array(sorted(removed))))
    for form in Forms._fields:
        replacement, completeness = published_scores(graph, form)
        assert getattr(scores.replacement, form).contains(replacement, 1e-5), form
        assert getattr(scores.completeness, form).contains(completeness, 1e-5), form


@settings(max_examples=30, deadline=None)
@given(plan=plans(), data=st.data())
def test_shares_of_ends_and_unexpanded_make_one_whole(plan, data):
    graph = layered_graph(**plan)
    removed = data.draw(st.sets(st.sampled_from(range(graph.layout.features.stop))))
    scores = scores_of(capped(graph, np.array(sorted(removed), dtype=int)))
    rows = np.diff(graph.adjacency.indptr) > 0
    rootless = np.flatnonzero(~rows[: graph.layout.features.stop])
    if not len(rootless) and rows[graph.layout.targets].all():
        assert sum(scores.ends.values()) + scores.unexpanded == pytest.approx(1, abs=1e-5)


def chain(ends_in: str) -> AttributionGraph:
    """One target reads a feature at layer 2, that one at layer 1, that one at layer 0, that one a single leaf."""
    nodes = Nodes.join(
        Nodes.of(NodeKind.FEATURE, layer=np.arange(3), position=0, index=0),
        Nodes.of(NodeKind.ERROR, layer=0, position=0),
        Nodes.of(NodeKind.TOKEN, position=0, index=1),
        Nodes.of(NodeKind.TARGET, layer=3, position=0, index=0, weight=1.0),
    )
    leaf = {"error": 3, "token": 4}[ends_in]
    rows, columns = [0, 1, 2, 5], [leaf, 0, 1, 2]
    dense = np.zeros((6, 6))
    dense[rows, columns] = 1.0
    return AttributionGraph(
        nodes=nodes, adjacency=csr_array(dense), rest_sum=np.zeros(6), rest_abs=np.zeros(6),
        prompt="a", tokens=("a",), model="chain", basis="none",
    )  # fmt: skip


def test_the_bounds_are_reached_by_graphs_worked_out_by_hand():
    # everything unexpanded ends in a token after the longest walk: both upper bounds hold with equality
    graph = chain("token")
    scores = scores_of(capped(graph, np.arange(3)))
    assert scores.replacement.as_published == (0.0, 1.0)
    assert scores.unexpanded == 1.0
    assert scores.completeness.as_published.high == 1.0 == scores_of(graph).completeness.as_published.low
    # the shortest way into an error: target -> u -> error, three visits of which one is an error
    assert scores.completeness.as_published.low == pytest.approx(2 / 3)
    # the target half fed by an error, half by the unexpanded chain: visits 1 + .5 + .5 * 4, of which .5 an error
    dense = graph.adjacency.toarray()
    dense[5, 3] = 1.0
    both = AttributionGraph(
        nodes=graph.nodes, adjacency=csr_array(dense), rest_sum=np.zeros(6), rest_abs=np.zeros(6),
        prompt="a", tokens=("a",), model="chain", basis="none",
    )  # fmt: skip
    high = scores_of(capped(both, np.arange(3))).completeness.as_published.high
    assert high == pytest.approx(1 - 0.5 / 3.5) == scores_of(both).completeness.as_published.low


def test_a_chain_into_an_error_explains_nothing_of_the_replacement():
    scores = scores_of(chain("error"))
    assert scores.replacement.as_published == (0.0, 0.0)
    assert scores.completeness.as_published.low == pytest.approx(1 - 1 / 5)
    assert scores.ends["error"] == 1.0


def test_intervals_print_as_one_number_or_two():
    assert str(Interval(0.5, 0.5)) == "0.500"
    assert str(Interval(0.25, 0.5)) == "0.250 to 0.500"


@settings(max_examples=40, deadline=None)
@given(plan=plans(), share=st.sampled_from([0.3, 0.6, 0.9]))
def test_what_is_shown_never_explains_more_than_the_whole(plan, share):
    whole = layered_graph(**plan)
    shown = prune(whole, share, 0.95)
    scores = measure_shown(shown.nodes, shown.adjacency, shown.rest_abs)
    replacement, completeness = published_scores(whole, "as_published")
    assert 0 <= scores.replacement <= replacement + 1e-6
    assert 0 <= scores.completeness <= completeness + 1e-6
    everything = measure_shown(whole.nodes, whole.adjacency, whole.rest_abs)
    assert everything == pytest.approx((replacement, completeness), abs=1e-6)
