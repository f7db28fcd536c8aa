"""One small map per model family: where its parts are, and which formulas they follow.

A map holds module paths only (of the model, of one block, inside attention, inside the MLP) and the kind of its norms;
everything else is read off the modules. A new family is a new map: nothing else in this room names a family, and the
self-check at load refuses a model that its map does not describe.

    layer norm      (x − mean x) / √(var x + ε) · w + b       GPT-2, GPT-NeoX
    RMS norm        x / √(mean x² + ε) · (offset + w)         offset 1: Gemma; offset 0: all others

It knows nothing about hooks, prompts or weights.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from gearscope.errors import ModelError


class NormFormula(NamedTuple):
    """The formula of a family's norms."""

    centred: bool
    """True for LayerNorm."""
    gain_offset: float
    """What is added to the stored weight before it multiplies."""
    epsilon: str
    """Attribute of the norm module that holds ε."""


class Projection(NamedTuple):
    """A linear map inside attention, or one of several equal parts of a fused one."""

    path: str
    index: int = 0
    parts: int = 1
    per_head: bool = False
    """True when the parts lie side by side within each head, rather than all heads of one part after another."""


class Experts(NamedTuple):
    """Routed experts inside an MLP: the fused weights of all of them, and the router beside."""

    router: str
    path: str = "experts"
    gate_up: str = "gate_up_proj"
    """Parameter [X, 2F, D], gates first."""
    down: str = "down_proj"
    """Parameter [X, D, F]."""
    act: str = "act_fn"
    normalised: str | None = None
    """Config attribute that says whether the chosen weights are scaled to sum to one; None when they always are."""
    transposed: bool = False
    """True when the parameters are stored as [X, D, 2F] and [X, F, D]."""
    interleaved: bool = False
    """True when gates and the other factors alternate."""
    clamped: bool = False
    """True for (clamp(u, ±limit) + 1) · g σ(alpha g), g cut off at limit; `alpha` and `limit` are the module's own."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where the parts of a family's models are. A path of None means that the family has no such part."""

    model_type: str
    """`config.model_type` of HuggingFace."""
    norm: NormFormula
    embed: str
    position_embed: str | None = None
    layers: str
    final_norm: str
    unembed: str
    attn_norm: str
    attn: str
    attn_post_norm: str | None = None
    mlp_norm: str
    mlp: str
    mlp_post_norm: str | None = None
    q: Projection
    k: Projection
    v: Projection
    q_norm: str | None = None
    """A norm over each query head, and likewise over keys: inside the pattern, so never part of what is linear."""
    k_norm: str | None = None
    halved_rotary: bool = False
    """True when rotary positions come with one angle for both entries that are rotated together."""
    o: str
    gate: str | None = None
    up: str
    down: str
    act: str
    experts: Experts | None = None
    """Where the MLPs that are routed have their experts; the other parts of an MLP are those of dense layers."""
    final_softcap: str | None = None
    """Config attribute c of a last step `c · tanh(logits / c)`."""
    parallel: str | None = None
    """Config attribute that is true when the MLP reads the residual stream from before the layer's own attention."""


_LAYER_NORM = NormFormula(centred=True, gain_offset=0.0, epsilon="eps")
_RMS_NORM = NormFormula(centred=False, gain_offset=0.0, epsilon="variance_epsilon")
_GEMMA_NORM = NormFormula(centred=False, gain_offset=1.0, epsilon="eps")

