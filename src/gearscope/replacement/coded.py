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
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.errors import DictionaryError
from gearscope.memory import free_bytes, require
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Active, Read, ReadPlace, Skip, Way, Write, WritePlace


def coded_replacement(prompt: FrozenPrompt, dictionaries: DictionarySet) -> "Coded":
    """Rewrite the MLPs of `prompt` in the features of `dictionaries`. Raises DictionaryError when they do not fit,
    PromptError when memory does not suffice.
    """
    L, first = prompt.n_layers, prompt.n_constant_positions
    dictionaries.check_stands_in_for_mlps(n_layers=L, d_model=prompt.d_model)
    reads_at: ReadPlace = "resid_mid" if dictionaries.configs[0].read_sites[0].name == "resid_mid" else "mlp_in"
    if reads_at == "resid_mid" and any(block.parallel for block in prompt.blocks):
        expected = "dictionaries that read mlp_in were expected: MLP and attention are parallel in this model"
        raise DictionaryError(expected, found="ones that read resid_mid")
    behind = dictionaries.configs[0].write_form == "site"
    writes_at: WritePlace = "after_post_norm" if behind else "before_post_norm"
    inputs = list(prompt.resid_mid()) if reads_at == "resid_mid" else [block.mlp_in for block in prompt.blocks]
    coders = [_on_norm_output(prompt, layer, stored) for layer, stored in enumerate(dictionaries.dictionaries)]
    codes = [coder.encode(x[first:, None]) for coder, x in zip(coders, inputs, strict=True)]
    active = active_features(codes, n_positions=prompt.n_positions)
    like = inputs[0]
    _require_room(coders, active, like)
    used = [(coder, some.columns.to(coder.W_enc.device)) for coder, some in zip(coders, codes, strict=True)]
    coded = Coded(
        active=active,
        bias=_biases(coders, like),
        error=torch.stack([block.mlp_written() if behind else block.mlp_out for block in prompt.blocks]),
        W_enc=torch.cat([coder.W_enc[index, 0].to(like) for coder, index in used]),
        b_enc=torch.cat([coder.b_enc[index].to(like) for coder, index in used]),
        decoders=_decoders(coders, active, like),
        ways=tuple(_skip(coder, x, reads_at, writes_at) for coder, x in zip(coders, inputs, strict=True)),
        streams=(None,) * L,
        reads_at=reads_at,
        writes_at=writes_at,
    )
    return replace(coded, error=unwritten(coded, first))


def unwritten(coded: "Coded", first: int) -> Float[Tensor, "L P D"]:
    """What stands in `error` so far, less biases, skips and features; zero at constant positions."""
    left = coded.error - coded.bias[:, None]
    for layer, way in enumerate(coded.ways):
        if isinstance(way, Skip):
            left[layer] -= way.written
        for position in range(first, left.shape[1]):
            for write in coded.writes(layer, position):
                left[layer, position] -= write.activation @ write.vectors
    left[:, :first] = 0
    return left


def _on_norm_output(prompt: FrozenPrompt, layer: int, stored: Dictionary) -> Dictionary:
    norm = prompt.blocks[layer].mlp_norm
    return stored.after_norm(norm.weight, norm.bias) if stored.config.read_form == "before_gain" else stored


def _require_room(coders: list[Dictionary], active: Active, like: Tensor) -> None:
    """Raise PromptError when encoders and decoders of the active features will not fit."""
    vectors = sum(
        (active.below(i + 1) - active.below(i)) * (1 + len(coder.config.writes)) for i, coder in enumerate(coders)
    )
    what = f"the weights of {len(active):,} active features"
    needed = vectors * like.shape[1] * like.itemsize
    require(needed, what, free=free_bytes(), hint="give a shorter prompt, or sparser dictionaries")


def active_features(codes: Sequence[Codes], *, n_positions: int) -> Active:
    """The features of all layers, from their codes. Constant positions have none: codes begin behind them."""
    first = n_positions - codes[0].n_rows
    activation = torch.cat([some.values for some in codes])
    return Active.build(
        torch.cat([torch.full_like(some.columns, layer) for layer, some in enumerate(codes)]),
        torch.cat([some.rows for some in codes]) + first,
        torch.cat([some.columns for some in codes]),
        activation,
        activation,
        n_layers=len(codes),
        n_positions=n_positions,
    )


def _biases(coders: list[Dictionary], like: Tensor) -> Float[Tensor, "L D"]:
    bias = like.new_zeros(len(coders), like.shape[1])
    for coder in coders:
        for site, target in enumerate(_targets(coder)):
            bias[target] += coder.b_dec[site].to(like)
    return bias


