"""Tokens obey the laws of their world: rates, trees, correlations, magnitudes, chains, and the sum of directions."""

import pytest
import torch

from gearscope.planted.config import PlantedConfig
from gearscope.planted.draw import _gaussians, draw_block, draw_codes, written_by
from gearscope.planted.truth import plant

N = 60_000


def world(**changes):
    base = {"n_truths": 40, "d_model": 12, "trees": 4, "branching": 3, "depth": 2, "commonest": 0.5, "rarest": 0.03}
    return plant(PlantedConfig(**{"correlation_rank": 0, "trees": 2, **base, **changes}))


def codes_of(truth, n=N, seed=0):
    return draw_codes(truth, n, torch.Generator().manual_seed(seed))


def test_without_correlation_every_truth_fires_at_its_rate():
    truth = world(exclusive=False, trees=2)
    rate = (codes_of(truth) > 0).double().mean(0)
    spread = (truth.rates * (1 - truth.rates) / N).sqrt()
    assert float(((rate - truth.rates) / spread).abs().max()) < 4.5, "children included: their shares multiply"


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_child_fires_only_with_its_parent(exclusive):
    truth = world(exclusive=exclusive, correlation_rank=3, correlation_scale=0.5, trees=2)
    fires = codes_of(truth) > 0
    parents = truth.parents()
    children = (parents >= 0).nonzero()[:, 0]
    assert not bool((fires[:, children] & ~fires[:, parents[children]]).any())
    most = max(int(fires[:, kids].sum(2).max()) for _, kids in truth.generations)
    assert most == (1 if exclusive else 3)
    assert bool(fires[:, children].any(0).all()), "every child does fire"


def test_gaussians_have_the_correlations_that_are_asked_for():
    truth = world(correlation_rank=3, correlation_scale=0.4, pairs=2, pair_correlation=-0.6, trees=0)
    drawn = _gaussians(truth, N, torch.Generator().manual_seed(1))
    expected = truth.loadings @ truth.loadings.T
    left = (1 - truth.loadings.square().sum(1)).sqrt()
    for one, other in zip(*truth.pairs, strict=True):
        expected[one, other] -= 0.6 * left[one] * left[other]
        expected[other, one] = expected[one, other]
    expected.fill_diagonal_(1)
    assert torch.allclose(torch.cov(drawn.T), expected, atol=0.03)
    rate = (codes_of(truth) > 0).double().mean(0)
    assert torch.allclose(rate, truth.rates.double(), atol=0.012), "a copula leaves the rates alone"


def test_pairs_fire_together():
    truth = world(pairs=1, pair_correlation=0.9, trees=0, zipf=0.0, commonest=0.2)
    fires = (codes_of(truth) > 0).double()
    first, second = truth.pairs.first[0], truth.pairs.second[0]
    assert float((fires[:, first] * fires[:, second]).mean()) > 0.1, "independent ones: 0.04"
    assert float((fires[:, 10] * fires[:, 11]).mean()) == pytest.approx(0.04, abs=0.005)


def test_magnitudes_are_positive_with_the_planted_mean():
    truth = world(magnitude_between=0.5, magnitude_within=0.3, zipf=0.0, trees=0)
    codes = codes_of(truth)
    assert float(codes.min()) == 0
    mean = codes.sum(0) / (codes > 0).sum(0)
    assert torch.allclose(mean / truth.magnitudes, torch.ones(40), atol=0.02)
    assert float(truth.magnitudes.std()) > 0.2


def test_an_effect_is_exactly_its_cause():
    truth = plant(PlantedConfig(form="mlp", n_layers=3, hops=2, trees=0, n_truths=12, d_model=8))
    codes = codes_of(truth, 2000)
    assert bool((codes[:, truth.hops.first] > 0).any(0).all())
    assert torch.equal(codes[:, truth.hops.first], codes[:, truth.hops.second])


def test_an_effect_may_fire_alone_too():
    config = {"form": "mlp", "n_layers": 2, "hops": 2, "trees": 0, "n_truths": 12, "d_model": 8, "correlation_rank": 0}
    truth = plant(PlantedConfig(**config, effects_alone=True))
    codes = codes_of(truth)
    cause, effect = codes[:, truth.hops.first], codes[:, truth.hops.second]
    assert torch.equal(cause[cause > 0], effect[cause > 0])
    rates = truth.rates[truth.hops.first].double()
    assert torch.allclose((effect > 0).double().mean(0), 1 - (1 - rates) ** 2, atol=0.01), "both fire at one rate"


def test_activations_are_the_sum_of_what_fires():
    truth = plant(PlantedConfig(form="mlp", n_layers=2, reach=1, trees=0, n_truths=6, d_model=5, noise=0.0, bias=2.0))
    codes = codes_of(truth, 9)
    acts = written_by(truth, codes, torch.Generator())
    assert truth.bias.norm(dim=1).tolist() == pytest.approx([2.0] * 4)
    for token in range(9):
        for site in range(4):
            expected = truth.bias[site].clone()
            for number in range(12):
                expected += codes[token, number] * truth.directions[number, site]
            assert torch.allclose(acts[token, site], expected, atol=1e-5)


def test_noise_has_its_size():
    truth = plant(PlantedConfig(trees=0, n_truths=6, d_model=5, noise=0.3))
    codes = torch.zeros(20_000, 6)
    rest = written_by(truth, codes, torch.Generator().manual_seed(0)) - truth.bias
    assert float(rest.std()) == pytest.approx(0.3, rel=0.02)


def test_blocks_follow_from_split_and_number():
    truth = plant(PlantedConfig(trees=0, n_truths=6, d_model=5, block_tokens=50))
    first = draw_block(truth, "train", 0)
    assert torch.equal(first.acts, draw_block(truth, "train", 0).acts)
    for other in (draw_block(truth, "train", 1), draw_block(truth, "held_out", 0)):
        assert not torch.equal(first.codes, other.codes)
