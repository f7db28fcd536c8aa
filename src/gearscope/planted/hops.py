"""Whether a dictionary keeps a chain of two steps: truth A of one layer causes truth B of the next.

What B writes into its layer's MLP output, along its direction w, can come from the dictionary that reads B's layer (the
hop is kept) or from dictionaries of earlier layers, which know A already (the hop is collapsed into one step). With
f(t) what some dictionaries write along w on token t,

    Δ f = mean of f where A fires, and so B − mean of f where neither fires
    kept = Σ Δ f_own / Σ (Δ f_own + Δ f_earlier)           written = Σ (Δ f_own + Δ f_earlier) / Σ Δ a_B

over chains. Per-layer transcoders keep every hop, by construction; a cross-layer transcoder need not, and sparsity
rewards it for not doing so. `written` says how much of B is there at all; without it `kept` means nothing.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.selection import Codes
from gearscope.planted.truth import Truth

_LEAST_WRITTEN = 0.05
"""Below this share of B, what is written of it is noise."""


class Hops(NamedTuple):
    """Over all chains of a world."""

    kept: float | None
    """None where next to nothing of the effects is written."""
    written: float


class HopSums:
    """Sums over tokens, of which some fire each chain."""

    def __init__(self, truth: Truth, dictionaries: DictionarySet) -> None:
        self._set = dictionaries
        self._causes, self._effects = truth.hops
        layers = truth.layers[self._effects].tolist()
        self._places = [truth.place(f"blocks.{layer}.mlp_out") for layer in layers]
        self._sites = [f"blocks.{layer}.mlp_out" for layer in layers]
        self._layers = layers
        self._w = truth.directions[self._effects, self._places]
        shape = (3, 2, len(layers))  # own, earlier, true; where neither fires, where both do
        self._sums = torch.zeros(shape, dtype=torch.float64)
        self._tokens = torch.zeros(shape[1:], dtype=torch.float64)

    def add(self, truths: Float[Tensor, "P U"], codes: list[Codes]) -> None:
        """Some tokens: activations of all truths, and the codes of each dictionary."""
        active = truths[:, self._effects]
        split = torch.stack([active == 0, truths[:, self._causes] > 0]).double()
        self._tokens += split.sum(1)
        self._sums[2] += (split * active).sum(1)
        for dictionary, found in zip(self._set.dictionaries, codes, strict=True):
            written = dictionary.decode(found)
            reads = dictionary.config.read_sites[0].layer
            for number, site in enumerate(self._sites):
                if site in dictionary.config.writes:
                    along = written[:, dictionary.config.writes.index(site)] @ self._w[number]
                    earlier = int(reads != self._layers[number])
                    self._sums[earlier, :, number] += split[:, :, number] @ along.double()

    def result(self) -> Hops:
        """What the sums say."""
        means = self._sums / self._tokens.clamp(min=1)
        own, earlier, true = (means[:, 1] - means[:, 0]).sum(1).tolist()
        written = (own + earlier) / true
        return Hops(own / (own + earlier) if written > _LEAST_WRITTEN else None, written)
