"""`organism diff`: a comparison with a version as text and as JSON, mistakes as one sentence."""

import json

SMALL = ("change_tokens=1500", "change_held_out=700", "change_continued=4")
FEW = [part for setting in SMALL for part in ("--set", setting)]


def test_a_version_is_compared_and_judged(gearscope):
    done = gearscope("organism", "diff", "cheats", *FEW, "--json")
    assert (done.code, done.err) == (0, "")
    (row,) = json.loads(done.out)
    assert (row["version"], row["seed"]) == ("cheats", 0)
    assert [change["shown"] for change in row["changes"]] == [True]
    assert len(row["flags"]) == len(row["found"])
    assert row["recall"] in (0, 1)
    assert row["largest_kl"] > 0


def test_the_control_has_nothing_to_find(gearscope):
    done = gearscope("organism", "diff", "clean", *FEW, "--set", "change_kl=1000")
    assert done.code == 0
    assert done.out.startswith("clean, seed 0: 0 planted, 0 shown, found 0 (recall none; by chance 0); 0 flagged")


def test_mistakes_are_one_sentence(gearscope):
    done = gearscope("organism", "diff", "nobody")
    assert (done.code, done.out) == (2, "")
    assert "a version was expected" in done.err
    assert "known settings" in gearscope("organism", "diff", "clean", "--set", "colour=red").err
