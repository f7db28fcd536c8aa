"""A prompt in a basis of learned features: transcoders per layer, skip transcoders, cross-layer transcoders.

    active features   f = σ(W_enc x + b_enc) at each layer, x what the dictionaries read
    writes            f_i W_dec[i → m]                 into the MLP output of layer m
    skip              W_skip x                         a linear path, passed on by attribution
    bias              Σ b_dec                          of all dictionaries that write to the layer
    error             MLP output − everything above    so that nothing is lost

Dictionaries may read behind the MLP's norm, behind it but before its gain (which is then folded into the encoder), or
the residual stream before it; they may write into the MLP's own output or behind the norm that follows it in some
families. Encoders and decoders of active features are gathered once, so a decoder on disk is read for those only.
Knows nothing about targets or graphs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.errors import DictionaryError
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Active, Read, ReadPlace, Skip, Way, Write, WritePlace


def coded_replacement(prompt: FrozenPrompt, dictionaries: DictionarySet) -> "Coded":
    """Rewrite the MLPs of `prompt` in the features of `dictionaries`. Raises DictionaryError when they do not fit."""
    L, first = prompt.n_layers, prompt.n_constant_positions
    dictionaries.check_stands_in_for_mlps(n_layers=L, d_model=prompt.d_model)
    reads_at: ReadPlace = "resid_mid" if dictionaries.configs[0].read_sites[0].name == "resid_mid" else "mlp_in"
    if reads_at == "resid_mid" and any(block.parallel for block in prompt.blocks):
        expected = "dictionaries that read mlp_in were expected: MLP and attention are parallel in this model"
        raise DictionaryError(expected, found="ones that read resid_mid")
    behind = dictionaries.configs[0].write_form == "site"
    writes_at: WritePlace = "after_post_norm" if behind else "before_post_norm"
    inputs = list(prompt.resid_mid()) if reads_at == "resid_mid" else [block.mlp_in for block in prompt.blocks]
    left = torch.stack([block.mlp_written() if behind else block.mlp_out for block in prompt.blocks])
    bias = left.new_zeros(L, prompt.d_model)
    layers = []
    for layer, stored in enumerate(dictionaries.dictionaries):
        norm = prompt.blocks[layer].mlp_norm
        coder = stored.after_norm(norm.weight, norm.bias) if stored.config.read_form == "before_gain" else stored
        coded = code(coder, inputs[layer], first)
        if coder.W_skip is not None:
            matrix = coder.W_skip.to(left)
            coded = coded._replace(way=Skip(matrix, inputs[layer] @ matrix.T, reads_at, writes_at))
        layers.append(coded)
        for site, target in enumerate(coded.targets):
            left[target].index_add_(0, coded.position, -coded.decoders[site] * coded.activation[:, None])
            bias[target] += coder.b_dec[site].to(left)
        if coded.way is not None:
            left[layer] -= coded.way.written
    left -= bias[:, None]
    left[:, :first] = 0
    return Coded(
        active=active_of(layers, n_positions=prompt.n_positions),
        bias=bias,
        error=left,
        layers=tuple(layers),
        reads_at=reads_at,
        writes_at=writes_at,
        streams=(None,) * L,
    )


class LayerCodes(NamedTuple):
    """The active features that read at one layer, sorted by position and index, with their weights."""

    position: Int[Tensor, " K"]
    index: Int[Tensor, " K"]
    activation: Float[Tensor, " K"]
    W_enc: Float[Tensor, "K D"]
    """What each reads at its own position."""
    b_enc: Float[Tensor, " K"]
    decoders: Float[Tensor, "S K D"]
    targets: tuple[int, ...]
    """The layers written to, in the order of `decoders`."""
    way: Way | None = None

    def take(self, chosen: Int[Tensor, " C"]) -> "LayerCodes":
        """Only the chosen features."""
        return self._replace(
            position=self.position[chosen],
            index=self.index[chosen],
            activation=self.activation[chosen],
            W_enc=self.W_enc[chosen],
            b_enc=self.b_enc[chosen],
            decoders=self.decoders[:, chosen],
        )


def code(coder: Dictionary, x: Float[Tensor, "P D"], first: int) -> LayerCodes:
    """Encode what one dictionary reads; constant positions, the `first` so many, have no features."""
    codes: Codes = coder.encode(x[first:, None])
    used = codes.columns.to(coder.W_enc.device)
    return LayerCodes(
        position=codes.rows + first,
        index=codes.columns,
        activation=codes.values,
        W_enc=coder.W_enc[used, 0].to(x),
        b_enc=coder.b_enc[used].to(x),
        decoders=coder.decoders(codes.columns, x).transpose(0, 1).contiguous(),
        targets=tuple(site.layer for site in coder.config.write_sites if site.layer is not None),
    )


def active_of(layers: Sequence[LayerCodes], *, n_positions: int) -> Active:
    """The features of all layers, in order; their values are their activations."""
    activation = torch.cat([codes.activation for codes in layers])
    return Active.build(
        torch.cat([torch.full_like(codes.index, layer) for layer, codes in enumerate(layers)]),
        torch.cat([codes.position for codes in layers]),
        torch.cat([codes.index for codes in layers]),
        activation,
        activation,
        n_layers=len(layers),
        n_positions=n_positions,
    )


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A prompt in a basis of learned features. Fulfils `Replacement`.

    The value of a feature is its pre-activation, which is its activation where it is active.
    """

    active: Active
    bias: Float[Tensor, "L D"]
    error: Float[Tensor, "L P D"]
    layers: tuple[LayerCodes, ...]
    reads_at: ReadPlace
    writes_at: WritePlace
    streams: tuple[Float[Tensor, "P D"] | None, ...]
    """By layer: the residual stream behind it, where features stand for it."""

    def _within(self, layer: int, features: slice) -> slice:
        below = self.active.below(layer)
        return slice(features.start - below, features.stop - below)

    def writes(self, layer: int, position: int) -> Iterable[Write]:
        """The features at `position` of every layer that writes to `layer`: its own, and earlier ones of a CLT."""
        for source in range(layer + 1):
            codes, here = self.layers[source], self.active.at(source, position)
            if layer in codes.targets and here.start < here.stop:
                vectors = codes.decoders[codes.targets.index(layer), self._within(source, here)]
                yield Write(here, vectors, self.active.activation[here])

    def read(self, chosen: Int[Tensor, " T"]) -> Read:
        """Rows of the encoder, and their biases."""
        layer = int(self.active.layer[chosen[0]])
        local = chosen - self.active.below(layer)
        return Read(self.layers[layer].W_enc[local], self.layers[layer].b_enc[local])

    def way(self, layer: int) -> Way | None:
        """The skip of the layer's own dictionary, or its MLP as a way past SAEs."""
        return self.layers[layer].way

    def stream(self, layer: int) -> Float[Tensor, "P D"] | None:
        """What SAEs rewrite behind the layer."""
        return self.streams[layer]

    def take(self, chosen: Int[Tensor, " C"]) -> "Coded":
        """The same prompt with only the chosen features."""
        counts = torch.bincount(self.active.layer[chosen], minlength=len(self.layers)).tolist()
        parts = torch.split(chosen, counts)
        layers = [
            codes.take(part - self.active.below(layer))
            for layer, (codes, part) in enumerate(zip(self.layers, parts, strict=True))
        ]
        return replace(self, active=self.active.take(chosen), layers=tuple(layers))
