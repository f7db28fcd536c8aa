"""A family's map laid over one model: its modules by role, and its weights in one shape for every family.

    W_V [G D E], W_O [H E D]      heads side by side; G value heads are shared by H = groups · G query heads
    MlpWeights, ExpertWeights     neurons along F, whichever way round the module stores its matrices

Weights are views of the model's own parameters wherever the layout allows it. Every refusal names the module. It knows
nothing about hooks or prompts.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from gearscope.errors import ModelError
from gearscope.models.attention import Called
from gearscope.models.families import Experts, Family, NormFormula, Projection, family_of
from gearscope.models.frozen import FrozenAttention, FrozenNorm
from gearscope.models.mlp import ClampedPlusOne, ClampedSwish, ExpertWeights, MlpWeights
from gearscope.models.scoring import FrozenEnd, FrozenScores, rotation, seen


class Part(NamedTuple):
    """A module and its path in the model."""

    path: str
    module: nn.Module


class HeadPart(NamedTuple):
    """A linear map whose output is split into heads; one of `parts` equal parts of a fused map."""

    path: str
    module: nn.Module
    index: int
    parts: int
    per_head: bool
    n_heads: int


class NormPart(NamedTuple):
    """A norm and the formula its family's map claims for it."""

    path: str
    module: nn.Module
    formula: NormFormula

    def weight(self) -> Float[Tensor, " D"]:
        """The factor really applied."""
        stored = _parameter(self, "weight")
        return stored + self.formula.gain_offset if self.formula.gain_offset else stored

    def bias(self) -> Float[Tensor, " D"] | None:
        """What is added after the factor."""
        bias = getattr(self.module, "bias", None)
        return bias.detach() if isinstance(bias, Tensor) else None

    def epsilon(self) -> float:
        """What is added under the root."""
        epsilon = getattr(self.module, self.formula.epsilon, None)
        if epsilon is None:
            raise ModelError(f"{self.path} should have the attribute {self.formula.epsilon}", found=_kind(self.module))
        return float(epsilon)

    def freeze(self, x: Float[Tensor, "P D"]) -> FrozenNorm:
        """The norm with its scale frozen at the input `x`."""
        epsilon = self.epsilon()
        centred = x - x.mean(-1, keepdim=True) if self.formula.centred else x
        scale = torch.rsqrt(centred.pow(2).mean(-1) + epsilon)
        # Some norms are kept in float32 inside models in half precision.
        weight, bias = self.weight().to(x), self.bias()
        bias = None if bias is None else bias.to(x)
        return FrozenNorm(scale=scale, weight=weight, bias=bias, centred=self.formula.centred)


@dataclass(frozen=True, kw_only=True)
class BlockParts:
    """One layer's modules."""

    block: Part
    attn_norm: NormPart
    attn: Part
    attn_post_norm: NormPart | None
    q: HeadPart
    k: HeadPart
    v: HeadPart
    q_norm: NormPart | None
    k_norm: NormPart | None
    o: Part
    mlp_norm: NormPart
    mlp: Part
    mlp_post_norm: NormPart | None
    gate: Part | None
    up: Part | None
    down: Part | None
    act: Part | None
    router: Part | None
    experts: Part | None
    """Instead of gate, up, down and act where the MLP is routed."""

    def norms(self) -> list[NormPart]:
        """The norms of the residual stream that this layer has, in the order of `FrozenBlock`."""
        return [n for n in (self.attn_norm, self.attn_post_norm, self.mlp_norm, self.mlp_post_norm) if n is not None]

    def head_norms(self) -> list[NormPart]:
        """The norms inside attention, over the width of one head."""
        return [n for n in (self.q_norm, self.k_norm) if n is not None]


