"""What other programs compute from the tensors that they store, written out densely from their published formulas.

Each takes tensors by their own names and inputs x [P, D], and gives activations [P, F] and reconstructions [P, D]. No
code is shared with the package.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


def _largest(values: Tensor, k: int) -> Tensor:
    rank = values.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return torch.where(rank < k, values, torch.zeros_like(values))


def saelens(settings: Mapping[str, Any], t: Tensors, x: Tensor) -> tuple[Tensor, Tensor]:
    """SAELens 6: `cfg.json` and its tensors."""
    kind = settings["architecture"]
    seen = x - t["b_dec"] if settings.get("apply_b_dec_to_input") else x
    norm = t["W_dec"].norm(dim=1) if settings.get("rescale_acts_by_decoder_norm") else torch.ones(())
    if kind == "gated":
        gate = (seen @ t["W_enc"] + t["b_gate"] > 0).to(x)
        acts = gate * (seen @ (t["W_enc"] * t["r_mag"].exp()) + t["b_mag"]).relu()
    else:
        pre = (seen @ t["W_enc"] + t["b_enc"]) * norm
        acts = pre.relu()
        if "jumprelu" in kind:
            acts = acts * (pre > t["threshold"])
        if "batchtopk" in kind:
            acts = acts * (pre > t["topk_threshold"])
        if kind == "topk":
            acts = _largest(pre, settings["k"]).relu()
    out = (acts / norm) @ t["W_dec"] + t["b_dec"]
    return acts, out + (x @ t["W_skip"].T if "W_skip" in t else 0)


def sparsify(settings: Mapping[str, Any], t: Tensors, x: Tensor) -> tuple[Tensor, Tensor]:
    """sparsify 1.3: `cfg.json` and its tensors."""
    seen = x if settings.get("transcode", settings.get("skip_connection")) else x - t["b_dec"]
    acts = _largest((seen @ t["encoder.weight"].T + t["encoder.bias"]).relu(), settings["k"])
    return acts, acts @ t["W_dec"] + t["b_dec"] + (x @ t["W_skip"].T if "W_skip" in t else 0)


def dictionary_learning(kind: str, t: Tensors, x: Tensor) -> tuple[Tensor, Tensor]:
    """dictionary_learning: a state dict of the class `kind`."""
    match kind:
        case "AutoEncoder":
            acts = ((x - t["bias"]) @ t["encoder.weight"].T + t["encoder.bias"]).relu()
            return acts, acts @ t["decoder.weight"].T + t["bias"]
        case "AutoEncoderNew":
            acts = (x @ t["encoder.weight"].T + t["encoder.bias"]).relu()
            return acts, acts @ t["decoder.weight"].T + t["decoder.bias"]
        case "AutoEncoderTopK" | "BatchTopKSAE":
            acts = ((x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"]).relu()
            acts = acts * (acts > t["threshold"]) if kind == "BatchTopKSAE" else _largest(acts, int(t["k"]))
            return acts, acts @ t["decoder.weight"].T + t["b_dec"]
        case "MatryoshkaBatchTopKSAE":
            acts = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).relu()
            acts = acts * (acts > t["threshold"])
        case "JumpReluAutoEncoder":
            pre = x @ t["W_enc"] + t["b_enc"]
            acts = (pre * (pre > t["threshold"])).relu()
        case "GatedAutoEncoder":
            seen = (x - t["decoder_bias"]) @ t["encoder.weight"].T
            acts = (seen + t["gate_bias"] > 0) * (t["r_mag"].exp() * seen + t["mag_bias"]).relu()
            return acts, acts @ t["decoder.weight"].T + t["decoder_bias"]
    return acts, acts @ t["W_dec"] + t["b_dec"]


def gemma_scope(t: Tensors, x: Tensor) -> tuple[Tensor, Tensor]:
    """Gemma Scope: the arrays of `params.npz`."""
    pre = x @ t["W_enc"] + t["b_enc"]
    acts = pre.relu() * (pre > t["threshold"])
    return acts, acts @ t["W_dec"] + t["b_dec"]


def gemma_scope_2(t: Tensors, x: Tensor) -> tuple[Tensor, Tensor]:
    """Gemma Scope 2: the tensors of `params.safetensors`."""
    pre = x @ t["w_enc"] + t["b_enc"]
    acts = pre.relu() * (pre > t["threshold"])
    skip = x @ t["affine_skip_connection"] if "affine_skip_connection" in t else 0
    return acts, acts @ t["w_dec"] + t["b_dec"] + skip


def gemma_scope_2_across(layers: list[Tensors], x: Tensor) -> tuple[list[Tensor], Tensor]:
    """The same across layers, x [P, L, D]: activations by layer, and what is written to each layer [P, L, D]."""
    acts = [gemma_scope_2({**t, "w_dec": t["w_dec"][:, 0]}, x[:, i])[0] for i, t in enumerate(layers)]
    out = torch.zeros_like(x)
    for i, t in enumerate(layers):
        out += torch.einsum("pf,fld->pld", acts[i], t["w_dec"])
        out[:, i] += t["b_dec"]
        if "affine_skip_connection" in t:
            out[:, i] += x[:, i] @ t["affine_skip_connection"]
    return acts, out
