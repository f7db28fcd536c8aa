"""Bases side by side, agreement over pairs, and recall of known gates: small runs on the bundled model."""

import pytest

from gearscope.errors import ConfigError
from gearscope.evaluation.agreement_of_pairs import edges_of, measure_agreement
from gearscope.evaluation.bases import chain_of, compare_bases
from gearscope.evaluation.basis_report import BasisReport
from gearscope.evaluation.gate_recall import measure_gates, questions
from gearscope.evaluation.hops import Chain
from gearscope.ids import FeatureAt
from gearscope.interventions.validation import read_validation
from gearscope.organism.world.vocabulary import TOKEN_ID
from gearscope.workbench import Workbench

SUM, CHAIN = "calc : 36 + 59 =", "the capital of the state containing dal las is"


@pytest.fixture(scope="module")
def plt() -> Workbench:
    return Workbench.open(basis="plt")


def test_a_chain_of_two_facts_is_known_and_nothing_else_is() -> None:
    assert chain_of(CHAIN) == Chain("dal las", "capital")
    assert chain_of(f"  {CHAIN} ".replace(" of ", "  of ")) == Chain("dal las", "capital")
    assert chain_of(SUM) is None


def test_the_report_repeats_what_trace_and_validate_say(plt: Workbench) -> None:
    asked = plt.trace(CHAIN)
    nodes, last = asked.nodes, len(asked.tokens) - 1
    places = [i for i in range(asked.layout.features.stop) if nodes.position[i] >= last - 1]
    standing = {"texas": {FeatureAt(int(nodes.layer[i]), int(nodes.index[i]), int(nodes.position[i])) for i in places}}
    report = compare_bases([plt], [SUM, CHAIN], top=4, states=lambda _: standing)
    (row,) = report.rows
    graph = plt.trace(SUM)
    validation = read_validation(plt.validate(graph, top=4))
    assert graph.scores is not None
    assert validation is not None
    found, chain = row.prompts
    assert found.features == graph.layout.features.stop
    assert found.replacement == tuple(graph.scores.replacement.as_published)
    assert found.edited == 4
    live = validation.figures_of("live")
    assert live is not None
    assert (found.live, found.live_control) == (live.spearman, live.spearman_control)
    assert found.hop is None
    assert chain.hop is not None
    assert chain.hop.features == len(places)
    assert chain.hop.through > 2 * chain.hop.through_random
    assert row.mean(lambda one: one.hop and one.hop.through) == chain.hop.through
    assert BasisReport.from_json(report.to_json()) == report


def test_pairs_are_edges_of_the_graph_the_strongest_first(plt: Workbench) -> None:
    graph = plt.trace(SUM)
    edges = edges_of(graph, 0, most=5)
    weights = [abs(float(graph.adjacency[edge.target, edge.source])) for edge in edges]
    strong = [weight for weight, edge in zip(weights, edges, strict=True) if edge.strong]
    assert [edge.strong for edge in edges] == [True] * 5 + [False] * 5
    assert min(strong) >= max(weights[5:])
    assert min(weights) > 0
    assert edges == edges_of(graph, 0, most=5)


def test_agreement_is_beside_its_control(plt: Workbench) -> None:
    report = measure_agreement(plt, counts={"two_hops": 2})
    row = next(one for one in report.pairs if (one.norms, one.edit, one.chosen) == ("live", "zero", "all"))
    assert (report.prompts, row.pairs) == (2, 40)
    assert row.spearman is not None
    assert row.spearman_control is not None
    assert row.spearman > 0.85 > row.spearman_control
    parts = [one.pairs for one in report.pairs if (one.norms, one.edit) == ("held", "double")]
    assert parts == [40, 20, 20]
    assert [one.distance for one in report.streams] == [1, 2, 3, 4] * 2


def test_a_known_gate_is_asked_where_the_truth_settles_it(plt: Workbench) -> None:
    for kind, first in (("known", "i"), ("dangerous", "to")):
        for asked in questions(kind, 3, 0):
            assert asked.held_down == first
            assert asked.answer != first
            assert asked.positions
            assert max(asked.positions) < len(asked.ids)
            assert asked.ids[0] == TOKEN_ID["<s>"]
    row = measure_gates(plt, "known", count=1)
    assert row.prompts == 1
    assert row.first <= row.recall <= row.recall_behind <= 1
    with pytest.raises(ConfigError, match="a kind of question"):
        questions("nonsense", 3, 0)
