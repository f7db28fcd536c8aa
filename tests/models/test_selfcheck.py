"""A model that does not do what its family's map says is refused, and the module is named."""

import pytest
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.pytorch_utils import Conv1D

from gearscope.errors import ModelError
from gearscope.models.attention import attend
from gearscope.models.model import wrap
from tests.oracles.tiny_models import FAMILIES, prompt, tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_understood_models_pass_in_half_precision(family: str) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        hf, ids = tiny(family, dtype=dtype), prompt()
        assert torch.equal(wrap(hf).run(ids).logits, hf(ids[None]).logits[0])


class SquareRootNorm(LlamaRMSNorm):
    """Another formula under the same attributes."""

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x / x.abs().mean(-1, keepdim=True).clamp_min(1e-6)


class CentredNorm(LlamaRMSNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(-1, keepdim=True))


def with_weights_of(new: nn.Module, old: nn.Module) -> nn.Module:
    new.load_state_dict(old.state_dict())
    return new


@pytest.mark.parametrize("norm", [SquareRootNorm, CentredNorm, Gemma2RMSNorm])
def test_other_norms_are_refused(norm: type[nn.Module]) -> None:
    hf = tiny("llama")
    layer = hf.model.layers[1]
    layer.post_attention_layernorm = with_weights_of(norm(16), layer.post_attention_layernorm)
    if norm is Gemma2RMSNorm:
        layer.post_attention_layernorm.variance_epsilon = 1e-6
    with pytest.raises(ModelError, match=r"layers\.1\.post_attention_layernorm should compute an RMSNorm; found a"):
        wrap(hf)


def test_a_norm_without_its_epsilon_is_refused() -> None:
    hf = tiny("llama")
    hf.model.norm = with_weights_of(Gemma2RMSNorm(16), hf.model.norm)
    with pytest.raises(ModelError, match=r"model\.norm should have the attribute variance_epsilon"):
        wrap(hf)


def test_another_epsilon_is_noticed() -> None:
    hf = tiny("gpt2")
    epsilon = hf.transformer.ln_f.eps
    hf.transformer.ln_f.register_forward_pre_hook(lambda module, _: setattr(module, "eps", 10 * epsilon))
    hf.transformer.ln_f.register_forward_hook(lambda module, *_: setattr(module, "eps", epsilon))
    with pytest.raises(ModelError, match=r"transformer\.ln_f should compute a LayerNorm"):
        wrap(hf)


