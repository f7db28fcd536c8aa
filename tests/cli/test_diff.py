"""`diff`: the report as text and as JSON, mistakes as one sentence with exit code 2."""

import json

import pytest

SMALL = {"tokens": 1500, "batch_tokens": 250, "held_out_tokens": 400, "n_features": 24, "k": 3, "context": 24}
SMALL |= {"block_tokens": 500, "change_tokens": 300, "change_held_out": 200}


def arguments(*models, out, **changes):
    settings = [part for name, value in (SMALL | changes).items() for part in ("--set", f"{name}={value}")]
    return ["diff", *map(str, models), "--out", str(out), *settings]


def test_diff_as_json_and_as_text(gearscope, untrained, tmp_path):
    done = gearscope(*arguments(untrained, untrained, out=tmp_path / "same"), "--json", "--layer", "1")
    assert done.code == 0, done.err  # a slow machine leaves lines of progress there
    found = json.loads(done.out)
    assert found["sites"] == ["blocks.1.resid_post"]
    assert found["counts"]["gained"] == found["counts"]["lost"] == 0
    written = (tmp_path / "same" / "report.txt").read_text()
    assert "the same likeliest next token 100.0%" in written
    assert "what B does otherwise: nothing found" in written


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "sae"}, "two models are compared with a crosscoder"),
        ({"layers": "[7]"}, "ascending layers from 0 to 1 were expected"),
        ({"change_layers": "[2]"}, "ascending layers from 0 to 1 were expected"),
        ({"colour": "red"}, "known settings were expected"),
        ({"changed_cosine": 3}, "less than or equal to 1"),
    ],
)
def test_mistakes_are_one_sentence(gearscope, untrained, tmp_path, changes, said):
    done = gearscope(*arguments(untrained, untrained, out=tmp_path / "out", **changes))
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
