"""The random dictionary is at the level of chance, the planted one at what a linear reading can reach."""

import pytest
import torch

from gearscope.dictionaries.collection import DictionarySet
from gearscope.planted.config import PlantedConfig
from gearscope.planted.recovery import score
from gearscope.planted.references import planted_like, random_like
from gearscope.planted.truth import Truth, plant
from tests.oracles.planted_dictionaries import Plan, plant_saes, plant_set


def world(**changes) -> Truth:
    base = {"n_truths": 40, "d_model": 48, "trees": 5, "commonest": 0.3, "rarest": 0.02, "block_tokens": 2000}
    return plant(PlantedConfig(**base | changes))


def sae_template(n_features: int = 40, d_model: int = 48) -> DictionarySet:
    return plant_saes(["blocks.0.resid_post"], d_model, n_features=n_features, dtype=torch.float32)


def test_planted_directions_read_without_superposition_are_found_whole():
    truth = world()
    (found,) = score(truth, planted_like(sae_template(), truth), tokens=6000).dictionaries
    assert found.mcc == pytest.approx(1, abs=1e-5)
    assert found.f1 > 0.98
    assert found.nmse < 0.03
    assert found.l0 == pytest.approx(found.l0_true, rel=0.03)


def test_superposition_leaves_the_directions_and_takes_some_of_the_firing():
    truth = world(d_model=12)
    (found,) = score(truth, planted_like(sae_template(d_model=12), truth), tokens=6000).dictionaries
    assert found.mcc == pytest.approx(1, abs=1e-5)
    assert 0.3 < found.f1 < 0.95
    assert found.l0 == pytest.approx(found.l0_true, rel=0.05)
    assert found.nmse < 1


def test_random_directions_fire_as_often_and_find_what_chance_finds():
    truth = world(d_model=12)
    template = sae_template(n_features=30, d_model=12)
    found = [score(truth, random_like(template, truth, [2.5], seed), tokens=6000).dictionaries[0] for seed in (0, 1)]
    for one in found:
        assert one.latents == 30
        assert one.l0 == pytest.approx(2.5, rel=0.1)
        assert one.mcc < 0.75
        assert one.f1 < one.f1_shuffled + 0.15
        assert one.nmse > 0.5
    assert found[0].mcc == pytest.approx(found[1].mcc, abs=0.05)
    assert found[0].mcc != found[1].mcc


def test_sites_of_a_cross_layer_transcoder():
    truth = world(form="mlp", n_layers=3, reach=2, hops=4, noise=0.0)
    template, _ = plant_set(Plan(cross_layer=True, n_features=40), 3, 48, dtype=torch.float32)
    planted = score(truth, planted_like(template, truth), tokens=6000)
    assert [len(one.writes.split("+")) for one in planted.dictionaries] == [3, 2, 1]
    for one in planted.dictionaries:
        assert one.mcc == pytest.approx(1, abs=1e-5)
        assert one.f1 > 0.98
        assert one.nmse < 0.05, "a site's bias is written once"
    assert planted.hops is not None
    assert planted.hops.kept == pytest.approx(1, abs=0.03)
    random = score(truth, random_like(template, truth, [2.0, 3.0, 2.0], 0), tokens=6000)
    assert [round(one.l0, 1) for one in random.dictionaries] == pytest.approx([2.0, 3.0, 2.0], rel=0.1)
