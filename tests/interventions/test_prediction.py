"""What a graph of the bundled model says about ablations is what happens: the benchmark's protocol on fewer prompts."""

import pytest

from benchmarks.interventions import SETTINGS, measure, report
from gearscope.evaluation.agreement_of_pairs import edges_of, prompts
from gearscope.graph.graph import AttributionGraph
from gearscope.workbench import Workbench


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench.open()


@pytest.fixture(scope="module")
def graphs(bench: Workbench) -> list[AttributionGraph]:
    """A sum, a chain of two facts, a couplet."""
    chosen = [prompt for some in prompts().values() for prompt in some]
    assert len(set(chosen)) == 20
    return [bench.trace(chosen[number], coverage=0.9) for number in (0, 10, 17)]


@pytest.mark.parametrize(("setting", "least"), [("constrained", 0.7), ("constrained, norms held", 0.9)])
def test_predictions_order_the_measured_effects(
    bench: Workbench, graphs: list[AttributionGraph], setting: str, least: float
) -> None:
    """Thirty pairs are few, so the bars are lower than those of the benchmark's 400 (0.90 and 0.99 there)."""
    pairs = measure(bench, graphs, SETTINGS[setting], seeds=(0,), most=5)
    assert len(pairs) == 30
    found = report(pairs)["all_features"]
    assert found["spearman"] >= least
    assert found["signs"] >= 0.8
    assert found["spearman"] > found["spearman_control"][0]


def test_pairs_follow_from_the_graph_alone(graphs: list[AttributionGraph]) -> None:
    pairs = edges_of(graphs[0], 0)
    assert pairs == edges_of(graphs[0], 0)
    assert len({(edge.target, edge.source) for edge in pairs}) == len(pairs) == 20
    assert all(graphs[0].adjacency[edge.target, edge.source] != 0 for edge in pairs)
