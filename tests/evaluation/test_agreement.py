"""Runs beside the plain one: counted by position, the first one left out."""

from functools import partial

import pytest
import torch

from gearscope.evaluation.agreement import compare
from gearscope.evaluation.replaced import in_model, replaced_logits
from gearscope.models.model import wrap
from tests.oracles.counted_corpus import Counted
from tests.oracles.planted_dictionaries import Plan, plant_set
from tests.oracles.tiny_models import WIDTH, tiny

IDS = Counted(context=7).take(5, None).ids


@pytest.fixture(scope="module")
def model():
    return wrap(tiny("llama"))


@pytest.fixture(scope="module")
def dictionaries(model):
    return in_model(plant_set(Plan(), 2, WIDTH, dtype=torch.float32)[0], model, IDS[0])


def test_tokens_are_counted_by_position_but_the_first(model, dictionaries):
    plain, found = compare(model, [partial(replaced_logits, model, dictionaries)], IDS.split(2))
    before, after = model.run(IDS).logits[:, 1:], replaced_logits(model, dictionaries, IDS)[:, 1:]
    p, q = before.softmax(-1), after.softmax(-1)
    assert (found.n_windows, found.n_tokens) == (5, 5 * 6)
    assert found.same.tolist() == (p.argmax(-1) == q.argmax(-1)).sum(0).tolist()
    assert found.kl == pytest.approx((p * (p / q).log()).sum((0, 2)), rel=1e-4)
    assert found.kl.sum() > 0.1
    for run, probability in ((plain, p), (found, q)):
        told = probability[:, :-1].gather(2, IDS[:, 2:, None])[..., 0]
        assert run.loss[:-1] == pytest.approx(-told.log().sum(0), rel=1e-4)
        assert run.loss[-1] == 0
        assert run.mean_loss == pytest.approx(-float(told.log().mean()), rel=1e-4)


def test_the_plain_run_agrees_with_itself(model):
    (plain,) = compare(model, [], IDS.split(2))
    assert plain.same.tolist() == [5] * 6
    assert float(plain.kl.abs().max()) == 0
