"""One prompt's forward pass with its nonlinearities frozen: a linear map, and the adjoint of each of its pieces.

With attention patterns A and norm scales 1/σ held at their values on this prompt, and MLP outputs cut, the residual
stream is an affine function of what is written into it (Ameisen et al. 2025, "Circuit Tracing", section 3):

    norm        n(x) = (x [− mean x]) · w / σ  [+ b]                 adjoint  g ↦ [I − 11ᵀ/D] (w g / σ)
    attention   a_q  = Σ_h Σ_k A_hqk (x_k W_V^h + b_V^h) W_O^h + b_O  adjoint  g ↦ Σ_h (Σ_q A_hqk g_q W_O^hᵀ) W_V^hᵀ

A model that is spread over devices keeps each layer's attention where it is; everything else is recorded in one place,
and gradients are carried to an attention and back.

`record.py` fills these in from a HuggingFace model. They know nothing about dictionaries, targets or graphs. Adjoints
take gradients `g` [Q, T, D] of T target rows at the first Q positions (the causal cone), positions first, so that
each position's rows and each product over all of them are one piece of memory; or [T, D], each row at one position.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.models.scoring import FrozenScores

_KEYS = 256
"""Keys of a long prompt that are taken together; without effect on results."""


@dataclass(frozen=True, kw_only=True)
class FrozenNorm:
    """A LayerNorm or RMSNorm with its scale frozen at every position of the prompt."""

    scale: Float[Tensor, " P"]
    """1/σ at each position."""
    weight: Float[Tensor, " D"]
    """The factor really applied (Gemma's `1 + w` included)."""
    bias: Float[Tensor, " D"] | None
    centred: bool
    """True for LayerNorm: the mean over the width is taken away first."""

    def to(self, like: Tensor | torch.device) -> "FrozenNorm":
        """The same where `like` is."""
        bias = None if self.bias is None else self.bias.to(like)
        return replace(self, scale=self.scale.to(like), weight=self.weight.to(like), bias=bias)

    def adjoint(self, g: Float[Tensor, "Q T D"]) -> Float[Tensor, "Q T D"]:
        """Gradient at the norm's input from the gradient `g` at its output."""
        g = g * (self.weight * self.scale[: len(g), None])[:, None]
        return g - g.mean(-1, keepdim=True) if self.centred else g

    def adjoint_at(self, g: Float[Tensor, "T D"], positions: Int[Tensor, " T"]) -> Float[Tensor, "T D"]:
        """The same for rows that stand at one position each."""
        g = g * (self.weight * self.scale[positions, None])
        return g - g.mean(-1, keepdim=True) if self.centred else g

    def linear(self, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """The frozen norm without its bias, applied to a part of the residual stream."""
        return self.linear_at(x, slice(None))

    def linear_at(self, x: Float[Tensor, "K D"], positions: slice | Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
        """The same for vectors that stand at `positions`."""
        x = x - x.mean(-1, keepdim=True) if self.centred else x
        return x * (self.weight * self.scale[positions, None])

    def moved(self, x: Float[Tensor, "P D"], change: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """How the norm's output moves when its input, `x` on the prompt, moves by `change`: its scale is made anew."""
        size = self.centring(x).square().mean(-1)
        there = self.centring(x + change)
        scale = (there.square().mean(-1) - size + self.scale**-2).clamp(min=torch.finfo(x.dtype).tiny).rsqrt()
        return self.weight * (there * scale[:, None] - self.centring(x) * self.scale[:, None])

    def centring(self, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """What the norm scales of its input."""
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def spread(self, x: Float[Tensor, "Q T D"], positions: Int[Tensor, " Q"]) -> Float[Tensor, "Q T D"]:
        """The same for T vectors at each of some positions."""
        x = x - x.mean(-1, keepdim=True) if self.centred else x
        return x * (self.weight * self.scale[positions, None])[:, None]


@dataclass(frozen=True, kw_only=True)
class FrozenAttention:
    """Attention with its pattern frozen. Grouped heads share `W_V`: head h reads value head h // (H / H_kv)."""

    pattern: Float[Tensor, "H P P"]
    """[head, query, key]; rows sum to one, or to less where the family has sinks."""
    W_V: Float[Tensor, "Hkv D E"]
    b_V: Float[Tensor, "Hkv E"] | None
    W_O: Float[Tensor, "H E D"]
    b_O: Float[Tensor, " D"] | None

    def linear(self, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """The frozen attention without its biases, applied to a part of its input."""
        return self._mix(torch.matmul(x.to(self.W_V), self.W_V)).to(x)

    def constant(self) -> Float[Tensor, "P D"]:
        """What the attention writes when its input is zero: the value biases through the pattern, and `b_O`."""
        P, D = self.pattern.shape[1], self.W_O.shape[2]
        out = self.W_O.new_zeros(P, D)
        if self.b_V is not None:
            out = out + self._mix(self.b_V[:, None, :].expand(-1, P, -1))
        return out if self.b_O is None else out + self.b_O

    def _mix(self, values: Float[Tensor, "Hkv P E"]) -> Float[Tensor, "P D"]:
        per_head = values.repeat_interleave(self.W_O.shape[0] // values.shape[0], dim=0)
        return torch.matmul(torch.matmul(self.pattern, per_head), self.W_O).sum(0)


class _AttnAdjoint(NamedTuple):
    """The adjoint of an attention and of the norm before it: everything of that norm is folded in."""

    W_O_T: Float[Tensor, "D HE"]
    """W_Oᵀ, heads side by side."""
    pattern_T: Float[Tensor, "H P P"]
    """[head, key, query]."""
    scale: Float[Tensor, " P"]
    """1/σ of the norm at the key."""
    W_V_T: Float[Tensor, "Hkv E D"]
    """W_Vᵀ, times the norm's gain, centred where the norm centres."""


@dataclass(frozen=True, kw_only=True)
class FrozenBlock:
    """One layer: `resid_mid = resid_pre + post(attn(norm(resid_pre)))`, then the MLP adds `post(mlp_out)` likewise.

    In a parallel layer both read `resid_pre`, both are added to it, and there is no `resid_mid`.
    """

    attn_norm: FrozenNorm
    attn: FrozenAttention
    attn_post_norm: FrozenNorm | None
    mlp_norm: FrozenNorm
    mlp_post_norm: FrozenNorm | None
    mlp_in: Float[Tensor, "P D"]
    """What the MLP reads: the output of its norm, gain and bias included."""
    mlp_out: Float[Tensor, "P D"]
    """What the MLP module itself returned, before a post-norm (Gemma)."""
    routing: Float[Tensor, "P X"] | None = None
    """The weight of each expert at each position, zero where it was not chosen; None for a dense MLP."""
    parallel: bool = False
    scores: FrozenScores | None = None
    """Where the pattern comes from, for what asks why a head looks where it does."""

    @cached_property
    def _attn_adjoint(self) -> _AttnAdjoint:
        attn = self.attn
        norm = self.attn_norm.to(attn.W_V)
        W_V_T = attn.W_V.transpose(1, 2) * norm.weight
        if norm.centred:
            W_V_T = W_V_T - W_V_T.mean(-1, keepdim=True)
        return _AttnAdjoint(attn.W_O.flatten(0, 1).T, attn.pattern.transpose(1, 2), norm.scale, W_V_T.contiguous())

    def value_adjoint(self, g: Float[Tensor, "Q T D"]) -> Float[Tensor, "Q T GE"]:
        """Gradient at the attention's values, value heads side by side, from that behind the attention block.

        Values are `value(x) = x W_V` here, x the norm's input times gain, centred: 1/σ is in the gradient. Both are
        where the attention is.
        """
        Q, T, D = g.shape
        W_O_T, pattern_T, scale, W_V_T = self._attn_adjoint
        (H, E, _), groups = self.attn.W_O.shape, len(W_V_T)
        inner = g if self.attn_post_norm is None else self.attn_post_norm.adjoint(g)
        z_HQTE = (inner.reshape(Q * T, D).to(W_O_T) @ W_O_T).view(Q, T, H, E).permute(2, 0, 1, 3)
        v_HQTE = _to_keys(pattern_T[:, :Q, :Q], z_HQTE.reshape(H, Q, T * E)).mul_(scale[:Q, None])
        v_GQTE = v_HQTE.view(groups, H // groups, Q, T * E).sum(1) if groups < H else v_HQTE
        return v_GQTE.view(groups, Q, T, E).permute(1, 2, 0, 3).reshape(Q, T, groups * E)

    def value(self, x: Float[Tensor, "P D"]) -> Float[Tensor, "P GE"]:
        """What parts x of the residual stream contribute to the values, 1/σ left out: ⟨value_adjoint(g), value(x)⟩ is
        what the attention hands on from x."""
        W_V_T = self._attn_adjoint.W_V_T
        return x.to(W_V_T) @ W_V_T.flatten(0, 1).T

    def add_attn_adjoint(self, g: Float[Tensor, "Q T D"], to: Float[Tensor, "Q T D"]) -> None:
        """Add to `to`, in place, what of the gradient `g` behind the attention block passes backwards through it.

        `to` may be `g`: the stream beside the attention.
        """
        v, W_V_T = self.value_adjoint(g).flatten(0, 1), self._attn_adjoint.W_V_T.flatten(0, 1)
        if W_V_T.device == to.device and W_V_T.dtype == to.dtype:
            to.view(-1, to.shape[2]).addmm_(v, W_V_T)
        else:
            to += (v @ W_V_T).view(to.shape).to(to)

    def attn_adjoint_at(self, g: Float[Tensor, "T D"], positions: Int[Tensor, " T"], Q: int) -> Float[Tensor, "Q T D"]:
        """What passes backwards through the attention block, to the first Q positions, from one position per row.

        Heads are taken through W_V before they are spread over positions: two products per row, not Q of them.
        """
        T, D = g.shape
        W_O_T, pattern_T, scale, W_V_T = self._attn_adjoint
        (H, E, _), groups = self.attn.W_O.shape, len(W_V_T)
        inner = g if self.attn_post_norm is None else self.attn_post_norm.adjoint_at(g, positions)
        z_GNE = (inner.to(W_O_T) @ W_O_T).view(T, groups, H // groups, E).permute(1, 2, 0, 3).reshape(groups, -1, E)
        u_HTD = torch.bmm(z_GNE, W_V_T).view(H, T, D)
        seen_TQH = pattern_T[:, :Q, positions].permute(2, 1, 0) * scale[:Q, None]
        return torch.bmm(seen_TQH, u_HTD.transpose(0, 1)).transpose(0, 1).to(g)

    def head_outputs(self, x: Float[Tensor, "Q T D"], first: int) -> Float[Tensor, "H Q T E"]:
        """What each head hands on, before W_O, from T parts of the stream at the Q positions from `first` on."""
        Q, T, D = x.shape
        _, pattern_T, scale, W_V_T = self._attn_adjoint
        (H, E, _), groups, here = self.attn.W_O.shape, len(W_V_T), slice(first, first + Q)
        scaled = x.to(W_V_T) * scale[here, None, None]
        v_GQTE = (scaled.reshape(Q * T, D) @ W_V_T.flatten(0, 1).T).view(Q, T, groups, E).permute(2, 0, 1, 3)
        v_HQTE = v_GQTE.repeat_interleave(H // groups, dim=0).reshape(H, Q, T * E)
        return torch.bmm(pattern_T[:, here, here].mT, v_HQTE).view(H, Q, T, E).to(x)

    def head_constants(self) -> Float[Tensor, "H P E"]:
        """What each head hands on, before W_O, whatever is in the stream: the biases of values and of the norm."""
        attn, norm = self.attn, self.attn_norm
        values = attn.W_V.new_zeros(attn.W_V.shape[0], attn.W_V.shape[2]) if attn.b_V is None else attn.b_V
        if norm.bias is not None:
            values = values + norm.bias @ attn.W_V
        per_head = values.repeat_interleave(len(attn.W_O) // len(values), dim=0)
        return attn.pattern.sum(-1)[:, :, None] * per_head[:, None]

    def from_heads(self, z: Float[Tensor, "H Q T E"], positions: Int[Tensor, " Q"]) -> Float[Tensor, "Q T D"]:
        """What the attention block adds to the stream when its heads hand on `z`, biases aside."""
        H, Q, T, E = z.shape
        W_O = self.attn.W_O.flatten(0, 1)
        out = (z.permute(1, 2, 0, 3).reshape(Q * T, H * E).to(W_O) @ W_O).view(Q, T, -1).to(z)
        return out if self.attn_post_norm is None else self.attn_post_norm.spread(out, positions)

    def at_heads(self, g: Float[Tensor, "T D"], positions: Int[Tensor, " T"]) -> Float[Tensor, "H T E"]:
        """Gradient at what the heads hand on, from that behind the attention block, each row at one position."""
        inner = g if self.attn_post_norm is None else self.attn_post_norm.adjoint_at(g, positions)
        H, E, _ = self.attn.W_O.shape
        W_O_T = self._attn_adjoint.W_O_T
        return (inner.to(W_O_T) @ W_O_T).view(len(g), H, E).transpose(0, 1).to(g)

    def attn_output_bias(self) -> Float[Tensor, "P D"]:
        """What the attention block adds to the stream with no head at all."""
        P, D = self.attn.pattern.shape[1], self.attn.W_O.shape[2]
        out = self.attn.W_O.new_zeros(P, D)
        out = out if self.attn.b_O is None else out + self.attn.b_O
        return out if self.attn_post_norm is None else _after(self.attn_post_norm, out)

    def attn_constant(self) -> Float[Tensor, "P D"]:
        """What the attention block adds to the residual stream whatever its input: every bias inside it."""
        out = self.attn.constant().to(self.mlp_in)
        if self.attn_norm.bias is not None:
            out = out + self.attn.linear(self.attn_norm.bias.expand(out.shape))
        if self.attn_post_norm is None:
            return out
        return _after(self.attn_post_norm, out)

    def mlp_written(self) -> Float[Tensor, "P D"]:
        """What the MLP adds to the residual stream: its output, behind the post-norm where there is one."""
        return self.mlp_out if self.mlp_post_norm is None else _after(self.mlp_post_norm, self.mlp_out)


def _to_keys(pattern_T: Float[Tensor, "H Q Q"], z: Float[Tensor, "H Q X"]) -> Float[Tensor, "H Q X"]:
    """What each key receives from the queries at and behind it; of long prompts, keys in runs, the zeros left out."""
    Q = z.shape[1]
    if Q <= 2 * _KEYS:
        return torch.bmm(pattern_T, z)
    out = torch.empty_like(z)
    for start in range(0, Q, _KEYS):
        here = slice(start, start + _KEYS)
        out[:, here] = torch.bmm(pattern_T[:, here, start:], z[:, start:])
    return out


def _after(post: FrozenNorm, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
    return post.linear(x) if post.bias is None else post.linear(x) + post.bias


@dataclass(frozen=True, kw_only=True)
class FrozenPrompt:
    """Everything attribution needs of one forward pass."""

    token_ids: Int[Tensor, " P"]
    token_embed: Float[Tensor, "P D"]
    """What the token embedding writes into the residual stream (Gemma's √D included)."""
    position_embed: Float[Tensor, "P D"] | None
    """What a learned position embedding adds, for the families that have one."""
    blocks: tuple[FrozenBlock, ...]
    final_norm: FrozenNorm
    W_U: Float[Tensor, "V D"]
    b_U: Float[Tensor, " V"] | None
    final_in: Float[Tensor, "P D"]
    """The output of the final norm."""
    logits: Float[Tensor, "P V"]
    """The model's own logits, after a soft-cap where the family has one."""
    n_constant_positions: int
    """Leading positions whose MLP outputs are constants rather than features (1: the BOS position)."""

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def n_positions(self) -> int:
        """Number of tokens of the prompt, BOS included."""
        return int(self.token_ids.shape[0])

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.token_embed.shape[1])

    def resid_mid(self) -> Float[Tensor, "L P D"]:
        """The residual stream between attention and MLP of each layer, composed from the frozen pieces."""
        assert not any(block.parallel for block in self.blocks), "a parallel layer has no residual stream in between"
        return self._streams[0]

    def resid_post(self) -> Float[Tensor, "L P D"]:
        """The residual stream behind each layer, likewise."""
        return self._streams[1]

    @cached_property
    def _streams(self) -> tuple[Float[Tensor, "L P D"], Float[Tensor, "L P D"]]:
        """The residual stream with the attention's and then with the MLP's output, by layer."""
        stream = self.token_embed if self.position_embed is None else self.token_embed + self.position_embed
        mid, post = [], []
        for block in self.blocks:
            out = block.attn.linear(block.attn_norm.linear(stream))
            out = out if block.attn_post_norm is None else block.attn_post_norm.linear(out)
            mid.append(stream + out + block.attn_constant())
            stream = mid[-1] + block.mlp_written()
            post.append(stream)
        return torch.stack(mid), torch.stack(post)
