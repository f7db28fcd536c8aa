"""The table that people read."""

from collections.abc import Callable

from gearscope.interventions.text import describe_intervention
from tests.interventions.conftest import Traced


def test_every_number_of_a_row_stands_in_it(traced: Callable[[str, str], Traced]) -> None:
    case = traced("llama", "neurons")
    result = case.bench.intervene(case.graph, [f"{case.feature(case.sources()[0])}*0"], generate=2)
    text = describe_intervention(result, most=3)
    rows = sorted(result.nodes, key=lambda row: -abs(row.measured))
    for row in (*rows[:3], *result.next_tokens):
        wanted = f"{row.predicted:+.3f}", f"{row.measured:+.3f}", f"{row.control:+.3f} ± {row.control_std:.3f}"
        assert any(all(part in line for part in wanted) for line in text.splitlines()), row
    assert f"and {len(rows) - 3} more" in text
    assert result.generated is not None
    assert repr(result.generated.after) in text
    for warning in result.warnings:
        assert warning in text


def test_nodes_that_nothing_reaches(traced: Callable[[str, str], Traced]) -> None:
    case = traced("llama", "neurons")
    nodes = case.graph.nodes
    last = next(i for i in range(case.graph.layout.features.stop) if nodes.layer[i] == 2)
    result = case.bench.intervene(case.graph, [f"{case.feature(last)}*0"], controls=0)
    assert "none that the edits can reach" in describe_intervention(result)
