"""Latent Scaling in closed form is dense least squares, and tells a feature of one model from one of both."""

import numpy as np
import pytest
import torch

from gearscope.dictionaries.selection import Codes
from gearscope.diffing.scaling import scales_of, sums_of

F, P, Y = 5, 200, 6


@pytest.fixture
def world():
    draw = torch.Generator().manual_seed(0)
    dense = torch.rand(P, F, generator=draw, dtype=torch.float64) * (torch.rand(P, F, generator=draw) < 0.3)
    d = torch.randn(2, F, Y, generator=draw, dtype=torch.float64)
    d[0, 0] = 1e-3 * d[1, 0]
    errors = 0.1 * torch.randn(2, P, Y, generator=draw, dtype=torch.float64)
    rows, columns = dense.nonzero(as_tuple=True)
    return dense, Codes(rows, columns, dense[rows, columns], P), d, errors


def fitted(f, direction, y):
    """The β that scales f ⊗ d onto y, by numpy."""
    return np.linalg.lstsq(np.outer(f, direction).reshape(-1, 1), y.reshape(-1), rcond=None)[0][0]


def test_every_ratio_equals_dense_least_squares(world):
    dense, codes, d, errors = world
    written = torch.stack([dense @ part for part in d])
    scales = scales_of(sums_of(codes, errors, written, F), d[0], d[1])
    for i in range(F):
        owner = int(d[1, i].norm() >= d[0, i].norm())
        f, direction = dense[:, i].numpy(), d[owner, i].numpy()
        own_part = np.outer(f, direction)
        nu_error = fitted(f, direction, errors[1 - owner].numpy()) / fitted(
            f, direction, errors[owner].numpy() + own_part
        )
        nu_written = fitted(f, direction, written[1 - owner].numpy()) / fitted(f, direction, written[owner].numpy())
        assert float(scales.nu_error[i]) == pytest.approx(nu_error, rel=1e-9)
        assert float(scales.nu_reconstruction[i]) == pytest.approx(nu_written, rel=1e-9)
    assert float(scales.delta_norm[0]) == pytest.approx(1 - 1e-3 / 2 - 0, abs=1e-3)
    assert float(scales.cosine[0]) == pytest.approx(1)


def test_sums_of_parts_are_sums_of_the_whole(world):
    dense, codes, d, errors = world
    written = torch.stack([dense @ part for part in d])
    whole = sums_of(codes, errors, written, F)
    first = codes.rows < 80
    parts = [
        Codes(codes.rows[first], codes.columns[first], codes.values[first], 80),
        Codes(codes.rows[~first] - 80, codes.columns[~first], codes.values[~first], P - 80),
    ]
    added = sums_of(parts[0], errors[:, :80], written[:, :80], F).plus(
        sums_of(parts[1], errors[:, 80:], written[:, 80:], F)
    )
    for one, other in zip(whole, added, strict=True):
        torch.testing.assert_close(one, other)


def test_shrinkage_is_seen_in_the_error_and_decoupling_in_the_reconstruction():
    """One feature that only B writes: A's activations hold it as well, as an error, or through a second feature."""
    f = torch.rand(P, 1, dtype=torch.float64)
    direction = torch.ones(1, Y, dtype=torch.float64)
    rows = torch.arange(P)
    codes = Codes(rows, torch.zeros(P, dtype=torch.int64), f[:, 0], P)
    nothing, part = torch.zeros(P, Y, dtype=torch.float64), f @ direction
    cases = {"own": (nothing, nothing), "shrunk": (part, nothing), "decoupled": (nothing, part)}
    found = {}
    for name, (error, written) in cases.items():
        sums = sums_of(codes, torch.stack([error, nothing]), torch.stack([written, part]), 1)
        scales = scales_of(sums, 0 * direction, direction)
        found[name] = (round(float(scales.nu_error[0]), 6), round(float(scales.nu_reconstruction[0]), 6))
    assert found == {"own": (0, 0), "shrunk": (1, 0), "decoupled": (0, 1)}