GPT2 = Family(
    model_type="gpt2",
    norm=_LAYER_NORM,
    embed="transformer.wte",
    position_embed="transformer.wpe",
    layers="transformer.h",
    final_norm="transformer.ln_f",
    unembed="lm_head",
    attn_norm="ln_1",
    attn="attn",
    mlp_norm="ln_2",
    mlp="mlp",
    q=Projection("c_attn", 0, 3),
    k=Projection("c_attn", 1, 3),
    v=Projection("c_attn", 2, 3),
    o="c_proj",
    up="c_fc",
    down="c_proj",
    act="act",
)
GPT_NEOX = Family(
    model_type="gpt_neox",
    norm=_LAYER_NORM,
    embed="gpt_neox.embed_in",
    layers="gpt_neox.layers",
    final_norm="gpt_neox.final_layer_norm",
    unembed="lm_head",
    attn_norm="input_layernorm",
    attn="attention",
    mlp_norm="post_attention_layernorm",
    mlp="mlp",
    q=Projection("query_key_value", 0, 3, per_head=True),
    k=Projection("query_key_value", 1, 3, per_head=True),
    v=Projection("query_key_value", 2, 3, per_head=True),
    o="dense",
    up="dense_h_to_4h",
    down="dense_4h_to_h",
    act="act",
    parallel="use_parallel_residual",
)
"""Pythia is of this family. It rotates a part of each head only, which is inside the pattern."""


def _llama_like(
    model_type: str,
    *,
    norm: NormFormula = _RMS_NORM,
    attn_post_norm: str | None = None,
    mlp_norm: str = "post_attention_layernorm",
    mlp_post_norm: str | None = None,
    head_norms: bool = False,
    final_softcap: str | None = None,
) -> Family:
    """The layout that Llama began and most families kept."""
    return Family(
        model_type=model_type,
        norm=norm,
        embed="model.embed_tokens",
        layers="model.layers",
        final_norm="model.norm",
        unembed="lm_head",
        attn_norm="input_layernorm",
        attn="self_attn",
        attn_post_norm=attn_post_norm,
        mlp_norm=mlp_norm,
        mlp="mlp",
        mlp_post_norm=mlp_post_norm,
        q=Projection("q_proj"),
        k=Projection("k_proj"),
        v=Projection("v_proj"),
        q_norm="q_norm" if head_norms else None,
        k_norm="k_norm" if head_norms else None,
        o="o_proj",
        gate="gate_proj",
        up="up_proj",
        down="down_proj",
        act="act_fn",
        final_softcap=final_softcap,
    )


LLAMA = _llama_like("llama")
MISTRAL = _llama_like("mistral")
"""Its sliding window is in the mask that the model itself makes."""
GEMMA2 = _llama_like(
    "gemma2",
    norm=_GEMMA_NORM,
    attn_post_norm="post_attention_layernorm",
    mlp_norm="pre_feedforward_layernorm",
    mlp_post_norm="post_feedforward_layernorm",
    final_softcap="final_logit_softcapping",
)
"""Its embedding module multiplies by √D, and its attention hands its own soft-cap on, so neither is in the map."""

GEMMA3 = replace(
    GEMMA2,
    model_type="gemma3_text",
    q_norm="q_norm",
    k_norm="k_norm",
)
"""The text-only models. Which of its two rotary bases a layer has is inside the pattern."""
QWEN2 = _llama_like("qwen2")
QWEN3 = _llama_like("qwen3", head_norms=True)
MIXTRAL = replace(LLAMA, model_type="mixtral", experts=Experts("gate"))
QWEN3_MOE = replace(QWEN3, model_type="qwen3_moe", experts=Experts("gate", normalised="norm_topk_prob"))
"""Some of its layers may be dense."""
GPT_OSS = replace(
    LLAMA,
    model_type="gpt_oss",
    experts=Experts("router", transposed=True, interleaved=True, clamped=True),
    halved_rotary=True,
)
"""Its attention hands its sinks on, so they are not in the map. Its published weights are quantized, which is refused
when they are opened; a copy in bfloat16 opens."""

_ALL = (GPT2, LLAMA, MISTRAL, GEMMA2, GEMMA3, QWEN2, QWEN3, GPT_NEOX, MIXTRAL, QWEN3_MOE, GPT_OSS)
FAMILIES = {family.model_type: family for family in _ALL}


def family_of(model_type: str | None) -> Family:
    """The map for `config.model_type`. Raises ModelError naming the known families."""
    if model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ModelError(f"a model of a known family was expected ({known})", found=f"model_type {model_type!r}")
    return FAMILIES[model_type]
