"""Hooks come off whatever happens, and models do not see each other's."""

import threading

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from gearscope.ids import SiteId
from gearscope.models.hooks import Frozen, hooked
from gearscope.models.model import wrap
from gearscope.models.sites import Edit
from tests.oracles.tiny_models import prompt, tiny

PATTERN, MIDDLE = SiteId(0, "pattern"), SiteId(1, "resid_mid")


def bare(hf: PreTrainedModel) -> bool:
    return not any(m._forward_hooks or m._forward_pre_hooks for m in hf.modules())


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("site", [PATTERN, MIDDLE])
def test_hooks_come_off_after_an_exception(interruption: type[BaseException], site: SiteId) -> None:
    hf, ids = tiny("llama"), prompt()
    model = wrap(hf)
    plain, frozen = model.run(ids).logits, Frozen(record=model.record(ids))

    def fail(_: Tensor) -> Tensor:
        raise interruption

    with pytest.raises(interruption):
        model.run(ids, read=["blocks.1.pattern"], edits=[Edit(site=site, value=fail)], freeze=frozen)
    assert bare(hf)
    assert hf.config._attn_implementation == "sdpa"
    assert torch.equal(model.run(ids).logits, plain)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "mixtral"])
def test_reading_stops_behind_the_last_site_and_reads_the_same(name: str) -> None:
    hf, ids = tiny(name), torch.stack([prompt(), prompt().flip(0)])
    model, seen = wrap(hf), []
    before = model.run(ids).logits
    sites = ["blocks.0.pattern", "blocks.1.mlp_in", "blocks.0.mlp_act", "blocks.1.mlp_out"]
    handle = hf.get_output_embeddings().register_forward_hook(lambda *_: seen.append(1))
    found, plain = model.read(ids, sites), model.run(ids, read=sites)
    assert len(seen) == 1
    assert model.read(ids, []) == {}
    handle.remove()
    assert found.keys() == plain.sites.keys() == set(sites)
    assert all(torch.equal(found[site], plain.sites[site]) for site in sites)
    assert torch.equal(model.run(ids).logits, before)
    assert bare(hf)


def test_mistakes_leave_no_hooks() -> None:
    hf, ids = tiny("gpt2"), prompt()
    model = wrap(hf)
    with pytest.raises(Exception, match="layer below"):
        model.run(ids, read=["blocks.0.mlp_out", "blocks.7.mlp_out"], edits=[Edit(site=MIDDLE, value=0.0)])
    assert bare(hf)


def test_two_models_do_not_disturb_each_other() -> None:
    """One model's edit runs the other one, with edits of its own, in the middle of the first one's forward pass."""
    one, two, ids = wrap(tiny("llama", seed=1)), wrap(tiny("gemma2", seed=2)), prompt()
    inner = Edit(site=PATTERN, value=0.5, mode="scale")
    alone = two.run(ids, edits=[inner], read=["blocks.1.pattern"])
    plain = one.run(ids, read=["blocks.0.pattern", "blocks.1.pattern"])
    seen = []

    def through(pattern: Tensor) -> Tensor:
        seen.append(two.run(ids, edits=[inner], read=["blocks.1.pattern"]))
        return pattern

    outer = one.run(ids, edits=[Edit(site=PATTERN, value=through)], read=["blocks.0.pattern", "blocks.1.pattern"])
    assert torch.equal(seen[0].logits, alone.logits)
    assert torch.equal(seen[0].sites["blocks.1.pattern"], alone.sites["blocks.1.pattern"])
    assert torch.equal(outer.logits, plain.logits)
    assert all(torch.equal(outer.sites[name], plain.sites[name]) for name in plain.sites)


def test_two_models_on_one_hf_model() -> None:
    hf, ids = tiny("mistral", dtype=torch.float64), prompt()
    one, two = wrap(hf), wrap(hf)
    plain = two.run(ids).logits
    with hooked(one.anatomy, read=[PATTERN], batched=False) as sites:
        torch.testing.assert_close(two.run(ids, read=[PATTERN]).logits, plain, atol=1e-12, rtol=1e-12)
    assert sites["blocks.0.pattern"].shape == (4, 9, 9)
    assert hf.config._attn_implementation == "sdpa"
    assert bare(hf)


def test_taps_belong_to_their_thread() -> None:
    hf, ids = tiny("llama", dtype=torch.float64), prompt()
    model = wrap(hf)
    plain, other = model.run(ids).logits, []
    with hooked(model.anatomy, edits=[Edit(site=PATTERN, value=0.0)]):
        thread = threading.Thread(target=lambda: other.append(hf(ids[None]).logits[0]))
        thread.start()
        thread.join()
        assert not torch.allclose(hf(ids[None]).logits[0], plain)
    torch.testing.assert_close(other[0], plain, atol=1e-12, rtol=1e-12)


def test_gradients_only_on_request() -> None:
    model, ids = wrap(tiny("gpt2").requires_grad_(True)), prompt()
    assert not model.run(ids).logits.requires_grad
    result = model.run(ids, read=["blocks.0.resid_mid"], differentiable=True)
    (gradient,) = torch.autograd.grad(result.logits[-1, 3], result.sites["blocks.0.resid_mid"])
    assert float(gradient.abs().max()) > 0


@pytest.mark.parametrize("name", ["routing", "mlp_act"])
def test_hooks_on_experts_come_off_after_an_exception(name: str) -> None:
    hf, ids = tiny("mixtral"), prompt()
    model = wrap(hf)
    plain, frozen = model.run(ids).logits, Frozen(record=model.record(ids))

    def fail(_: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.run(ids, edits=[Edit(site=SiteId(1, name), value=fail)], freeze=frozen)
    assert bare(hf)
    assert torch.equal(model.run(ids).logits, plain)


@pytest.mark.parametrize("name", ["routing", "mlp_act"])
def test_gradients_reach_every_expert(name: str) -> None:
    """The weight of an expert that was not chosen has a gradient too: what it would have written."""
    model, ids, site = wrap(tiny("gpt_oss", dtype=torch.float64)), prompt(), SiteId(0, name)
    held = Frozen(record=model.record(ids), mlp_layers=(1,))
    leaf = Edit(site=site, value=_leaf)
    result = model.run(ids, read=[site], edits=[leaf], freeze=held, differentiable=True)
    value = result.sites[str(site)]
    (gradient,) = torch.autograd.grad(result.logits[-1, 3], value)
    direction = torch.randn(value.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = Edit(site=site, value=value.detach() + direction)
    change = model.run(ids, edits=[moved], freeze=held).logits[-1, 3] - result.logits[-1, 3].detach()
    assert float(change) == pytest.approx(float((gradient * direction).sum()), rel=1e-9)
    if name == "routing":
        assert bool((gradient[value == 0] != 0).any())


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_(True)
