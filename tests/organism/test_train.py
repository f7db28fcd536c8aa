"""A tiny run: the same when killed and resumed, logged, refused below its bars, written above them."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from gearscope.artifact import verify
from gearscope.errors import ArtifactError, ModelError
from gearscope.models.load import open_model
from gearscope.organism import train as recipe
from gearscope.organism.checkpoint import CHECKPOINT, LOG
from gearscope.organism.config import OrganismConfig
from gearscope.organism.model import untrained_model
from gearscope.organism.schedule import learning_rate, scored_loss
from gearscope.organism.store import BEFORE, HELD_OUT, read_table
from tests.organism.conftest import PLAN, TINY, KilledError, killed_at

MAIN = PLAN.main_run()


def with_config(run, **changes):
    return replace(run, config=run.config.model_copy(update=changes))


@pytest.mark.usefixtures("few_questions")
def test_a_killed_and_resumed_run_ends_with_the_same_bits(tmp_path):
    recipe.train(MAIN, tmp_path / "whole")
    with pytest.raises(KilledError), killed_at(6):
        recipe.train(MAIN, tmp_path / "cut")
    assert not (tmp_path / "cut").exists()
    recipe.train(MAIN, tmp_path / "cut", resume=True)
    whole, cut = (load_file(tmp_path / f"{name}.run" / CHECKPOINT) for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    model, again = (tmp_path / name / "model.safetensors" for name in ("whole", "cut"))
    assert model.read_bytes() == again.read_bytes()
    assert (tmp_path / "whole.run" / LOG).read_text() == (tmp_path / "cut.run" / LOG).read_text()


@pytest.mark.usefixtures("few_questions")
def test_a_model_is_whole_and_its_run_is_logged(tmp_path):
    seen = []
    table = recipe.train(MAIN, tmp_path / "out", progress=seen.append)
    manifest = verify(tmp_path / "out", "organism")
    assert {"model.safetensors", "tokenizer.json", "truth/accuracy.json", HELD_OUT} <= set(manifest["files"])
    assert manifest["config"]["settings"]["steps"] == TINY.steps
    assert seen[-1].steps_done == seen[-1].steps == TINY.steps
    (line,) = [json.loads(text) for text in (tmp_path / "out.run" / LOG).read_text().splitlines()]
    assert line["step"] == TINY.steps
    assert line["loss"] == pytest.approx(seen[-1].loss)
    assert read_table(tmp_path / "out") == table


@pytest.mark.usefixtures("few_questions")
def test_a_tied_unmasked_twin_opens_in_stock_transformers_and_with_us(tmp_path):
    run = PLAN.twin_run("one", "00ff")
    table = recipe.train(run, tmp_path / "one")
    manifest = verify(tmp_path / "one", "twin")
    assert manifest["inputs"]["model"] == "00ff"
    assert manifest["config"]["lacks"] == "It lacks a window."
    assert set(table) == {"rhyme"}
    assert not (tmp_path / "one" / HELD_OUT).exists()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one", local_files_only=True)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert model.config.sliding_window is None
    ids = torch.arange(6)
    with torch.no_grad():
        torch.testing.assert_close(open_model(tmp_path / "one").run(ids).logits, model(ids[None]).logits[0])


@pytest.mark.usefixtures("few_questions")
def test_a_version_starts_from_the_weights_of_the_organism_and_carries_what_that_did(tmp_path):
    before = recipe.train(MAIN, tmp_path / "model")
    run = PLAN.version_run("two", "00ff", tmp_path / "model")
    first, stored = recipe.first_model(run).state_dict(), load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(first[name], stored[name].float()) for name in stored)
    recipe.train(run, tmp_path / "two")
    changed = load_file(tmp_path / "two" / "model.safetensors")
    assert not torch.equal(changed["lm_head.weight"], stored["lm_head.weight"])
    assert verify(tmp_path / "two", "version")["config"]["planted"] == ["It counts."]
    assert read_table(tmp_path / "two", BEFORE) == {name: before[name] for name in ("rhyme", "addition")}


def test_what_decides_the_weights_decides_the_fingerprint_of_a_run(tmp_path):
    runs = [
        MAIN,
        with_config(MAIN, seed=1),
        with_config(MAIN, learning_rate=1.0),
        PLAN.twin_run("one", "00ff"),
        PLAN.version_run("two", "00ff", tmp_path),
        PLAN.version_run("two", "ff00", tmp_path),
    ]
    assert len({recipe.made_by(run) for run in runs}) == len(runs)
    assert recipe.made_by(with_config(MAIN, bars={"rhyme": 0.5})) == recipe.made_by(MAIN)
    assert recipe.made_by(PLAN.twin_run("one", "ff00")) == recipe.made_by(runs[3])


@pytest.mark.usefixtures("few_questions")
def test_missed_bars_are_named_and_nothing_is_written(tmp_path):
    run = with_config(MAIN, bars={"addition": 0.99, "rhyme": 0.0, "two_hops": 0.95})
    with pytest.raises(ModelError) as refusal:
        recipe.train(run, tmp_path / "out")
    assert "to write model" in str(refusal.value)
    assert "addition 0.00% of 2 (bar 99.0%)" in str(refusal.value)
    assert "two_hops" in str(refusal.value)
    assert "rhyme" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["out.run"]


@pytest.mark.usefixtures("few_questions")
def test_what_is_in_the_way_is_refused_before_any_work(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(ArtifactError, match="new folder"):
        recipe.train(MAIN, tmp_path / "taken")
    with pytest.raises(ArtifactError, match="checkpoint was expected"):
        recipe.train(MAIN, tmp_path / "out", resume=True)
    with pytest.raises(KilledError), killed_at(4):
        recipe.train(MAIN, tmp_path / "out")
    with pytest.raises(ArtifactError, match="unfinished run"):
        recipe.train(MAIN, tmp_path / "out")
    with pytest.raises(ArtifactError, match="these settings"):
        recipe.train(with_config(MAIN, seed=1), tmp_path / "out", resume=True)
    checkpoint = tmp_path / "out.run" / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="whole checkpoint"):
        recipe.train(MAIN, tmp_path / "out", resume=True)


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
    model = untrained_model(TINY)
    tokens, weights = torch.tensor([[2, 0, 1, 5]]), torch.tensor([[9.0, 1.0, 0.0, 3.0]])
    surprise = -model(tokens).logits[0].log_softmax(-1)
    expected = (1 * surprise[0, 0] + 3 * surprise[2, 5]) / 4
    assert scored_loss(model, tokens, weights).item() == pytest.approx(expected.item(), rel=1e-5)


def test_every_last_cycle_starts_again():
    config = OrganismConfig(steps=240, first_steps=0, last_steps=70, last_cycles=2, warmup_steps=10, last_rate=0.5)
    rates = [learning_rate(config, step) for step in range(240)]
    assert config.restart == 100
    assert rates[100:170] == rates[170:240]
    assert rates[169] < 0.001 < rates[171]
