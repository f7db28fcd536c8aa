"""Weights between two features whatever the prompt: what one writes, read by the other. On every way in between.

A feature s of layer l writes W_dec[s → m] behind the MLPs of layers m >= l; t reads W_enc[t] at the MLP of layer L.
With the norms N at their mean scale and every other MLP cut, the weight on

    the direct way        V    = Σ_{m < L} ⟨N_Lᵀ W_enc[t], W_dec[s → m]⟩
    head h of layer n     V_h  = ⟨N_Lᵀ W_enc[t], W_O^h W_V^h N_n Σ_{m < n} W_dec[s → m]⟩        l < n <= L

(n < L where MLP and attention are parallel). Norms behind MLP and attention, where a family has them, are passed too. A
head's weight is that of one unit of attention; paths through two heads are not counted. Ameisen et al. 2025, "Circuit
tracing", section on global weights, without its assumption that only the direct way counts. Knows nothing about how
often features fire.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.models.frozen import FrozenBlock, FrozenNorm, FrozenPrompt


class Way(NamedTuple):
    """The direct way (None), or a head."""

    layer: int | None
    head: int | None

    def __str__(self) -> str:
        return "direct" if self.layer is None else f"head {self.layer}.{self.head}"


DIRECT = Way(None, None)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A model between its features: its blocks with norms at their mean scale, and the features' sites."""

    blocks: tuple[FrozenBlock, ...]
    """Every norm's scale has one entry; what depends on a prompt is not used."""
    coders: tuple[Dictionary, ...]
    """By layer; they read a norm's output with its gain, or the stream before it."""
    reads_norm: bool
    writes_before_post: bool

    @property
    def n_heads(self) -> int:
        """Heads of a layer."""
        return self.blocks[0].attn.W_O.shape[0]

    def ways(self, source: int, target: int) -> list[Way]:
        """The direct way, and the heads between two layers."""
        last = target if self.blocks[target].parallel else target + 1
        return [DIRECT, *(Way(n, h) for n in range(source + 1, last) for h in range(self.n_heads))]


def mean_frame(records: Sequence[FrozenPrompt], coders: Sequence[Dictionary]) -> Frame:
    """Norm scales averaged over the positions of these records, constant ones left out."""
    blocks = []
    for layer, block in enumerate(records[0].blocks):
        norms = {}
        for name in ("attn_norm", "attn_post_norm", "mlp_norm", "mlp_post_norm"):
            norm = getattr(block, name)
            if norm is not None:
                scales = [getattr(r.blocks[layer], name).scale[r.n_constant_positions :] for r in records]
                norms[name] = replace(norm, scale=torch.cat(scales).mean()[None])
        blocks.append(replace(block, **norms))
    config = coders[0].config
    return Frame(
        blocks=tuple(blocks),
        coders=tuple(coders),
        reads_norm=config.read_sites[0].name != "resid_mid",
        writes_before_post=config.write_form != "site",
    )


def inputs_of(frame: Frame, layer: int, index: int, source: int) -> Float[Tensor, "F H"]:
    """The weight of every feature of `source`, a lower layer, on one feature, by way (columns, as `Frame.ways`)."""
    coder = frame.coders[source]
    like = frame.blocks[0].attn.W_O
    g = frame.coders[layer].W_enc[index, 0].to(like)
    if frame.reads_norm:
        g = _adjoint(frame.blocks[layer].mlp_norm, g)
    dec = coder.decoders(torch.arange(coder.config.n_features), like)
    columns = []
    for way in frame.ways(source, layer):
        h, before = (g, layer) if way.layer is None else (_through_head(frame.blocks[way.layer], way, g), way.layer)
        found = like.new_zeros(len(dec))
        for site, m in enumerate(targets(coder)):
            if m < before:
                found += dec[:, site] @ (_adjoint(_post(frame, m), h))
        columns.append(found)
    return torch.stack(columns, dim=1)


def outputs_of(frame: Frame, layer: int, index: int, target: int) -> Float[Tensor, "F H"]:
    """The weight of one feature on every feature of `target`, a higher layer, by way (columns, as `Frame.ways`)."""
    like = frame.blocks[0].attn.W_O
    coder = frame.coders[layer]
    dec = coder.decoders(torch.tensor([index]), like)[0]
    W_enc = frame.coders[target].W_enc[:, 0].to(like)
    columns = []
    for way in frame.ways(layer, target):
        before = target if way.layer is None else way.layer
        x = like.new_zeros(like.shape[2])
        for site, m in enumerate(targets(coder)):
            if m < before:
                x = x + _linear(_post(frame, m), dec[site])
        if way.layer is not None:
            x = _head_linear(frame.blocks[way.layer], way, x)
        columns.append(W_enc @ (_linear(frame.blocks[target].mlp_norm, x) if frame.reads_norm else x))
    return torch.stack(columns, dim=1)


def targets(coder: Dictionary) -> list[int]:
    """The layers that a dictionary writes to, in the order of its decoders."""
    return [site.layer for site in coder.config.write_sites if site.layer is not None]


def _post(frame: Frame, layer: int) -> FrozenNorm | None:
    return frame.blocks[layer].mlp_post_norm if frame.writes_before_post else None


def _adjoint(norm: FrozenNorm | None, g: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
    return g if norm is None else norm.adjoint(g[None, None])[0, 0]


def _linear(norm: FrozenNorm | None, x: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
    return x if norm is None else norm.linear(x[None])[0]


def _through_head(block: FrozenBlock, way: Way, g: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
    """The gradient at the stream before an attention, through one of its heads with one unit of attention."""
    W_V, W_O = _matrices(block, way)
    return _adjoint(block.attn_norm, W_V @ (W_O @ _adjoint(block.attn_post_norm, g)))


def _head_linear(block: FrozenBlock, way: Way, x: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
    W_V, W_O = _matrices(block, way)
    return _linear(block.attn_post_norm, (_linear(block.attn_norm, x) @ W_V) @ W_O)


def _matrices(block: FrozenBlock, way: Way) -> tuple[Float[Tensor, "D E"], Float[Tensor, "E D"]]:
    assert way.head is not None
    W_V, W_O = block.attn.W_V, block.attn.W_O
    return W_V[way.head * len(W_V) // len(W_O)], W_O[way.head]
