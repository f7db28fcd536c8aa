"""Tiny random HuggingFace models of every family, with nothing at its trivial value.

    tiny("gpt2")    tiny("llama", heads="grouped", attention_bias=True)    tiny("mistral", sliding_window=3)

Weights, biases and norm gains are all drawn; embeddings are untied unless asked for. float32 by default.
"""

from typing import Any, Literal

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

FAMILIES = ("gpt2", "llama", "mistral", "gemma2", "gemma3_text", "qwen2", "qwen3", "gpt_neox")
FAMILIES += ("mixtral", "qwen3_moe", "gpt_oss")
VOCABULARY, WIDTH, HEADS = 11, 16, 4
KEY_HEADS = {"full": 4, "grouped": 2, "single": 1}

_SHARED: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 32,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
_OWN: dict[str, dict[str, Any]] = {
    "gpt2": {"n_inner": 24, "resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1},
    "llama": {"intermediate_size": 24},
    "mistral": {"intermediate_size": 24, "sliding_window": 3, "head_dim": 4},
    "gemma2": {
        "intermediate_size": 24,
        "sliding_window": 3,
        "head_dim": 6,
        "query_pre_attn_scalar": 5,
        "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 3.0,
    },
    "gemma3_text": {
        "intermediate_size": 24,
        "sliding_window": 3,
        "head_dim": 6,
        "query_pre_attn_scalar": 5,
        "layer_types": None,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
        },
        "sliding_window_pattern": 2,
    },
    "qwen2": {"intermediate_size": 24},
    "qwen3": {"intermediate_size": 24, "head_dim": 6},
    "mixtral": {"intermediate_size": 8, "num_local_experts": 3, "num_experts_per_tok": 2},
    "qwen3_moe": {
        "intermediate_size": 24,
        "moe_intermediate_size": 8,
        "head_dim": 6,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "norm_topk_prob": True,
    },
    "gpt_oss": {
        "intermediate_size": 8,
        "num_local_experts": 3,
        "num_experts_per_tok": 2,
        "head_dim": 6,
        "sliding_window": 3,
        "swiglu_limit": 0.8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100.0},
    },
    "gpt_neox": {"intermediate_size": 24, "rope_parameters": {"rope_theta": 100.0, "partial_rotary_factor": 0.5}},
}
CASES = {
    "gpt2": ("gpt2", {}),
    "gpt2-relu-tied": ("gpt2", {"activation_function": "relu", "tie_word_embeddings": True}),
    "gpt2-by-layer": ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
    "llama": ("llama", {}),
    "llama-grouped-biases": ("llama", {"heads": "grouped", "attention_bias": True, "mlp_bias": True}),
    "llama-single": ("llama", {"heads": "single", "tie_word_embeddings": True}),
    "mistral-window": ("mistral", {"heads": "grouped"}),
    "mistral-no-window": ("mistral", {"sliding_window": None}),
    "gemma2": ("gemma2", {"heads": "grouped", "tie_word_embeddings": True}),
    "gemma2-uncapped": ("gemma2", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    "gemma2-biases": ("gemma2", {"heads": "single", "attention_bias": True}),
    "gemma3": ("gemma3_text", {"heads": "grouped", "tie_word_embeddings": True}),
    "gemma3-capped-biases": ("gemma3_text", {"final_logit_softcapping": 3.0, "attention_bias": True}),
    "qwen2": ("qwen2", {"heads": "grouped"}),
    "qwen2-window": ("qwen2", {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}),
    "qwen3": ("qwen3", {"heads": "grouped", "tie_word_embeddings": True}),
    "qwen3-biases": ("qwen3", {"heads": "single", "attention_bias": True}),
    "gpt_neox": ("gpt_neox", {}),
    "mixtral": ("mixtral", {"heads": "grouped"}),
    "mixtral-window": ("mixtral", {"sliding_window": 3, "num_experts_per_tok": 1}),
    "qwen3_moe": ("qwen3_moe", {"heads": "grouped"}),
    "qwen3_moe-mixed": ("qwen3_moe", {"mlp_only_layers": [0], "norm_topk_prob": False, "attention_bias": True}),
    "gpt_oss": ("gpt_oss", {"heads": "grouped"}),
    "gpt_oss-no-biases": ("gpt_oss", {"attention_bias": False, "swiglu_limit": 7.0, "num_experts_per_tok": 3}),
    "gpt_neox-serial": ("gpt_neox", {"use_parallel_residual": False, "attention_bias": False, "hidden_act": "relu"}),
}
"""Name: (family, changes to its configuration). Every window is shorter than the tests' prompts."""


def tiny(
    family: str,
    *,
    heads: Literal["full", "grouped", "single"] = "full",
    dtype: torch.dtype = torch.float32,
    n_layers: int = 2,
    seed: int = 0,
    **changes: Any,
) -> PreTrainedModel:
    """A tiny random model of `family` in evaluation mode; `changes` go into its configuration."""
    settings = {**_SHARED, **_OWN[family], "num_hidden_layers": n_layers, **changes}
    if family not in ("gpt2", "gpt_neox"):
        settings["num_key_value_heads"] = KEY_HEADS[heads]
    config = AutoConfig.for_model(family, **settings)
    model = AutoModelForCausalLM.from_config(config).to(dtype).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        is_norm = "norm" in name or "ln_" in name
        centre = 0.0 if not is_norm or name.endswith("bias") or family.startswith("gemma") else 1.0
        spread = 0.4 if is_norm or parameter.ndim == 1 else 1.5 * parameter.shape[-1] ** -0.5
        drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = (centre + spread * drawn).to(dtype)
    model.tie_weights()
    return model.requires_grad_(False)


def case(name: str, **changes: Any) -> PreTrainedModel:
    """The tiny model of one of the `CASES`."""
    family, own = CASES[name]
    return tiny(family, **{**own, **changes})


def prompt(length: int = 9, seed: int = 1) -> torch.Tensor:
    """Random ids after a beginning-of-sequence token, longer than any window."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat(
        [torch.zeros(1, dtype=torch.int64), torch.randint(2, VOCABULARY, (length - 1,), generator=generator)]
    )