def _targets(coder: Dictionary) -> list[int]:
    """The layers written to, in the order of the write sites."""
    return [site.layer for site in coder.config.write_sites if site.layer is not None]


def _skip(coder: Dictionary, x: Float[Tensor, "P D"], reads_at: ReadPlace, writes_at: WritePlace) -> Skip | None:
    if coder.W_skip is None:
        return None
    matrix = coder.W_skip.to(x)
    return Skip(matrix, x @ matrix.T, reads_at, writes_at)


class LayerDecoders(NamedTuple):
    """What is written into one layer per unit of activation: by column, the features of the sources and no others."""

    sources: tuple[int, ...]
    """The layers that write here, ascending."""
    vectors: Float[Tensor, "K D"]

    def features(self, active: Active) -> Int[Tensor, " K"]:
        """The number of the feature that each vector belongs to."""
        writes = torch.zeros(len(active.bounds), dtype=torch.bool, device=active.layer.device)
        writes[list(self.sources)] = True
        return active.by_column[writes[active.layer[active.by_column]]]


def _decoders(coders: list[Dictionary], active: Active, like: Tensor) -> tuple[LayerDecoders, ...]:
    """Read each dictionary's decoders of its active features once, and sort them by the layer they write to."""
    found, writers = [], []
    for target in range(len(coders)):
        empty = LayerDecoders(tuple(s for s, coder in enumerate(coders) if target in _targets(coder)), like[:0])
        writers.append(active.layer[empty.features(active)])
        found.append(empty._replace(vectors=like.new_empty(len(writers[-1]), like.shape[1])))
    for source, coder in enumerate(coders):
        read = coder.decoders(active.index[active.below(source) : active.below(source + 1)], like)
        for site, target in enumerate(_targets(coder)):
            found[target].vectors[writers[target] == source] = read[:, site]
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A prompt in a basis of learned features. Fulfils `Replacement`.

    The value of a feature is its pre-activation, which is its activation where it is active.
    """

    active: Active
    bias: Float[Tensor, "L D"]
    error: Float[Tensor, "L P D"]
    W_enc: Float[Tensor, "K D"]
    """What each active feature reads, at its own position."""
    b_enc: Float[Tensor, " K"]
    decoders: tuple[LayerDecoders, ...]
    ways: tuple[Way | None, ...]
    """By layer: the dictionary's own skip, or an MLP that SAEs leave standing."""
    streams: tuple[Float[Tensor, "P D"] | None, ...]
    """By layer: the residual stream behind it, where features stand for it."""
    reads_at: ReadPlace
    writes_at: WritePlace

    @cached_property
    def _writes(self) -> list[list[list[Write]]]:
        """By layer and position."""
        active, n_positions = self.active, self.active.bounds.shape[1] - 1
        activation = active.activation[active.by_column]
        found = []
        for sources, vectors in self.decoders:
            runs, start, here = _runs(sources), 0, []
            for position in range(n_positions):
                writes = []
                for first, last in runs:
                    columns = active.columns(position, first, last)
                    stop = start + columns.stop - columns.start
                    if stop > start:
                        writes.append(Write(columns, vectors[start:stop], activation[columns]))
                    start = stop
                here.append(writes)
            found.append(here)
        return found

    def writes(self, layer: int, position: int) -> Iterable[Write]:
        """The features at `position` of every layer that writes to `layer`: its own, and earlier ones of a CLT."""
        return self._writes[layer][position]

    def read(self, chosen: Int[Tensor, " T"]) -> Read:
        """Rows of the encoder, and their biases."""
        return Read(self.W_enc[chosen], self.b_enc[chosen])

    def way(self, layer: int) -> Way | None:
        """The linear path past the layer's features."""
        return self.ways[layer]

    def stream(self, layer: int) -> Float[Tensor, "P D"] | None:
        """What SAEs rewrite behind the layer."""
        return self.streams[layer]

    def take(self, chosen: Int[Tensor, " C"]) -> "Coded":
        """The same prompt with only the chosen features."""
        kept = torch.zeros(len(self.active), dtype=torch.bool, device=chosen.device)
        kept[chosen] = True
        decoders = [
            LayerDecoders(some.sources, some.vectors[kept[some.features(self.active)]]) for some in self.decoders
        ]
        return replace(
            self,
            active=self.active.take(chosen),
            W_enc=self.W_enc[chosen],
            b_enc=self.b_enc[chosen],
            decoders=tuple(decoders),
        )


def _runs(layers: tuple[int, ...]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, last) of each run without a gap."""
    starts = [layer for layer in layers if layer - 1 not in layers]
    stops = [layer for layer in layers if layer + 1 not in layers]
    return list(zip(starts, stops, strict=True))
