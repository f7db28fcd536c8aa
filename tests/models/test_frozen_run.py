"""The HuggingFace model run with everything frozen: exactly affine, and blind to the prompt."""

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gearscope.errors import ConfigError
from gearscope.ids import SiteId
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model
from gearscope.models.sites import Edit
from tests.oracles.tiny_models import CASES, prompt

N_LAYERS = 2
WRITERS = ["embed", *(f"blocks.{layer}.mlp_out" for layer in range(N_LAYERS))]
NAMES = list(CASES)
Opened = Callable[[str], tuple[Model, Frozen, Tensor]]


def shifted(model: Model, frozen: Frozen, ids: Tensor, shifts: dict[str, Tensor]) -> Tensor:
    """The frozen model's hidden state before the unembedding, with `shifts` added where they say."""
    edits = [Edit(site=SiteId.parse(name), value=shift, mode="add") for name, shift in shifts.items()]
    return model.run(ids, read=["final_in"], edits=edits, freeze=frozen, differentiable=True).sites["final_in"]


def gradients(model: Model, frozen: Frozen, ids: Tensor, direction: Tensor) -> list[Tensor]:
    shifts = {name: torch.zeros(len(ids), model.d_model, dtype=torch.float64, requires_grad=True) for name in WRITERS}
    hidden = shifted(model, frozen, ids, shifts)
    return list(torch.autograd.grad((hidden[-1] * direction).sum(), list(shifts.values())))


@pytest.fixture(scope="module")
def frozen_model(opened: Callable[..., Model]) -> Callable[[str], tuple[Model, Frozen, Tensor]]:
    """A model, what is frozen, and the prompt it was frozen on."""

    @functools.cache
    def freeze(name: str) -> tuple[Model, Frozen, Tensor]:
        model, ids = opened(name), prompt()
        return model, Frozen(record=model.record(ids)), ids

    return freeze


@pytest.mark.parametrize("name", NAMES)
def test_nothing_added_gives_the_record(name: str, frozen_model: Opened) -> None:
    model, frozen, ids = frozen_model(name)
    result = model.run(ids, read=["final_in"], freeze=frozen)
    torch.testing.assert_close(result.sites["final_in"], frozen.record.final_in, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(result.logits, frozen.record.logits, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_exactly_affine(name: str, frozen_model: Opened) -> None:
    model, frozen, ids = frozen_model(name)
    generator = torch.Generator().manual_seed(3)
    direction = torch.randn(model.d_model, generator=generator, dtype=torch.float64)
    steps = {site: torch.randn(len(ids), model.d_model, generator=generator, dtype=torch.float64) for site in WRITERS}
    plain = shifted(model, frozen, ids, {})[-1] @ direction
    far = shifted(model, frozen, ids, {site: 5 * step for site, step in steps.items()})[-1] @ direction
    predicted = sum(
        (5 * steps[site] * g).sum() for site, g in zip(WRITERS, gradients(model, frozen, ids, direction), strict=True)
    )
    assert abs(float(far - plain - predicted)) <= 1e-12 * abs(float(predicted))
    assert abs(float(predicted)) > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_gradients_do_not_depend_on_the_prompt(name: str, frozen_model: Opened) -> None:
    model, frozen, ids = frozen_model(name)
    direction = torch.linspace(-1, 1, model.d_model, dtype=torch.float64)
    other = prompt(seed=8)
    assert not torch.equal(other, ids)
    here, there = (gradients(model, frozen, which, direction) for which in (ids, other))
    for a, b in zip(here, there, strict=True):
        assert float(a.abs().max()) > 1e-3
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_second_derivative_is_zero(name: str, frozen_model: Opened) -> None:
    model, frozen, ids = frozen_model(name)
    direction = torch.linspace(-1, 1, model.d_model, dtype=torch.float64)
    shifts = {site: torch.zeros(len(ids), model.d_model, dtype=torch.float64, requires_grad=True) for site in WRITERS}
    # the square of something affine has twice the outer product of its gradient as second derivative, and nothing else
    value = (shifted(model, frozen, ids, shifts)[-1] * direction).sum()
    first = torch.autograd.grad(value**2 / 2, list(shifts.values()), create_graph=True)
    plain = gradients(model, frozen, ids, direction)
    probe = [torch.linspace(0, 1, g.numel(), dtype=torch.float64).view_as(g) for g in plain]
    second = torch.autograd.grad(sum((f * p).sum() for f, p in zip(first, probe, strict=True)), list(shifts.values()))
    along = sum((g * p).sum() for g, p in zip(plain, probe, strict=True))
    for found, gradient in zip(second, plain, strict=True):
        torch.testing.assert_close(found, gradient * along, atol=1e-10, rtol=1e-10)


def test_parts_can_be_frozen_alone(frozen_model: Opened) -> None:
    model, frozen, _ = frozen_model("llama")
    other = prompt(seed=8)
    read = ["blocks.0.pattern", "blocks.1.pattern", "blocks.0.mlp_out", "blocks.1.mlp_out"]
    free = model.run(other, read=read).sites
    patterns = model.run(other, read=read, freeze=Frozen(record=frozen.record, norms=False, mlp_layers=())).sites
    assert torch.equal(patterns["blocks.1.pattern"], frozen.record.blocks[1].attn.pattern)
    assert not torch.allclose(patterns["blocks.1.mlp_out"], frozen.record.blocks[1].mlp_out)
    held = Frozen(record=frozen.record, patterns=False, norms=False, mlp_layers=range(1))
    mlps = model.run(other, read=read, freeze=held).sites
    assert torch.equal(mlps["blocks.0.mlp_out"], frozen.record.blocks[0].mlp_out)
    assert torch.allclose(mlps["blocks.0.pattern"], free["blocks.0.pattern"])
    assert not torch.allclose(mlps["blocks.1.mlp_out"], frozen.record.blocks[1].mlp_out)


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "gpt_oss"])
def test_routing_is_frozen_or_free(name: str, frozen_model: Opened) -> None:
    model, frozen, _ = frozen_model(name)
    other, read = prompt(seed=8), ["blocks.0.routing", "blocks.1.routing"]
    free = model.run(other, read=read).sites
    live = {"patterns": False, "norms": False, "mlp_layers": ()}
    held = model.run(other, read=read, freeze=Frozen(record=frozen.record, **live)).sites
    loose = model.run(other, read=read, freeze=Frozen(record=frozen.record, routing=False, **live)).sites
    for layer, site in enumerate(read):
        assert torch.equal(held[site], frozen.record.blocks[layer].routing)
        assert torch.equal(loose[site], free[site])
        assert not torch.equal(loose[site], held[site])


def test_other_lengths_are_refused(frozen_model: Opened) -> None:
    model, frozen, _ = frozen_model("gpt2")
    with pytest.raises(ConfigError, match="the record's 9 tokens was expected; found 8"):
        model.run(prompt(8), freeze=frozen)
