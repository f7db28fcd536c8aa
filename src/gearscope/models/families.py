"""One small map per model family: where its parts are, and which formulas they follow.

A map holds module paths only (of the model, of one block, inside attention, inside the MLP) and the kind of its norms;
everything else is read off the modules. A new family is a new map: nothing else in this room names a family, and the
self-check at load refuses a model that its map does not describe.

    layer norm      (x − mean x) / √(var x + ε) · w + b       GPT-2
    RMS norm        x / √(mean x² + ε) · (offset + w)         offset 0: Llama, Mistral; offset 1: Gemma

It knows nothing about hooks, prompts or weights.
"""

from dataclasses import dataclass
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
    o: str
    gate: str | None = None
    up: str
    down: str
    act: str
    final_softcap: str | None = None
    """Config attribute c of a last step `c · tanh(logits / c)`."""


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


def _llama_like(
    model_type: str,
    *,
    norm: NormFormula = _RMS_NORM,
    attn_post_norm: str | None = None,
    mlp_norm: str = "post_attention_layernorm",
    mlp_post_norm: str | None = None,
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

FAMILIES = {family.model_type: family for family in (GPT2, LLAMA, MISTRAL, GEMMA2)}


def family_of(model_type: str | None) -> Family:
    """The map for `config.model_type`. Raises ModelError naming the known families."""
    if model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ModelError(f"a model of a known family was expected ({known})", found=f"model_type {model_type!r}")
    return FAMILIES[model_type]
