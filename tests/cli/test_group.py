"""`group`, `average`, `weights` and `organism supernodes` as somebody types them."""

import json
from pathlib import Path

import pytest

from gearscope.cli.organism_supernodes import state_lines
from gearscope.evaluation.report import StateReport
from gearscope.graph.store import read_graph
from gearscope.supernodes.result import Grouping, read_grouping
from tests.cli.test_trace import assert_mistake

CHAIN = "the capital of the state containing oak land is"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gearscope.cli.main import main

    out = tmp_path_factory.mktemp("group") / "graph.json"
    assert main(["trace", CHAIN, "--basis", "clt", "--out", str(out), "--json"]) == 0
    return out


def test_groups_are_printed_stored_and_shown(gearscope, graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "grouped.json"
    done = gearscope(
        "group", str(graph), "--out", str(out), "--paraphrase", "the bird of the state containing oak land is"
    )
    assert done.code == 0, done.err
    grouped = read_graph(out)
    facts = read_grouping(grouped)
    assert facts is not None
    assert facts.stability_from == "paraphrases"
    assert all(group.name in done.out for group in grouped.supernodes)
    assert grouped.supernodes[0].name[:20] in gearscope("show", str(out)).out
    name = grouped.supernodes[1].name
    edited = gearscope("intervene", str(out), "--edit", f"supernode:{name}*0", "--json")
    assert edited.code == 0, edited.err
    assert_mistake(gearscope("group", str(out)), "all in groups already", "--replace")
    assert gearscope("group", str(out), "--replace", "--json").code == 0


def test_json_is_the_report(gearscope, graph: Path) -> None:
    before = graph.read_text()
    done = gearscope("group", str(graph), "--json", "--most", "3")
    report = Grouping.model_validate(json.loads(done.out), strict=False)
    assert len(report.groups) <= 3
    assert report.stability_from == "resampled evidence"
    assert graph.read_text() == before


def test_mistakes_are_one_sentence(gearscope, graph: Path, untrained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("")
    assert_mistake(gearscope("group", str(tmp_path / "absent.json")), "no such file")
    assert_mistake(gearscope("group", str(tmp_path / "empty.json")), "an empty file")
    assert_mistake(gearscope("group", str(graph), "--most", "0"), "most")
    assert_mistake(gearscope("group", str(graph), "--largest", "2"), "largest")
    assert_mistake(gearscope("group", str(graph), "--library", str(tmp_path)), str(tmp_path))
    assert_mistake(gearscope("group", str(graph), "--model", str(untrained), "--basis", "neurons"), "fingerprint")
    assert_mistake(gearscope("group", str(graph), "--paraphrase", ""), "prompt")


def test_many_prompts_are_one_graph(gearscope, tmp_path: Path) -> None:
    template, other, out = tmp_path / "t.txt", tmp_path / "u.txt", tmp_path / "mean.json"
    template.write_text("calc : {a} + {b} =\na: 30..32\nb: 4 | 5\n")
    other.write_text("calc : 60 + 4 =\ncalc : 61 + 4 =\n")
    done = gearscope("average", str(template), "--basis", "clt", "--out", str(out))
    assert done.code == 0, done.err
    assert "MEAN OF 6 prompts" in done.out
    mean = read_graph(out)
    assert mean.details["prompts"]["count"] == 6
    assert gearscope("show", str(out)).code == 0
    assert_mistake(gearscope("group", str(out)), "the mean of 6")
    less = gearscope("average", str(template), "--minus", str(other), "--sample", "2", "--basis", "clt")
    assert "2 prompts less 2" in less.out
    assert_mistake(gearscope("average", str(tmp_path / "absent")), "no such file")


def test_weights_of_a_feature_over_prompts(gearscope, tmp_path: Path) -> None:
    prompts = tmp_path / "p.txt"
    prompts.write_text("\n".join(f"the {word} of the state containing oak land is" for word in ("capital", "bird")))
    done = gearscope("weights", "2/388", "--prompts", str(prompts), "--most", "3", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["fired"] == 2
    assert len(report["inputs"]["strongest"]) == 3
    assert_mistake(gearscope("weights", "2/388", "--basis", "neurons"), "transcoders were expected")
    assert_mistake(gearscope("weights", "nonsense"), "nonsense")
    assert_mistake(gearscope("weights", "9/0", "--prompts", str(prompts)), "9/0")


def test_the_table_of_states_names_the_best_basis() -> None:
    figures = {"completeness": 0.95, "completeness_strict": 0.8, "completeness_whole": 0.94, "nodes": 45.0}
    counts = {"prompts": 59, "swaps": 118, "groups": 5.3, "most_groups": 9, "largest": 0.2, "moved_random": 0.4}
    rows = [
        StateReport(
            model="organism",
            basis=basis,
            split="heldout",
            contains=share,
            contains_random=0.2,
            moved=0.9,
            **figures,
            **counts,
        )
        for basis, share in (("plt", 0.95), ("clt", 0.97))
    ]
    lines = state_lines(rows)
    assert lines[2].split()[:3] == ["organism", "clt", "59"]
    assert "97.0%" in lines[2]
    assert lines[-1].endswith("clt")
