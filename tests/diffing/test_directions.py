"""Two planted directions over a drift of known shape are found, told apart, and the drift keeps its own."""

import pytest
import torch

from gearscope.diffing.directions import LEAST, Parted, alike, directions_of
from gearscope.diffing.turning import alone

SITES = ("blocks.0.resid_post", "blocks.1.resid_post")
D = 16


@pytest.fixture(scope="module")
def world():
    draw = torch.Generator().manual_seed(0)
    spread = torch.linspace(0.1, 1.0, 2 * D).view(2, D)
    drift = torch.randn(3000, 2, D, generator=draw) * spread + 0.3
    first, second = torch.zeros(2, 2, D)
    first[:, 3], second[:, 7] = 6.0, 6.0
    labels = torch.arange(60) % 2
    steps = torch.stack([first, second])[labels]
    parting = torch.randn(60, 2, D, generator=draw) * spread + 0.3 + steps
    return drift, parting, labels, torch.stack([first, second])


def test_what_parts_alike_is_one_direction_and_nothing_else_fires_it(world):
    drift, parting, labels, steps = world
    made = directions_of(Parted(parting[:40], drift[:2000], torch.zeros(40, dtype=torch.int64)), SITES)
    n_ordinary = made.config.n_features - 2
    codes = alone(made.encode(parting[40:]))
    found = codes.columns - n_ordinary
    assert codes.rows.tolist() == list(range(20))
    assert set(found.tolist()) == {0, 1}
    assert len(set(zip(found.tolist(), labels[40:].tolist(), strict=True))) == 2
    for label, column in set(zip(labels[40:].tolist(), found.tolist(), strict=True)):
        decoder = made.W_dec[n_ordinary + column].flatten()
        assert float(torch.cosine_similarity(decoder, steps[label].flatten(), dim=0)) > 0.98
    held_out = alone(made.encode(drift[2000:]))
    assert float((held_out.columns >= n_ordinary).double().mean()) < 0.01


def test_turning_a_direction_off_takes_its_step_away(world):
    drift, parting, _, steps = world
    made = directions_of(Parted(parting[:40], drift[:2000], torch.zeros(40, dtype=torch.int64)), SITES)
    codes = alone(made.encode(parting[40:]))
    left = parting[40:] - made.b_dec
    left[codes.rows] -= codes.values[:, None, None] * made.W_dec[codes.columns]
    before = (parting[40:] - made.b_dec).square().sum()
    assert float(left.square().sum() / before) < 0.25
    assert float(steps[0].square().sum()) > 0


def test_an_encoder_is_the_discriminant_against_ordinary_text(world):
    drift, parting, labels, _ = world
    made = directions_of(Parted(parting[labels == 0], drift, labels[labels == 0]), SITES)
    even = (drift - drift.mean(0)).double()
    mean = (parting[labels == 0] - drift.mean(0)).double().mean(0)
    parts = []
    for site in range(2):
        covariance = even[:, site].T @ even[:, site] / len(even)
        shrunk = covariance + 0.1 * covariance.diagonal().mean() * torch.eye(D, dtype=torch.float64)
        parts.append(shrunk.inverse() @ mean[site])
    expected = torch.stack(parts).flatten()
    cosine = torch.cosine_similarity(made.W_enc[-1].double().flatten(), expected, dim=0)
    assert float(cosine) == pytest.approx(1, abs=1e-5)
    at_mean = (made.W_enc[-1].double() * mean).sum()
    assert float(at_mean) == pytest.approx(float(mean.norm()), rel=1e-4)
    assert float(made.threshold[-1]) == pytest.approx(float(mean.norm()) / 2, rel=1e-4)


def test_what_is_left_over_is_joined_more_loosely():
    base = torch.zeros(8, 1, 4)
    base[:4, 0, 0] = 1.0
    angles = torch.tensor([0.0, 1.0, 2.0, 3.0]) * 0.5
    base[4:, 0, 1], base[4:, 0, 2] = angles.cos(), angles.sin()
    found = alike(base, torch.ones(1), torch.arange(8))
    assert [group.tolist() for group in found] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert alike(base[: LEAST - 1], torch.ones(1), torch.arange(LEAST - 1)) == []


def test_what_parts_alike_is_divided_by_what_is_said_unless_each_is_said_too_seldom():
    base = torch.zeros(10, 1, 4)
    base[:, 0, 0] = 1.0
    often = torch.tensor([5, 5, 5, 5, 5, 3, 3, 3, 3, 3])
    assert [group.tolist() for group in alike(base, torch.ones(1), often)] == [[5, 6, 7, 8, 9], [0, 1, 2, 3, 4]]
    seldom = torch.tensor([5, 5, 5, 5, 5, 1, 2, 2, 3, 3])
    assert [group.tolist() for group in alike(base, torch.ones(1), seldom)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_without_any_difference_nothing_fires():
    nothing = torch.zeros(50, 2, D)
    made = directions_of(Parted(nothing[:0], nothing, torch.zeros(0, dtype=torch.int64)), SITES)
    assert len(made.encode(nothing).rows) == 0
    assert bool(torch.isfinite(made.W_enc).all())
