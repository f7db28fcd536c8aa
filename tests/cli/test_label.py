"""`label`: rules for a small library of the bundled model, a person's labels first, mistakes in one sentence."""

import json

import pytest

from gearscope.features.store import Library
from gearscope.labels.rules import parse_rule
from tests.features.tiny import tiny_library

FEW = ("--set", "tokens=1500", "--set", "control=8")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    from gearscope.cli.main import main

    out = tmp_path_factory.mktemp("labelled") / "lib"
    assert main(["library", "build", "--out", str(out), "--dictionary", "plt", "--set", "tokens=1500"]) == 0
    return out


@pytest.fixture(scope="module")
def labelled(built):
    """The library, with rules for its forty features that fire most."""
    from gearscope.cli.main import main

    with Library.open(built) as library:
        most = library.columns["fired"].argsort()[::-1][:40]
        names = [str(library.feature(int(number))) for number in most]
    chosen = [part for name in names for part in ("--feature", name)]
    assert main(["label", str(built), *FEW, *chosen]) == 0
    return built, names


def test_every_label_has_a_rule_that_runs_with_its_score_and_baseline(labelled):
    folder, names = labelled
    with Library.open(folder) as library:
        labels = [library.notes.labels(number) for number in sorted({lab.number for lab in library.notes.all_labels()})]
        assert len(labels) == len(names)
    ruled = [label for (label,) in labels if "rule" in label.details]
    assert len(ruled) > 20
    for label in ruled:
        assert parse_rule(label.details["rule"]).asks in ("input", "output", "both")
        assert label.method == "rule"
        assert label.scored_by == "token_f1"
    means = [sum(getattr(one, side) or 0 for one in ruled) / len(ruled) for side in ("score", "baseline")]
    assert means[0] > 0.5 > 2 * means[1]


def test_labelling_again_replaces_rules_and_keeps_what_a_person_wrote(labelled, gearscope):
    folder, names = labelled
    told = gearscope("label", str(folder), "--edit", f"{names[0]}=fires on what I say", "--json")
    assert json.loads(told.out) == {names[0]: "fires on what I say"}
    again = gearscope("label", str(folder), *FEW, "--feature", names[0], "--json")
    report = json.loads(again.out)
    assert report["labelled"] == 1
    assert report["random"]["features"] >= 4
    with Library.open(folder) as library:
        number = next(iter(n for n in range(library.n_features) if str(library.feature(n)) == names[0]))
        labels = library.notes.labels(number)
    assert [label.method for label in labels] == ["human", "rule"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--edit", "0/3"], "an edit is written LAYER/INDEX=TEXT"),
        (["--edit", "0/3= "], "an edit is written LAYER/INDEX=TEXT"),
        (["--edit", "7/3=text"], "a feature of layer 0, 2 was expected"),
        (["--edit", "0/3=text", "--truths", "50"], "--edit alone was expected"),
        (["--truths", "50"], "were expected; found none; run gearscope label"),
        (["--set", "tokns=3"], "known settings were expected"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, gearscope, arguments, said):
    tiny_library(tmp_path / "tiny").close()
    told = gearscope("label", str(tmp_path / "tiny"), *arguments)
    assert told.code == 2
    assert said in told.err
    assert not told.out
