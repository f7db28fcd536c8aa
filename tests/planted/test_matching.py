"""Matching against every permutation, figures by hand, and what must not change them."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.planted.matching import NONE, match


def unit(n: int, width: int, seed: int) -> torch.Tensor:
    rows = torch.randn(n, width, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


def scores(decoders, truths) -> tuple:
    found = match(decoders, truths)
    return found.mcc, found.found(0.9), found.uniqueness, found.splitting


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_the_match_is_the_best_of_all_permutations(n_latents, n_truths, seed):
    decoders, truths = unit(n_latents, 3, seed), unit(n_truths, 3, seed + 1)
    cosines = (decoders @ truths.T).abs()
    found = match(decoders, truths)
    if n_latents >= n_truths:
        ways = itertools.permutations(range(n_latents), n_truths)
        best = max(sum(float(cosines[latent, t]) for t, latent in enumerate(way)) for way in ways)
    else:
        ways = itertools.permutations(range(n_truths), n_latents)
        best = max(sum(float(cosines[latent, t]) for latent, t in enumerate(way)) for way in ways)
    pairs = min(n_latents, n_truths)
    assert found.mcc == pytest.approx(best / pairs, abs=1e-5)
    assert float(found.matched.sum()) == pytest.approx(best, abs=1e-4)
    assert int((found.latent == NONE).sum()) == n_truths - pairs
    kept = found.latent[found.latent != NONE]
    assert len(kept.unique()) == pairs


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_truth_itself_scores_one_in_any_order_and_any_scale(seed):
    draw = torch.Generator().manual_seed(seed)
    truths = unit(7, 4, seed)
    order, scale = torch.randperm(7, generator=draw), torch.rand(7, 1, generator=draw) * 5 + 0.1
    for decoders in (truths, truths[order], truths[order] * scale):
        found = match(decoders, truths)
        assert found.mcc == pytest.approx(1, abs=1e-5)
        assert found.found(0.9) == 1
        assert found.uniqueness == 1
    assert match(truths[order], truths).latent.tolist() == order.argsort().tolist()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_order_and_scale_of_latents_change_nothing(seed):
    draw = torch.Generator().manual_seed(seed)
    decoders, truths = unit(9, 4, seed), unit(6, 4, seed + 1)
    order, scale = torch.randperm(9, generator=draw), torch.rand(9, 1, generator=draw) + 0.1
    assert scores((decoders * scale)[order], truths) == pytest.approx(scores(decoders, truths), abs=1e-5)


def test_figures_by_hand():
    """Two copies of the first truth, one latent between the second and the third, one of zeros."""
    truths = torch.eye(3)
    decoders = torch.tensor([[2.0, 0, 0], [0.9, 0.1, 0], [0, 0.6, 0.8], [0, 0, 0]])
    found = match(decoders, truths)
    near = 0.9 / (0.81 + 0.01) ** 0.5
    small = 0.1 / (0.81 + 0.01) ** 0.5
    assert found.matched.tolist() == pytest.approx([1, small, 0.8], abs=1e-6)
    assert found.mcc == pytest.approx((1 + small + 0.8) / 3, abs=1e-6)
    assert found.cosines[1, 0] == pytest.approx(near)
    assert (found.found(0.7), found.found(0.9)) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert found.nearest.tolist() == [0, 0, 2, 0]
    assert found.uniqueness == 2 / 4
    assert found.splitting == 3 / 2, "three latents near two truths; the row of zeros is near none"


def test_random_rows_are_at_the_random_level_and_shuffling_is_below_it():
    truths = unit(100, 32, 0)
    levels = [match(unit(100, 32, seed), truths) for seed in (1, 2, 3)]
    assert max(one.mcc for one in levels) - min(one.mcc for one in levels) < 0.02
    assert 0.3 < levels[0].mcc < 0.5, "a matching finds the best of many, so chance is far from 0"
    mean_cosine = float((truths @ truths.T).abs().fill_diagonal_(0).sum() / (100 * 99))
    shuffled = match(truths, truths).shuffled()
    assert shuffled.mcc == pytest.approx(mean_cosine, abs=0.05)
    assert sorted(shuffled.latent.tolist()) == list(range(100))


def test_no_latent_near_any_truth():
    assert match(torch.tensor([[1.0, 1, 1, 1]]), torch.eye(4)).splitting is None
