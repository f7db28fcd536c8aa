"""Every token once per block, in an order that depends on the seed; places continue exactly."""

import pytest
import torch

from gearscope.activations.config import ReadingConfig
from gearscope.activations.harvest import passes
from gearscope.activations.stream import ActivationStream
from gearscope.dictionaries.training.train import Source
from gearscope.models.model import Model, wrap
from tests.oracles.counted_corpus import Counted
from tests.oracles.tiny_models import tiny

SITES = ("blocks.0.mlp_in", "blocks.0.mlp_out")


@pytest.fixture(scope="module")
def model() -> Model:
    return wrap(tiny("gpt2"))


def stream(model: Model, **more) -> ActivationStream:
    return ActivationStream(model, Counted(**more), SITES, ReadingConfig(block_tokens=45, pass_tokens=40))


def test_a_block_holds_each_token_of_its_windows_once_in_another_order(model):
    made = stream(model)
    assert isinstance(made, Source)
    block = made.take(45)
    plain = torch.cat(list(passes(model, Counted().take(9, None).ids, SITES, pass_tokens=40)))
    assert not torch.equal(block, plain)
    key = lambda acts: acts.flatten(1)[acts.flatten(1).double().sum(1).argsort()]  # noqa: E731
    assert torch.allclose(key(block), key(plain), atol=1e-6)
    second = made.take(45)
    following = torch.cat(list(passes(model, Counted().take(9, {"window": 9}).ids, SITES, pass_tokens=40)))
    assert torch.allclose(key(second), key(following), atol=1e-6)


def test_batches_do_not_depend_on_their_size(model):
    one, other = stream(model), stream(model)
    assert torch.equal(one.take(100), torch.cat([other.take(n) for n in (7, 38, 1, 54)]))


@pytest.mark.parametrize("used", [0, 10, 45, 61])
def test_a_place_continues_exactly(model, used):
    first = stream(model)
    if used:
        first.take(used)
    place = first.place()
    expected = first.take(70)
    second = stream(model)
    second.take(3)
    second.go_to(place)
    assert torch.equal(second.sample(), second.sample())
    assert torch.equal(second.take(70), expected)


def test_a_sample_does_not_move_on(model):
    made = stream(model)
    sample = made.sample().clone()
    assert torch.equal(made.take(45), sample)


def test_the_size_of_a_block_follows_from_the_memory_that_is_given(model):
    made = ActivationStream(model, Counted(context=32), SITES, ReadingConfig(block_megabytes=1))
    assert len(made.sample()) == 1_000_000 // (2 * model.d_model * 4) // 31 * 31


def test_the_fingerprint_changes_with_what_decides_the_batches(model):
    prints = [
        stream(model).fingerprint,
        stream(model, salt=1).fingerprint,
        ActivationStream(model, Counted(), SITES[:1], ReadingConfig(block_tokens=45, pass_tokens=40)).fingerprint,
        ActivationStream(model, Counted(), SITES, ReadingConfig(shuffle_seed=1)).fingerprint,
        ActivationStream(wrap(tiny("gpt2", seed=1)), Counted(), SITES, ReadingConfig()).fingerprint,
    ]
    assert len(set(prints)) == 5
