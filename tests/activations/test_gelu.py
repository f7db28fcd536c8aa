"""The one operator stands in for transformers' steps, gives the same, and is gone afterwards."""

import pytest
import torch
from transformers.activations import NewGELUActivation

from gearscope.activations.gelu import replaceable, replaced
from gearscope.activations.harvest import passes
from gearscope.models.model import wrap
from tests.oracles.counted_corpus import Counted
from tests.oracles.tiny_models import tiny

SITES = ["blocks.1.mlp_out"]


class Other(NewGELUActivation):
    pass


def test_what_is_read_is_what_the_model_computes_and_the_model_is_as_before():
    hf = tiny("gpt2")
    model, ids = wrap(hf), Counted().take(5, None).ids
    before = model.run(ids, read=SITES).sites[SITES[0]]
    assert len(replaceable(hf)) == len(hf.transformer.h)
    found = torch.cat(list(passes(model, ids, SITES, pass_tokens=64)))[:, 0]
    assert torch.allclose(found, before[:, 1:].flatten(0, 1), rtol=1e-5, atol=1e-6)
    assert torch.equal(model.run(ids, read=SITES).sites[SITES[0]], before)
    assert not any("forward" in vars(module) for module in hf.modules())


def test_inside_it_is_torchs_operator_and_an_error_takes_it_away_too():
    module = NewGELUActivation()
    with pytest.raises(ZeroDivisionError), replaced([module]):
        fail_inside(module)
    assert "forward" not in vars(module)


def fail_inside(module: torch.nn.Module) -> None:
    x = torch.linspace(-9, 9, 301)
    assert torch.equal(module(x), torch.nn.functional.gelu(x, approximate="tanh"))
    raise ZeroDivisionError


def test_other_classes_and_other_types_of_number_are_left_alone():
    changed = NewGELUActivation()
    changed.forward = torch.nn.functional.silu
    assert replaceable(torch.nn.ModuleList([Other(), changed, torch.nn.GELU()])) == ()
    assert replaceable(tiny("gpt2").to(torch.bfloat16)) == ()
    assert replaceable(tiny("llama")) == ()


def test_another_formula_is_left_alone(monkeypatch):
    monkeypatch.setattr(NewGELUActivation, "forward", lambda self, x: x * torch.sigmoid(1.702 * x))
    assert replaceable(NewGELUActivation()) == ()
