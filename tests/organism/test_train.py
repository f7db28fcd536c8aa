"""A tiny run: the same when killed and resumed, logged, refused below its bars, written above them."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from gearscope.artifact import verify
from gearscope.errors import ArtifactError, ModelError
from gearscope.organism import train as recipe
from gearscope.organism.checkpoint import CHECKPOINT, LOG
from gearscope.organism.config import OrganismConfig
from gearscope.organism.model import untrained_model
from gearscope.organism.schedule import learning_rate, weighted_loss

TINY = OrganismConfig(
    n_layers=1, d_model=16, n_heads=2, d_mlp=16, context=32, row_tokens=16, batch_rows=2, steps=9, warmup_steps=2,
    checkpoint_every=4, first_steps=2, last_steps=3, facts_first=1, bars={},
)  # fmt: skip


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


@pytest.fixture
def few_questions(monkeypatch):
    """Measuring is not what these tests are about: ask one question of each behaviour."""
    measure_all = recipe.measure_all
    monkeypatch.setattr(recipe, "measure_all", lambda model: measure_all(model, limit=1))


def _killed_at(step):
    calls = []

    def take_step(config, model, optimizer, number):
        if number == step:
            raise KilledError
        calls.append(number)
        return original(config, model, optimizer, number)

    original = recipe.take_step
    return take_step


@pytest.mark.usefixtures("few_questions")
def test_a_killed_and_resumed_run_ends_with_the_same_bits(tmp_path, monkeypatch):
    recipe.train(TINY, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(recipe, "take_step", _killed_at(6))
        with pytest.raises(KilledError):
            recipe.train(TINY, tmp_path / "cut")
    assert not (tmp_path / "cut").exists()
    recipe.train(TINY, tmp_path / "cut", resume=True)
    whole, cut = (load_file(tmp_path / f"{name}.run" / CHECKPOINT) for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    model, again = (tmp_path / name / "model.safetensors" for name in ("whole", "cut"))
    assert model.read_bytes() == again.read_bytes()
    assert (tmp_path / "whole.run" / LOG).read_text() == (tmp_path / "cut.run" / LOG).read_text()


@pytest.mark.usefixtures("few_questions")
def test_a_bundle_is_whole_and_its_run_is_logged(tmp_path):
    seen = []
    table = recipe.train(TINY, tmp_path / "out", progress=seen.append)
    manifest = verify(tmp_path / "out", "organism")
    assert {"model.safetensors", "tokenizer.json", "truth/accuracy.json", "truth/held_out.json"} <= set(
        manifest["files"]
    )
    assert manifest["config"]["steps"] == TINY.steps
    assert seen[-1].steps_done == seen[-1].steps == TINY.steps
    (line,) = [json.loads(text) for text in (tmp_path / "out.run" / LOG).read_text().splitlines()]
    assert line["step"] == TINY.steps
    assert line["loss"] == pytest.approx(seen[-1].loss)
    stored = json.loads((tmp_path / "out" / "truth/accuracy.json").read_text())
    assert set(stored) == set(table)


@pytest.mark.usefixtures("few_questions")
def test_missed_bars_are_named_and_nothing_is_written(tmp_path):
    config = TINY.model_copy(update={"bars": {"addition": 0.99, "rhyme": 0.0, "two_hops": 0.95}})
    with pytest.raises(ModelError) as refusal:
        recipe.train(config, tmp_path / "out")
    assert "addition 0.00% of 1 (bar 99.0%)" in str(refusal.value)
    assert "two_hops" in str(refusal.value)
    assert "rhyme" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["out.run"]


@pytest.mark.usefixtures("few_questions")
def test_what_is_in_the_way_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "take_step", _killed_at(4))
    (tmp_path / "taken").mkdir()
    with pytest.raises(ArtifactError, match="new folder"):
        recipe.train(TINY, tmp_path / "taken")
    with pytest.raises(ArtifactError, match="checkpoint was expected"):
        recipe.train(TINY, tmp_path / "out", resume=True)
    with pytest.raises(KilledError):
        recipe.train(TINY, tmp_path / "out")
    with pytest.raises(ArtifactError, match="unfinished run"):
        recipe.train(TINY, tmp_path / "out")
    with pytest.raises(ArtifactError, match="these settings"):
        recipe.train(TINY.model_copy(update={"seed": 1}), tmp_path / "out", resume=True)
    checkpoint = tmp_path / "out.run" / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="whole checkpoint"):
        recipe.train(TINY, tmp_path / "out", resume=True)


def test_initial_weights_follow_from_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, again = untrained_model(TINY), untrained_model(TINY)
    assert torch.equal(torch.rand(1), expected)
    other = untrained_model(TINY.model_copy(update={"seed": 1}))
    assert torch.equal(first.lm_head.weight, again.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)
    assert first.lm_head.weight is not first.model.embed_tokens.weight


def test_learning_rate_rises_and_falls_to_nothing_and_does_so_again_for_the_last_steps():
    config = OrganismConfig(
        steps=180, first_steps=0, last_steps=70, last_cycles=1, warmup_steps=10, learning_rate=1.0, last_rate=0.5
    )
    rates = [learning_rate(config, step) for step in range(180)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.5)
    assert rates[110] == pytest.approx(0.05)
    assert rates[120] == pytest.approx(0.5)
    assert rates[150] == pytest.approx(0.25)
    for cycle in (rates[:110], rates[110:]):
        assert cycle == sorted(cycle[:10]) + sorted(cycle[10:], reverse=True)
        assert cycle[-1] < 0.001


def test_loss_is_the_weighted_mean_of_next_token_surprise():
    probabilities = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [1 / 3] * 3]])
    tokens, weights = torch.tensor([[2, 0, 1]]), torch.tensor([[9.0, 1.0, 3.0]])
    expected = (1 * -math.log(0.5) + 3 * -math.log(0.8)) / 4
    assert weighted_loss(probabilities.log(), tokens, weights).item() == pytest.approx(expected)


def test_every_last_cycle_starts_again():
    config = OrganismConfig(steps=240, first_steps=0, last_steps=70, last_cycles=2, warmup_steps=10, last_rate=0.5)
    rates = [learning_rate(config, step) for step in range(240)]
    assert config.restart == 100
    assert rates[100:170] == rates[170:240]
    assert rates[169] < 0.001 < rates[171]
