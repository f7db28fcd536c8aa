"""Rank correlation and divergence against scipy and closed forms."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy, spearmanr

from gearscope.interventions.agreement import divergence, sign_agreement, spearman


def test_spearman_is_scipys_ties_included() -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(0, 6, 50).astype(float), random.normal(size=50)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y)[0])
    assert spearman(x, -x) == pytest.approx(-1.0)


@pytest.mark.parametrize(("x", "y"), [([1.0, 2.0], [1.0, 2.0]), ([1.0] * 4, [1.0, 2.0, 3.0, 4.0])])
def test_no_correlation_where_there_is_none(x: list[float], y: list[float]) -> None:
    assert spearman(np.array(x), np.array(y)) is None


def test_signs() -> None:
    assert sign_agreement(np.array([1.0, -2.0, 3.0, 0.0]), np.array([0.1, 5.0, 2.0, 1.0])) == pytest.approx(2 / 3)
    assert sign_agreement(np.zeros(3), np.ones(3)) is None


def test_divergence_is_scipys() -> None:
    generator = torch.Generator().manual_seed(0)
    before, after = torch.randn(7, generator=generator), torch.randn(3, 7, generator=generator)
    wanted = [entropy(before.softmax(-1).numpy(), row.softmax(-1).numpy()) for row in after]
    assert divergence(before, after).tolist() == pytest.approx(wanted, rel=1e-5)
    assert divergence(before, before[None]).tolist() == [0.0]
