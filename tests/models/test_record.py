"""A record reproduces its model: against an independent forward pass, and by composing its own pieces."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gearscope.errors import ModelError, PromptError
from gearscope.models.frozen import FrozenNorm, FrozenPrompt
from gearscope.models.model import Model, wrap
from tests.oracles.reference_forward import reference
from tests.oracles.tiny_models import CASES, prompt, tiny


def with_bias(norm: FrozenNorm, x: Tensor) -> Tensor:
    y = norm.linear(x)
    return y if norm.bias is None else y + norm.bias


def compose(record: FrozenPrompt) -> Tensor:
    """`final_in` from the embeddings, the MLP outputs, and what is linear or constant between them."""
    x = record.token_embed if record.position_embed is None else record.token_embed + record.position_embed
    for block in record.blocks:
        written = block.attn.linear(block.attn_norm.linear(x))
        if block.attn_post_norm is not None:
            written = block.attn_post_norm.linear(written)
        before, x = x, x + written + block.attn_constant()
        read = with_bias(block.mlp_norm, before if block.parallel else x)
        torch.testing.assert_close(read, block.mlp_in, atol=1e-10, rtol=1e-10)
        x = x + (block.mlp_out if block.mlp_post_norm is None else with_bias(block.mlp_post_norm, block.mlp_out))
    return with_bias(record.final_norm, x)


@pytest.mark.parametrize("name", CASES)
def test_composition_gives_the_model(name: str, opened: Callable[..., Model]) -> None:
    model, ids = opened(name), prompt()
    hf, record = model.anatomy.hf, model.record(ids)
    truth = reference(hf, ids)
    final_in = compose(record)
    torch.testing.assert_close(final_in, truth["final_in"], atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(final_in, record.final_in, atol=1e-10, rtol=1e-10)
    logits = final_in @ record.W_U.T
    cap = getattr(hf.config, "final_logit_softcapping", None)
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    torch.testing.assert_close(logits, record.logits, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(record.logits, truth["logits"], atol=1e-10, rtol=1e-10)
    for layer, block in enumerate(record.blocks):
        torch.testing.assert_close(block.attn.pattern, truth[f"blocks.{layer}.pattern"], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_float32_record_has_the_models_own_logits(name: str, opened: Callable[..., Model]) -> None:
    model, ids = opened(name, torch.float32), prompt()
    hf = model.anatomy.hf
    torch.testing.assert_close(model.record(ids).logits, hf(ids[None]).logits[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_neurons_recompute_the_mlp(name: str, opened: Callable[..., Model]) -> None:
    model, ids = opened(name), prompt()
    truth, record = reference(model.anatomy.hf, ids), model.record(ids)
    for layer, block in enumerate(record.blocks):
        routing = torch.ones(len(ids), 1).double() if block.routing is None else block.routing
        all_acts, total = [], torch.zeros_like(block.mlp_out)
        for number, mlp in enumerate(model.neurons(layer).experts):
            inner = block.mlp_in @ mlp.W_in.T + (0 if mlp.b_in is None else mlp.b_in)
            if mlp.W_gate is None:
                acts = mlp.act(inner)
            else:
                factor = inner if mlp.up_act is None else mlp.up_act(inner)
                acts = mlp.act(block.mlp_in @ mlp.W_gate.T + (0 if mlp.b_gate is None else mlp.b_gate)) * factor
            out = acts @ mlp.W_out + (0 if mlp.b_out is None else mlp.b_out)
            total = total + routing[:, number, None] * out
            all_acts.append(acts * (routing[:, number, None] != 0))
        torch.testing.assert_close(total, block.mlp_out, atol=1e-10, rtol=1e-10)
        acts = torch.cat(all_acts, dim=-1)
        torch.testing.assert_close(acts, truth[f"blocks.{layer}.mlp_act"], atol=1e-10, rtol=1e-10)
        if block.routing is not None:
            torch.testing.assert_close(routing, truth[f"blocks.{layer}.routing"], atol=1e-10, rtol=1e-10)


def test_routing_is_sparse_and_weighs_as_the_configuration_says(opened: Callable[..., Model]) -> None:
    for name, chosen, normalised in (
        ("mixtral", 2, True),
        ("mixtral-window", 1, True),
        ("qwen3_moe", 2, True),
        ("qwen3_moe-mixed", 2, False),
        ("gpt_oss", 2, True),
    ):
        blocks = opened(name).record(prompt()).blocks
        assert (blocks[0].routing is None) == (name == "qwen3_moe-mixed")
        routing = blocks[1].routing
        assert routing is not None
        assert ((routing != 0).sum(1) == chosen).all()
        assert bool(torch.allclose(routing.sum(1), torch.ones_like(routing[:, 0]))) == normalised
        assert len((routing != 0).unique(dim=0)) > 1, "not every token goes to the same experts"


def test_sinks_take_their_share(opened: Callable[..., Model]) -> None:
    for block in opened("gpt_oss").record(prompt()).blocks:
        share = block.attn.pattern.sum(-1)
        assert float(share.max()) < 1
        assert 0.3 < float(share.mean()) < 0.95


def test_clamps_are_felt(opened: Callable[..., Model]) -> None:
    """The tiny model has activations on both sides of its limits; otherwise it would test nothing."""
    model = opened("gpt_oss")
    gate, up = model.neurons(1).experts[0].pre_activations(model.record(prompt()).blocks[1].mlp_in)[::-1]
    for values in (gate, up):
        assert 0.05 < float((values > 0.8).double().mean()) < 0.95


def test_windows_are_shorter_than_the_prompt(opened: Callable[..., Model]) -> None:
    for name, layers in (
        ("mistral-window", (0, 1)),
        ("gemma2", (0,)),
        ("gemma3", (0,)),
        ("qwen2-window", (1,)),
        ("gpt_oss", (0,)),
    ):
        blocks = opened(name).record(prompt()).blocks
        for layer in range(2):
            assert (float(blocks[layer].attn.pattern[:, -1, 0].max()) == 0) == (layer in layers)


def test_constant_positions() -> None:
    model = wrap(tiny("llama"))
    assert model.record(torch.tensor([0, 4, 5])).n_constant_positions == 1, "the configuration names 0 as bos"
    assert model.record(torch.tensor([1, 4, 5])).n_constant_positions == 1, "and 1 as eos"
    assert model.record(torch.tensor([4, 0, 5])).n_constant_positions == 0
    assert wrap(tiny("gpt2", bos_token_id=None, eos_token_id=None)).record(prompt()).n_constant_positions == 0


def test_records_are_refused() -> None:
    model = wrap(tiny("gpt2"))
    with pytest.raises(PromptError, match=r"at most 32 tokens was expected; found 33 tokens"):
        model.record(torch.zeros(33, dtype=torch.int64))
    with pytest.raises(PromptError, match="at least one token"):
        model.record(torch.zeros(0, dtype=torch.int64))
    with pytest.raises(PromptError, match="from 0 to 10 were expected; found 11"):
        model.record(torch.tensor([1, 11]))
    with pytest.raises(ModelError, match="float32 or float64"):
        wrap(tiny("llama", dtype=torch.bfloat16)).record(prompt())


def test_record_leaves_the_model_as_it_was() -> None:
    hf, ids = tiny("gemma2"), prompt()
    before = hf(ids[None]).logits
    model = wrap(hf)
    with torch.inference_mode():
        model.record(ids)
    assert torch.equal(hf(ids[None]).logits, before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in hf.modules())
