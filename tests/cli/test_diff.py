"""`diff`: the report as text and as JSON, mistakes as one sentence with exit code 2."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM

SMALL = {"tokens": 1500, "batch_tokens": 250, "held_out_tokens": 400, "n_features": 24, "k": 3, "context": 24}
SMALL |= {"block_tokens": 500, "change_tokens": 300, "change_held_out": 200}


def arguments(*models, out, **changes):
    settings = [part for name, value in (SMALL | changes).items() for part in ("--set", f"{name}={value}")]
    return ["diff", *map(str, models), "--out", str(out), *settings]


def test_diff_as_json_and_as_text(gearscope, untrained, tmp_path):
    changed = AutoModelForCausalLM.from_pretrained(untrained)
    with torch.no_grad():
        changed.model.layers[0].mlp.down_proj.weight += 1e-3
    shutil.copytree(untrained, tmp_path / "changed")
    changed.save_pretrained(tmp_path / "changed")
    done = gearscope(*arguments(untrained, tmp_path / "changed", out=tmp_path / "out"), "--json", "--layer", "1")
    assert done.code == 0, done.err  # a slow machine leaves lines of progress there
    found = json.loads(done.out)
    assert found["sites"] == ["blocks.1.resid_post"]
    assert found["parting"]["parting"] == 0  # an untrained model expects nothing
    written = (tmp_path / "out" / "report.txt").read_text()
    assert "what B does otherwise: nothing found" in written
    assert f"behind 0 of {found['parting']['read']:,} held-out tokens" in written


def test_one_model_twice_is_one_sentence(gearscope, untrained, tmp_path):
    done = gearscope(*arguments(untrained, untrained, out=tmp_path / "same"))
    assert done.code == 2
    assert "A and B do not differ" in done.err
    assert done.err.count("\n") == 1


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
