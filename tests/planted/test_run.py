"""Training finds planted features where there is room, resumes on planted batches, and takes crosscoders' layouts."""

import pytest

from gearscope.dictionaries.training.config import layout_of
from gearscope.dictionaries.training.train import train
from gearscope.planted.config import PLANTED, PlantedRecipe
from gearscope.planted.run import run_seed, train_on
from gearscope.planted.stream import PlantedStream, blocks
from gearscope.planted.truth import plant

SMALL = {
    "n_truths": 24,
    "trees": 2,
    "commonest": 0.2,
    "rarest": 0.03,
    "block_tokens": 1024,
    "n_features": 24,
    "k": 2,
    "tokens": 60_000,
    "batch_tokens": 256,
    "learning_rate": 1e-2,
    "dead_after": 5_000,
    "revive_every": 25,
    "held_out_tokens": 4096,
}


def small(name: str, **changes) -> PlantedRecipe:
    return PLANTED[name].changed(SMALL | {"d_model": 16} | changes)


def test_an_sae_finds_most_of_what_is_planted():
    seen = []
    found = run_seed(small("sae"), 3, progress=seen.append)
    trained, random, planted = (
        one.dictionaries[0] for one in (found.scores.trained, found.scores.random, found.scores.planted)
    )
    assert found.scores.seed == 3
    assert trained.mcc > random.mcc + 0.2
    assert trained.f1 > random.f1 + 0.3
    assert planted.mcc == pytest.approx(1, abs=1e-5)
    assert trained.nmse < 0.3
    assert random.l0 == pytest.approx(trained.l0, rel=0.1)
    assert 0.2 < found.scores.superposition < 0.7
    assert seen[-1].tokens_done == seen[-1].tokens
    assert found.dictionaries.kind == "sae"


def test_a_cross_layer_transcoder_is_scored_layer_by_layer_with_its_hops():
    found = run_seed(small("clt", n_layers=2, reach=1, hops=3, d_model=24, tokens=40_000), 0)
    trained, random = found.scores.trained, found.scores.random
    assert [one.reads for one in trained.dictionaries] == ["blocks.0.mlp_in", "blocks.1.mlp_in"]
    for one, chance in zip(trained.dictionaries, random.dictionaries, strict=True):
        assert one.mcc > chance.mcc + 0.1
    assert trained.hops is not None
    assert trained.hops.written > 0.5
    assert found.scores.planted.hops is not None
    assert found.scores.planted.hops.kept == pytest.approx(1, abs=0.1)


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_bit_for_bit(tmp_path):
    recipe = small("transcoder", n_layers=1, tokens=256 * 60, checkpoint_every=20)
    truth = plant(recipe.world)
    whole = train_on(truth, recipe, tmp_path / "whole")

    def kill(at) -> None:
        if at.tokens_done > 256 * 40:
            raise KilledError

    with pytest.raises(KilledError):
        train_on(truth, recipe, tmp_path / "killed", progress=kill)
    layout = layout_of(recipe.training, 1)
    held_out = [block.acts for block in blocks(truth, "fitted", 4096)]
    source = PlantedStream(truth, layout.sites)
    resumed = train(recipe.training, layout, source, held_out, tmp_path / "killed", model="planted", resume=True)
    assert resumed.fingerprint() == whole.fingerprint()


def test_a_crosscoder_has_a_truth_in_the_stream():
    """One dictionary that reads and writes every layer; a truth is its direction over all of them."""
    found = run_seed(small("crosscoder", n_layers=2, n_truths=12, d_model=24, tokens=100_000), 0)
    assert found.dictionaries.kind == "crosscoder"
    (trained,), (chance,) = found.scores.trained.dictionaries, found.scores.random.dictionaries
    assert trained.truths == 24
    assert trained.mcc > chance.mcc + 0.2
    assert trained.f1 > chance.f1 + 0.3
