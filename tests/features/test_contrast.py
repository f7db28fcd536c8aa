"""What fires in one text and not in the other; what fires on a prompt."""

import numpy as np
import pytest
import torch

from gearscope.features.contrast import Rates, contrast, rates
from gearscope.features.prompt import fires
from tests.features.planted import corpus, dense_activations, subject


def test_rates_and_prompts_are_dense_activations():
    made = subject("clt")
    windows = corpus().take(70, None).ids.numpy()
    acts = dense_activations(made, windows)
    counted = rates(made, windows)
    assert counted.n_tokens == 70 * 8
    assert (counted.fired == (acts > 0).sum((0, 1))).all()
    fired = fires(made, torch.from_numpy(windows[3]))
    assert {(one.number, one.position) for one in fired} == set(zip(*np.nonzero(acts[3].T), strict=True))
    assert all(one.activation == pytest.approx(float(acts[3, one.position, one.number]), rel=1e-4) for one in fired)
    assert [one.position for one in fired] == sorted(one.position for one in fired)
    assert (fired[0].feature.layer, fired[0].feature.index) == divmod(fired[0].number, 14)


def test_a_contrast_is_the_test_for_two_shares():
    a, b = Rates(np.array([50, 10, 0, 100]), 100), Rates(np.array([10, 20, 0, 200]), 200)
    z = contrast(a, b)
    p = 60 / 300
    assert z[0] == pytest.approx((0.5 - 0.05) / np.sqrt(p * (1 - p) * (1 / 100 + 1 / 200)))
    assert np.isnan(z[2:]).all()
    assert z[1] == 0 or np.isnan(z[1])