class Anatomy:
    """The parts of one HuggingFace model. Raises ModelError when its family is unknown or a part is missing."""

    def __init__(self, hf: PreTrainedModel) -> None:
        config = hf.config
        self.family: Family = family_of(getattr(config, "model_type", None))
        self.hf = hf
        self.n_heads = int(config.num_attention_heads)
        self.n_kv_heads = int(getattr(config, "num_key_value_heads", None) or self.n_heads)
        self.d_model = int(config.hidden_size)
        self.head_dim = int(getattr(config, "head_dim", None) or self.d_model // self.n_heads)
        self.context = int(config.max_position_embeddings)
        self.parallel = self.family.parallel is not None and bool(getattr(config, self.family.parallel))
        self.embed = self._part(self.family.embed)
        self.position_embed = self._optional(self.family.position_embed)
        self.final_norm = self._norm(self.family.final_norm)
        self.unembed = self._part(self.family.unembed)
        layers = self._part(self.family.layers).module
        assert isinstance(layers, nn.ModuleList)
        self.blocks = tuple(self._block(i) for i in range(len(layers)))
        if getattr(config, "add_cross_attention", False):
            raise ModelError("a decoder without cross-attention was expected", found="add_cross_attention=True")

    @property
    def vocab_size(self) -> int:
        """Rows of the unembedding."""
        return int(self.W_U.shape[0])

    @property
    def n_input_tokens(self) -> int:
        """Rows of the token embedding."""
        return int(_parameter(self.embed, "weight").shape[0])

    @property
    def final_softcap(self) -> float | None:
        """The c of `c · tanh(logits / c)`, for the families that end so."""
        name = self.family.final_softcap
        return None if name is None else getattr(self.hf.config, name)

    @cached_property
    def W_U(self) -> Float[Tensor, "V D"]:
        """The unembedding."""
        return _matrix(self.unembed)

    @property
    def b_U(self) -> Float[Tensor, " V"] | None:
        """The unembedding's bias."""
        return _bias(self.unembed)

    def forward(self, ids: Int[Tensor, "B P"], cache: Cache | None = None, offset: int = 0) -> Float[Tensor, "B P V"]:
        """The model's logits for ids that are all text, a padding token among them included.

        With a cache, `ids` continue the `offset` tokens that are in it already.
        """
        pad = getattr(self.hf.config, "pad_token_id", None)
        mask = None
        if pad is not None and bool((ids == pad).any()):
            mask = torch.ones(ids.shape[0], offset + ids.shape[1], dtype=torch.int64, device=ids.device)
        return self.hf(ids, attention_mask=mask, past_key_values=cache, use_cache=cache is not None).logits

    def norms(self) -> list[NormPart]:
        """Every norm of the residual stream, layer by layer, the final one last."""
        return [*(norm for parts in self.blocks for norm in parts.norms()), self.final_norm]

    def head_norms(self) -> list[NormPart]:
        """Every norm inside attention."""
        return [norm for parts in self.blocks for norm in parts.head_norms()]

    def attention(self, layer: int, pattern: Float[Tensor, "H P P"]) -> FrozenAttention:
        """The attention of one layer with its pattern frozen."""
        parts, E = self.blocks[layer], self.head_dim
        W_V, b_V = _per_head(parts.v)
        W_O = _matrix(parts.o)
        return FrozenAttention(
            pattern=pattern,
            W_V=W_V.transpose(1, 2),
            b_V=b_V,
            W_O=W_O.unflatten(1, (self.n_heads, E)).permute(1, 2, 0),
            b_O=_bias(parts.o),
        )

    def scores(
        self, layer: int, called: Called, rotary: tuple[Tensor, Tensor] | None, read: Float[Tensor, "P D"]
    ) -> FrozenScores:
        """Where the pattern of one layer comes from, on a prompt of which `read` is what its attention reads."""
        parts = self.blocks[layer]
        cos, sin = rotation(rotary, halved=self.family.halved_rotary)
        return FrozenScores(
            query=_end(parts.q, parts.q_norm, called.query[0], cos, sin, read, f"the query of {parts.attn.path}"),
            key=_end(parts.k, parts.k_norm, called.key[0], cos, sin, read, f"the key of {parts.attn.path}"),
            scale=float(called.scale),
            softcap=called.softcap,
            visible=seen(called),
        )

    def neurons(self, layer: int) -> MlpWeights | ExpertWeights:
        """The MLP of one layer, neurons along F."""
        parts = self.blocks[layer]
        if parts.experts is not None:
            assert self.family.experts is not None
            return _expert_weights(parts.experts, self.family.experts)
        assert parts.up is not None
        assert parts.down is not None
        assert parts.act is not None
        return MlpWeights(
            W_gate=None if parts.gate is None else _matrix(parts.gate),
            b_gate=None if parts.gate is None else _bias(parts.gate),
            W_in=_matrix(parts.up),
            b_in=_bias(parts.up),
            W_out=_matrix(parts.down).T,
            b_out=_bias(parts.down),
            act=parts.act.module,
        )

    @property
    def normalised(self) -> bool:
        """Whether a router's chosen weights sum to one."""
        experts = self.family.experts
        return experts is None or experts.normalised is None or bool(getattr(self.hf.config, experts.normalised))

    def _block(self, layer: int) -> BlockParts:
        family, root = self.family, f"{self.family.layers}.{layer}"
        attn, mlp = f"{root}.{family.attn}", f"{root}.{family.mlp}"
        post_attn, post_mlp = family.attn_post_norm, family.mlp_post_norm
        return BlockParts(
            block=self._part(root),
            attn_norm=self._norm(f"{root}.{family.attn_norm}"),
            attn=self._part(attn),
            attn_post_norm=None if post_attn is None else self._norm(f"{root}.{post_attn}"),
            q=self._heads(attn, family.q, self.n_heads),
            k=self._heads(attn, family.k, self.n_kv_heads),
            v=self._heads(attn, family.v, self.n_kv_heads),
            q_norm=None if family.q_norm is None else self._norm(f"{attn}.{family.q_norm}"),
            k_norm=None if family.k_norm is None else self._norm(f"{attn}.{family.k_norm}"),
            o=self._part(f"{attn}.{family.o}"),
            mlp_norm=self._norm(f"{root}.{family.mlp_norm}"),
            mlp=self._part(mlp),
            mlp_post_norm=None if post_mlp is None else self._norm(f"{root}.{post_mlp}"),
            **self._mlp_parts(mlp),
        )

    def _mlp_parts(self, mlp: str) -> dict[str, Part | None]:
        """What is inside one MLP: the parts of a dense one, or router and experts."""
        family, experts = self.family, self.family.experts
        routed = experts is not None and hasattr(self._part(mlp).module, experts.path)
        paths = {"gate": family.gate, "up": family.up, "down": family.down, "act": family.act}
        inside: dict[str, str | None] = {name: None if routed else path for name, path in paths.items()}
        inside["router"] = experts.router if routed and experts is not None else None
        inside["experts"] = experts.path if routed and experts is not None else None
        return {name: self._optional(None if path is None else f"{mlp}.{path}") for name, path in inside.items()}

    def _part(self, path: str) -> Part:
        try:
            module: Any = self.hf.get_submodule(path)
        except AttributeError as error:
            expected = f"a {self.family.model_type} model should have a module {path}"
            raise ModelError(expected, found=_kind(self.hf)) from error
        return Part(path, module)

    def _optional(self, path: str | None) -> Part | None:
        return None if path is None else self._part(path)

    def _norm(self, path: str) -> NormPart:
        return NormPart(*self._part(path), self.family.norm)

    def _heads(self, attn: str, projection: Projection, n_heads: int) -> HeadPart:
        part = self._part(f"{attn}.{projection.path}")
        return HeadPart(*part, projection.index, projection.parts, projection.per_head, n_heads)


def _end(
    part: HeadPart,
    norm: NormPart | None,
    formed: Float[Tensor, "G P E"],
    cos: Float[Tensor, "P R"] | None,
    sin: Float[Tensor, "P R"] | None,
    read: Float[Tensor, "P D"],
    name: str,
) -> FrozenEnd:
    W, b = _per_head(part)
    return FrozenEnd(
        W=W,
        b=b,
        norm_weight=None if norm is None else norm.weight().to(read),
        epsilon=0.0 if norm is None else norm.epsilon(),
        cos=None if cos is None else cos.to(read),
        sin=None if sin is None else sin.to(read),
        formed=formed,
        read=read,
        name=name,
    )


def _expert_weights(part: Part, layout: Experts) -> ExpertWeights:
    """Views of the fused parameters, expert by expert."""
    both, down = _parameter(part, layout.gate_up), _parameter(part, layout.down)
    both, down = (both, down.mT) if not layout.transposed else (both.mT, down)
    b_both, b_out = (_optional_parameter(part, f"{name}_bias") for name in (layout.gate_up, layout.down))
    F = both.shape[1] // 2
    gates = slice(0, None, 2) if layout.interleaved else slice(0, F)
    ups = slice(1, None, 2) if layout.interleaved else slice(F, None)
    act, up_act = _expert_activations(part, layout)
    return ExpertWeights(
        experts=tuple(
            MlpWeights(
                W_gate=both[x, gates],
                b_gate=None if b_both is None else b_both[x, gates],
                W_in=both[x, ups],
                b_in=None if b_both is None else b_both[x, ups],
                W_out=down[x],
                b_out=None if b_out is None else b_out[x],
                act=act,
                up_act=up_act,
            )
            for x in range(both.shape[0])
        )
    )


def _expert_activations(part: Part, layout: Experts) -> tuple[nn.Module, nn.Module | None]:
    if layout.clamped:
        alpha, limit = (_number(part, name) for name in ("alpha", "limit"))
        return ClampedSwish(alpha, limit), ClampedPlusOne(limit)
    return getattr(part.module, layout.act), None


def _number(part: Part, name: str) -> float:
    value = getattr(part.module, name, None)
    if not isinstance(value, int | float):
        raise ModelError(f"{part.path} should have a number {name}", found=repr(value))
    return float(value)


def _kind(module: nn.Module) -> str:
    return f"a {type(module).__name__}"


def _parameter(part: Part | NormPart | HeadPart, name: str) -> Tensor:
    value = getattr(part.module, name, None)
    if not isinstance(value, Tensor) or value.is_meta or not value.is_floating_point():
        found = (
            f"{_kind(part.module)} without one"
            if value is None or not isinstance(value, Tensor)
            else ("weights that are not in memory" if value.is_meta else f"weights of type {value.dtype}")
        )
        raise ModelError(f"{part.path} should have a resident floating-point {name}", found=found)
    return value.detach()


def _matrix(part: Part | HeadPart) -> Float[Tensor, "out in"]:
    """A linear module's matrix as [out, in]."""
    if isinstance(part.module, Conv1D):
        return _parameter(part, "weight").T
    if isinstance(part.module, nn.Linear | nn.Embedding):
        return _parameter(part, "weight")
    raise ModelError(f"{part.path} should be a plain linear map", found=_kind(part.module))


def _bias(part: Part | HeadPart) -> Float[Tensor, " out"] | None:
    return _optional_parameter(part, "bias")


def _optional_parameter(part: Part | HeadPart, name: str) -> Tensor | None:
    return None if getattr(part.module, name, None) is None else _parameter(part, name)


def _per_head(part: HeadPart) -> tuple[Float[Tensor, "G E D"], Float[Tensor, "G E"] | None]:
    """One part of a (fused) map, heads apart: views of what is stored."""
    shape = (part.n_heads, part.parts, -1) if part.per_head else (part.parts, part.n_heads, -1)
    matrix, bias = _matrix(part).unflatten(0, shape), _bias(part)
    chosen = (slice(None), part.index) if part.per_head else (part.index,)
    return matrix[chosen], None if bias is None else bias.unflatten(0, shape)[chosen]
