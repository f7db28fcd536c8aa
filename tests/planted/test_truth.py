"""What is planted: unit directions at the right sites, Zipf's law, trees in which no child is more frequent than its
parent, chains whose cause writes what its effect reads."""

import pytest
import torch

from gearscope.dictionaries.config import DictionaryConfig
from gearscope.errors import ConfigError
from gearscope.planted.config import PlantedConfig
from gearscope.planted.truth import plant, superposition

TREES = {"n_truths": 60, "d_model": 16, "trees": 4, "branching": 3, "depth": 2}


def dictionary(reads, writes, d_model=16) -> DictionaryConfig:
    return DictionaryConfig(reads=reads, writes=writes, n_features=8, d_model=d_model, activation="relu")


def test_rates_are_zipfs_law_dealt_out_and_parents_have_the_most():
    config = PlantedConfig(n_layers=2, commonest=0.4, rarest=0.02, zipf=1.0, **TREES)
    truth = plant(config)
    law = sorted(max(0.4 / rank, 0.02) for rank in range(1, 61))
    for layer in range(2):
        rates = truth.rates[truth.layers == layer]
        assert rates.sort().values.tolist() == pytest.approx(law)
    parents = truth.parents()
    children = parents >= 0
    assert int(children.sum()) == 2 * 4 * (3 + 9)
    assert bool((truth.rates[children] <= truth.rates[parents[children]]).all())
    assert torch.equal(truth.layers[children], truth.layers[parents[children]])
    assert torch.bincount(parents[children]).unique().tolist() == [0, 3]


def test_directions_have_norm_one_where_a_truth_is():
    config = PlantedConfig(form="mlp", n_layers=3, reach=1, trees=0, n_truths=10, d_model=8)
    norms = plant(config).directions.norm(dim=2)
    expected = torch.zeros(30, 6)
    for truth in range(30):
        layer = truth // 10
        expected[truth, layer] = 1
        for target in range(layer, min(3, layer + 2)):
            expected[truth, 3 + target] = 1
    assert torch.allclose(norms, expected, atol=1e-6)


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_a_truth_of_the_stream_stays_and_drifts(drift):
    truth = plant(PlantedConfig(n_layers=3, trees=0, n_truths=200, d_model=64, drift=drift))
    here = truth.directions[truth.layers == 1]
    assert not here[:, 0].any()
    cosine = (here[:, 1] * here[:, 2]).sum(1).mean()
    assert float(cosine) == pytest.approx(1 / (1 + drift**2) ** 0.5, abs=0.01)


def test_a_cause_writes_what_its_effect_reads_and_nothing_else():
    truth = plant(PlantedConfig(form="mlp", n_layers=3, reach=2, hops=2, trees=0, n_truths=12, d_model=8))
    causes, effects = truth.hops
    assert truth.layers[causes].tolist() == [0, 0, 1, 1]
    assert truth.layers[effects].tolist() == [1, 1, 2, 2]
    assert not set(causes.tolist()) & set(effects.tolist())
    assert torch.equal(truth.rates[causes], truth.rates[effects])
    for cause, effect in zip(causes.tolist(), effects.tolist(), strict=True):
        layer = int(truth.layers[cause])
        assert torch.equal(truth.directions[cause, 3 + layer], truth.directions[effect, layer + 1])
        assert int(truth.directions[cause].any(1).sum()) == 2


def test_which_truths_a_dictionary_is_to_find():
    truth = plant(PlantedConfig(form="mlp", n_layers=2, reach=1, trees=0, n_truths=5, d_model=16))
    first = dictionary(("blocks.0.mlp_in",), ("blocks.0.mlp_out", "blocks.1.mlp_out"))
    assert truth.of(first).tolist() == [0, 1, 2, 3, 4]
    assert truth.written(first).shape == (10, 32)
    assert torch.equal(truth.written(first)[3], torch.cat([truth.directions[3, 2], truth.directions[3, 3]]))
    stream = plant(PlantedConfig(n_layers=2, trees=0, n_truths=5, d_model=16))
    sites = ("blocks.0.resid_post", "blocks.1.resid_post")
    assert stream.of(dictionary(sites[:1], sites[:1])).tolist() == [0, 1, 2, 3, 4]
    assert stream.of(dictionary(sites[1:], sites[1:])).tolist() == list(range(10))
    assert stream.of(dictionary(sites, sites)).tolist() == list(range(10))
    with pytest.raises(ConfigError, match="a site of the planted world was expected"):
        stream.of(dictionary(("blocks.0.mlp_in",), sites[:1]))


def test_repelling_makes_room():
    def drawn(n: int, steps: int) -> float:
        truth = plant(PlantedConfig(trees=0, n_truths=n, d_model=16, repel_steps=steps))
        return superposition(truth.directions[:, 0])

    assert drawn(16, 30) < 1e-3 < drawn(16, 0), "as many directions as dimensions become orthogonal"
    assert drawn(64, 30) < drawn(64, 0)


def test_a_seed_decides_the_world():
    one, same, other = (plant(PlantedConfig(world_seed=seed, **TREES)) for seed in (0, 0, 1))
    assert torch.equal(one.directions, same.directions)
    assert torch.equal(one.rates, same.rates)
    assert not torch.equal(one.directions, other.directions)


def test_loadings_leave_room_for_what_is_a_truths_own():
    truth = plant(PlantedConfig(trees=0, n_truths=50, correlation_rank=20, correlation_scale=2.0))
    assert float(truth.loadings.square().sum(1).max()) == pytest.approx(0.95)
