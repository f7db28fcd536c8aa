"""The learning rate rises, stays and falls."""

import pytest
import torch

from gearscope.dictionaries.training.config import TrainingConfig
from gearscope.dictionaries.training.schedule import learning_rate, make_optimizer, set_rate


def test_rise_stay_fall():
    config = TrainingConfig(
        kind="sae", tokens=1000, batch_tokens=10, warmup=0.1, decay=0.2, learning_rate=0.5, k=1, n_features=4
    )
    rates = [learning_rate(config, step) for step in range(config.steps)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[9:80] == [0.5] * 71
    assert rates[90] == pytest.approx(0.25)
    assert rates[99] == pytest.approx(0.025)


def test_the_rate_is_used():
    weight = torch.ones(3)
    optimizer = make_optimizer(TrainingConfig(kind="sae"), [weight])
    set_rate(optimizer, 0.25)
    weight.grad = torch.ones(3)
    optimizer.step()
    assert torch.allclose(weight, torch.full((3,), 0.75))
