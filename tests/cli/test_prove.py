"""`intervene --validate | --redundancy | --gates` and `trace --basis all` as somebody types them."""

import json
from pathlib import Path

import pytest

from gearscope.cli.bases import basis_lines
from gearscope.evaluation.basis_report import BasisPrompt, BasisReport, BasisRow, Hop
from gearscope.graph.store import read_graph
from gearscope.interventions.gate_report import GateReport
from gearscope.interventions.survival import Survival
from gearscope.interventions.validation import Validation, read_validation
from tests.cli.test_trace import SUM, assert_mistake


@pytest.fixture
def graph(untrained: Path, tmp_path: Path) -> Path:
    from gearscope.cli.main import main

    out = tmp_path / "graph.json"
    assert main(["trace", SUM, "--model", str(untrained), "--out", str(out), "--json", "--all"]) == 0
    return out


def test_a_validated_graph_says_so_when_it_is_shown(gearscope, graph: Path) -> None:
    done = gearscope("intervene", str(graph), "--validate", "--top", "3", "--controls", "1")
    assert done.code == 0, done.err
    for part in ("VALIDATED", "made before anything was measured", "norms live", "control", "written to"):
        assert part in done.out
    shown = gearscope("show", str(graph))
    assert "PREDICTED AND MEASURED" in shown.out
    assert "STRONGEST PATHS" in shown.out
    found = read_validation(read_graph(graph))
    assert found is not None
    assert len(found.table) == 3


def test_other_prompts_and_another_file(gearscope, graph: Path, tmp_path: Path) -> None:
    before, out, texts = graph.read_text(), tmp_path / "out.json", tmp_path / "prompts.txt"
    texts.write_text("calc : 12 + 30 =\n\ncalc : 7 + 80 =\n")
    asked = ["--validate", "--top", "2", "--reference", str(texts), "--out", str(out), "--json"]
    done = gearscope("intervene", str(graph), *asked)
    assert done.code == 0, done.err
    found = Validation.from_json(done.out)
    assert (found.plan.references_are, len(set(found.plan.references))) == ("given", 2)
    assert graph.read_text() == before
    assert read_validation(read_graph(out)) == found


def test_what_survives_is_drawn(gearscope, graph: Path, tmp_path: Path) -> None:
    svg, out = tmp_path / "what.svg", tmp_path / "what.json"
    done = gearscope("intervene", str(graph), "--redundancy", "--svg", str(svg), "--out", str(out))
    assert done.code == 0, done.err
    assert "SURVIVAL" in done.out
    assert svg.read_text().startswith("<svg")
    assert Survival.from_json(out.read_text()).lines


def test_gates_are_ranked(gearscope, graph: Path) -> None:
    done = gearscope("intervene", str(graph), "--gates")
    assert done.code == 0, done.err
    assert "GATES" in done.out
    assert GateReport.from_json(gearscope("intervene", str(graph), "--gates", "--json").out).tried > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of --edit, --validate, --redundancy, --gates"),
        (["--validate", "--gates"], "--validate and --gates"),
        (["--validate", "--mode", "free"], "options that --validate uses"),
        (["--gates", "--top", "3"], "options that --gates uses"),
        (["--edit", "0/1@2*0", "--svg", "x.svg"], "options that --edit uses"),
        (["--validate", "--top", "0"], "top"),
        (["--validate", "--reference", "nowhere.txt"], "a prompt a line"),
        (["--redundancy", "--svg", "."], "name the file to draw into"),
        (["--validate", "--seed", "-1"], "seed"),
        (["--gates", "--basis", "nonsense"], "a basis was expected"),
    ],
)
def test_mistakes_are_one_sentence(gearscope, graph: Path, arguments: list[str], said: str) -> None:
    done = gearscope("intervene", str(graph), *arguments)
    assert_mistake(done, said)


def test_an_empty_file_of_prompts_and_a_picture_over_the_graph(gearscope, graph: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    assert_mistake(gearscope("intervene", str(graph), "--validate", "--reference", str(empty)), "an empty file")
    assert_mistake(
        gearscope("intervene", str(graph), "--redundancy", "--svg", str(graph)), "another file than the graph"
    )


def test_an_option_for_graphs_without_groups_is_refused_with_groups(gearscope, graph: Path) -> None:
    data = json.loads(graph.read_text())
    ids = [node["node_id"] for node in data["nodes"] if node["feature_type"] == "cross layer transcoder"]
    data["qParams"]["supernodes"] = [["pair", *ids[:2]]]
    graph.write_text(json.dumps(data))
    assert_mistake(gearscope("intervene", str(graph), "--validate", "--top", "3"), "graphs without supernodes")


def test_a_foreign_graph_is_not_rewritten(gearscope, graph: Path, tmp_path: Path, untrained: Path) -> None:
    data = json.loads(graph.read_text())
    del data["metadata"]["gearscope"]
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps(data))
    asked = ["--validate", "--top", "1", "--model", str(untrained), "--basis", "neurons"]
    assert_mistake(gearscope("intervene", str(foreign), *asked), "--out")
    assert json.loads(foreign.read_text()) == data


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([SUM, "--basis", "all", "--target", "95"], "options that --basis all uses"),
        ([SUM, "--basis", "all", "--coverage", "0.5"], "--coverage"),
        (["--basis", "all"], "neither"),
        ([SUM, "--basis", "all", "--prompts", "x.txt"], "both"),
        (["--basis", "all", "--prompts", "nowhere.txt"], "a prompt a line"),
        ([SUM, "--basis", "all", "--model", "gpt2"], "the bundled model's bases"),
        ([SUM, "--prompts", "x.txt"], "--prompts without --basis all"),
        ([], "one PROMPT"),
        ([SUM, "--open-errors", "2"], "neurons, which leave none"),
    ],
)
def test_mistakes_of_tracing_are_one_sentence(gearscope, arguments: list[str], said: str) -> None:
    assert_mistake(gearscope("trace", *arguments), said)


def test_every_basis_has_a_column_and_hops_only_where_they_were_asked_for() -> None:
    hop = Hop(features=3, through=0.4, through_random=0.1, direct=0.02)
    plain = BasisPrompt(
        prompt=SUM,
        active=400,
        features=30,
        errors=1,
        replacement=(0.7, 0.8),
        completeness=(0.9, 0.9),
        edited=20,
        held=0.95,
        held_control=None,
        live=0.9,
        live_control=0.05,
        cosine=0.97,
        hop=None,
    )
    rows = tuple(BasisRow(basis=name, prompts=(plain,)) for name in ("neurons", "plt"))
    report = BasisReport(model="organism", top=20, seed=0, rows=rows)
    said = "\n".join(basis_lines(report))
    for part in ("neurons", "plt", "0.700 to 0.800", "0.900  ", "kept by the default pruning", "control", SUM):
        assert part in said
    assert "hop" not in said
    asked = tuple(row.model_copy(update={"prompts": (plain, plain.model_copy(update={"hop": hop}))}) for row in rows)
    both = "\n".join(basis_lines(report.model_copy(update={"rows": asked})))
    assert "2 prompts (means); 1 of them ask for two facts" in both
    assert "40.0%" in both
