"""Attention scores as a form that is linear in what is read at each of their two ends.

    s(q, k) = scale · ⟨Q_q x_q + a_q, K_k x_k + b_k⟩          before soft-cap, mask and sinks
    Q_q = R_q · N_q · W_Q^h    a_q = R_q (N_q b_Q)             x what the attention reads (behind its norm)
    K_k = R_k · N_k · W_K^g    b_k = R_k (N_k b_K)             g the key head that h shares

R rotates (rotary positions; the identity where positions are learned), N is the norm over a head's width in families
that have one, its scale frozen as the prompt has it. Scale, rotation and mask are those that the model's own attention
was called with on this prompt, so no family's formula is written down here but one: which entries of a head are rotated
together. What comes out is compared with the queries and keys that the model formed; a model whose attention does
something else is refused. It knows nothing about who wrote what is read.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gearscope.errors import ModelError
from gearscope.models.attention import Called

_TOLERANCE = 1e-3
"""How far, relative to its size, a query or key may be from the one that the model formed in float32."""


class EndMap(NamedTuple):
    """One end of a score: query or key = `vectors` x + `constant`, x what the attention reads at that position."""

    vectors: Float[Tensor, "E D"]
    constant: Float[Tensor, " E"]


@dataclass(frozen=True, kw_only=True)
class FrozenEnd:
    """The queries, or the keys, of one layer on one prompt."""

    W: Float[Tensor, "G E D"]
    b: Float[Tensor, "G E"] | None
    norm_weight: Float[Tensor, " E"] | None
    """The gain of the RMS norm over a head's width, where there is one ..."""
    epsilon: float
    """... and what is added to the mean square under its root."""
    cos: Float[Tensor, "P R"] | None
    """Cosines of rotary positions over the R entries of a head that are rotated: entry i together with i + R / 2."""
    sin: Float[Tensor, "P R"] | None
    formed: Float[Tensor, "G P E"]
    """What the model formed: rotated, normed."""
    read: Float[Tensor, "P D"]
    """What the attention reads."""
    name: str
    """Where this is, for messages."""

    def at(self, head: int, position: int) -> EndMap:
        """The frozen map of one of these heads at one position. Raises ModelError where it is not what was formed."""
        vectors, constant = self.W[head], self.W.new_zeros(self.W.shape[1]) if self.b is None else self.b[head]
        x = self.read[position]
        if self.norm_weight is not None:
            plain = vectors @ x + constant
            scale = self.norm_weight * torch.rsqrt(plain.pow(2).mean() + self.epsilon)
            vectors, constant = scale[:, None] * vectors, scale * constant
        vectors, constant = self._rotated(vectors, position), self._rotated(constant[:, None], position)[:, 0]
        found, expected = vectors @ x + constant, self.formed[head, position]
        off = float((found - expected).norm() / expected.norm().clamp_min(1e-6))
        if not off <= _TOLERANCE:
            raise ModelError(
                f"{self.name} should be linear in what attention reads, norms and rotary positions aside",
                found=f"a relative difference of {off:.2g} at position {position}",
            )
        return EndMap(vectors, constant)

    def _rotated(self, x: Float[Tensor, "E N"], position: int) -> Float[Tensor, "E N"]:
        if self.cos is None or self.sin is None:
            return x
        cos, sin = self.cos[position, :, None], self.sin[position, :, None]
        first, second = x[: len(cos)].chunk(2)
        return torch.cat([x[: len(cos)] * cos + torch.cat([-second, first]) * sin, x[len(cos) :]])


@dataclass(frozen=True, kw_only=True)
class FrozenScores:
    """The scores of one layer's heads on one prompt."""

    query: FrozenEnd
    key: FrozenEnd
    scale: float
    softcap: float | None
    """The c of `c · tanh(s / c)`, which the scores pass before the softmax in some families."""
    visible: Bool[Tensor, "P P"]
    """[query, key]: whether the mask lets the one see the other."""

    @property
    def n_heads(self) -> int:
        """Number of heads, query heads."""
        return len(self.query.formed)

    def ends(self, head: int, query: int, keys: list[int]) -> tuple[EndMap, list[EndMap]]:
        """The maps of a head's query, and of its keys at some positions."""
        shared = head // (self.n_heads // len(self.key.formed))
        return self.query.at(head, query), [self.key.at(shared, key) for key in keys]

    def formed(self, head: int) -> Float[Tensor, "P P"]:
        """The model's own scores [query, key], before soft-cap and mask."""
        shared = head // (self.n_heads // len(self.key.formed))
        return self.query.formed[head] @ self.key.formed[shared].T * self.scale


def rotation(
    called: tuple[Tensor, Tensor] | None, *, halved: bool
) -> tuple[Float[Tensor, "P R"] | None, Float[Tensor, "P R"] | None]:
    """Cosines and sines as the attention module was given them; `halved`: one for both entries rotated together."""
    if called is None:
        return None, None
    cos, sin = (part.flatten(0, -2) for part in called)
    return (torch.cat([cos, cos], -1), torch.cat([sin, sin], -1)) if halved else (cos, sin)


def seen(called: Called) -> Bool[Tensor, "P P"]:
    """Which keys the mask of one prompt shows to each query."""
    n_queries, n_keys = called.query.shape[-2], called.key.shape[-2]
    if called.mask is None:
        return torch.ones(n_queries, n_keys, dtype=torch.bool, device=called.query.device)
    return (called.mask.expand(1, -1, n_queries, n_keys)[0, 0] == 0).contiguous()