def test_a_mask_that_is_not_causal_is_refused() -> None:
    """An attention function without a mask function of the same name: the silent trap of transformers."""

    def attend(module: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, **_: object) -> tuple:
        scores = q @ k.repeat_interleave(q.shape[1] // k.shape[1], 1).mT * q.shape[-1] ** -0.5
        scores = scores if mask is None else scores + mask
        out = scores.softmax(-1) @ v.repeat_interleave(q.shape[1] // v.shape[1], 1)
        return out.transpose(1, 2).contiguous(), None

    AttentionInterface.register("maskless", attend)
    for family, path in (("gpt2", r"transformer\.h\.0\.attn"), ("llama", r"model\.layers\.0\.self_attn")):
        hf = tiny(family)
        hf.set_attn_implementation("maskless")
        with pytest.raises(ModelError, match=rf"{path} should not see later tokens"):
            wrap(hf)


class Bias(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + 0.3


def test_other_parts_are_refused() -> None:
    hf = tiny("mistral")
    hf.model.layers[0].mlp.register_forward_hook(lambda _, __, out: 1.01 * out)
    with pytest.raises(ModelError, match=r"model\.layers\.0\.mlp should be a plain or gated MLP"):
        wrap(hf)
    hf = tiny("gemma2")
    hf.model.layers[1].self_attn.register_forward_hook(lambda _, __, out: (1.5 * out[0] + 1.0, out[1]))
    with pytest.raises(ModelError, match=r"model\.layers\.1\.self_attn should add attention"):
        wrap(hf)
    hf = tiny("gpt2")
    hf.transformer.h[1].register_forward_hook(lambda _, __, out: out + 1.0)
    with pytest.raises(ModelError, match=r"transformer\.h\.1 should add its MLP's output"):
        wrap(hf)
    hf = tiny("gpt2")
    hf.transformer.drop = Bias(hf.transformer.drop)
    with pytest.raises(ModelError, match=r"transformer\.h\.0 should start from the embeddings"):
        wrap(hf)
    hf = tiny("llama")
    hf.lm_head.register_forward_hook(lambda _, __, out: out / 2)
    with pytest.raises(ModelError, match="lm_head should give the model's logits"):
        wrap(hf)


def test_weights_that_are_not_plain_are_refused() -> None:
    hf = tiny("llama")
    hf.model.layers[0].mlp.up_proj = Bias(hf.model.layers[0].mlp.up_proj)
    with pytest.raises(ModelError, match=r"model\.layers\.0\.mlp\.up_proj should be a plain linear map; found a Bias"):
        wrap(hf)
    hf = tiny("gpt2")
    hf.transformer.h[0].mlp.c_fc = Conv1D(24, 16).to("meta")
    with pytest.raises(ModelError, match=r"mlp\.c_fc should have a resident .* found weights that are not in memory"):
        wrap(hf)
    hf = tiny("llama")
    hf.model.embed_tokens.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match=r"NaN or infinity in model\.embed_tokens\.weight"):
        wrap(hf)


def test_missing_modules_are_named() -> None:
    hf = tiny("gpt2")
    hf.config.model_type = "llama"
    with pytest.raises(ModelError, match=r"should have a module model\.embed_tokens; found a GPT2LMHeadModel"):
        wrap(hf)


def test_what_an_mlp_reads_is_checked() -> None:
    hf = tiny("gpt_neox")
    hf.config.use_parallel_residual = False
    with pytest.raises(ModelError, match=r"layers\.0\.mlp should read the stream after its attention"):
        wrap(hf)
    hf = tiny("gpt_neox", use_parallel_residual=False)
    hf.config.use_parallel_residual = True
    with pytest.raises(ModelError, match=r"layers\.0\.mlp should read the stream before its attention"):
        wrap(hf)


def test_norms_of_heads_are_checked() -> None:
    hf = tiny("qwen3")
    norm = hf.model.layers[1].self_attn.k_norm
    hf.model.layers[1].self_attn.k_norm = with_weights_of(CentredNorm(4 + 2), norm)
    with pytest.raises(ModelError, match=r"layers\.1\.self_attn\.k_norm should compute an RMSNorm"):
        wrap(hf)


def test_routers_and_experts_are_checked() -> None:
    hf = tiny("mixtral")
    hf.model.layers[1].mlp.gate.register_forward_hook(lambda _, __, out: (out[0], 0.9 * out[1], out[2]))
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.gate should be a softmax of the chosen experts"):
        wrap(hf)
    hf = tiny("qwen3_moe", norm_topk_prob=False)
    hf.config.norm_topk_prob = True
    with pytest.raises(ModelError, match=r"layers\.0\.mlp\.gate should be a softmax of the chosen experts"):
        wrap(hf)
    hf = tiny("gpt_oss")
    hf.model.layers[0].mlp.experts.register_forward_hook(lambda _, __, out: out + 0.1)
    with pytest.raises(ModelError, match=r"layers\.0\.mlp should be a sum of gated experts"):
        wrap(hf)


def test_sinks_are_checked() -> None:
    hf = tiny("gpt_oss")

    def sinkless(module: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, **more: object) -> tuple:
        return attend(module, q, k, v, mask, **{**more, "s_aux": None})

    AttentionInterface.register("sinkless", sinkless)
    AttentionMaskInterface.register("sinkless", eager_mask)
    hf.set_attn_implementation("sinkless")
    with pytest.raises(ModelError, match=r"layers\.0\.self_attn should add attention"):
        wrap(hf)


def test_weights_that_are_no_numbers_are_named() -> None:
    hf = tiny("llama")
    hf.get_submodule("model.layers.1.mlp.down_proj").weight.data[0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"finite weights.*model\.layers\.1\.mlp\.down_proj\.weight"):
        wrap(hf)


def test_a_spoiled_embedding_is_found_when_its_token_is_read() -> None:
    model = wrap(tiny("llama"))
    model.anatomy.hf.get_input_embeddings().weight.data[int(prompt()[2])] = float("inf")
    with pytest.raises(ModelError, match=r"finite weights.*embed_tokens"):
        model.record(prompt())
