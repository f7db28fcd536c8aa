"""How well dictionaries write what they should, on activations.

    NMSE      Σ ‖ŷ − y‖² / Σ ‖y − mean y‖²     per site that is written (also called FVU: 1 is what a constant reaches)
    L0        active features per token        per dictionary
    dead      share of features that never fire
    density   share of tokens on which a feature fires, and the largest activation that it reached

What several dictionaries write to one site adds up. Activations come in parts, so that memory does not grow with them.
Beside each NMSE stands that of the same codes with the decoders of all features exchanged at random: the same sparsity,
the same sizes, no knowledge. Knows nothing about models.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes

Readings = Mapping[str, Tensor]
"""Activations [P, D] by site."""


class Features(NamedTuple):
    """What the features of one dictionary did."""

    l0: float
    dead: float
    """Share of features, 0 to 1."""
    density: Float[Tensor, " F"]
    max_activation: Float[Tensor, " F"]


class Fidelity(NamedTuple):
    """What a measurement on activations gave."""

    n_tokens: int
    nmse: dict[str, float]
    """By site that is written."""
    nmse_shuffled: dict[str, float]
    """The same with the decoders exchanged at random."""
    mean: dict[str, Tensor]
    """By site that is written, [D]: the constant that an NMSE of 1 belongs to."""
    features: tuple[Features, ...]
    """By dictionary."""


class Added(NamedTuple):
    """What one part of the tokens gave, for whoever measures more of it."""

    codes: list[Codes]
    """By dictionary."""
    left: dict[str, Tensor]
    """By site that is written, [P, D]: what stands there less what was written."""


def with_statistics(dictionaries: DictionarySet, fidelity: Fidelity) -> DictionarySet:
    """The same dictionaries, carrying what their features did."""
    made = [
        replace(dictionary, max_activation=f.max_activation, density=f.density)
        for dictionary, f in zip(dictionaries.dictionaries, fidelity.features, strict=True)
    ]
    return replace(dictionaries, dictionaries=tuple(made))


def shuffled(dictionaries: DictionarySet, seed: int = 0) -> DictionarySet:
    """The same encoders and biases; each dictionary's decoders are exchanged among its features."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for dictionary in dictionaries.dictionaries:
        order = torch.randperm(dictionary.config.n_features, generator=generator)
        made.append(replace(dictionary, W_dec=dictionary.W_dec[order.to(dictionary.W_dec.device)]))
    return replace(dictionaries, dictionaries=tuple(made))


@torch.no_grad()
def measure_fidelity(dictionaries: DictionarySet, parts: Iterable[Readings]) -> Fidelity:
    """Measure on readings of every site that is read or written. Raises DictionaryError as decoding does."""
    sums = FidelitySums(dictionaries)
    for part in parts:
        sums.add(part)
    return sums.result()


class FidelitySums:
    """Sums over tokens, in float64."""

    def __init__(self, dictionaries: DictionarySet) -> None:
        self.set, self.random = dictionaries, shuffled(dictionaries)
        self.targets = list(dict.fromkeys(site for config in dictionaries.configs for site in config.writes))
        zero = torch.zeros((), dtype=torch.float64)
        self.error = dict.fromkeys(self.targets, zero)
        self.error_shuffled = dict.fromkeys(self.targets, zero)
        self.total: dict[str, Tensor] = {}
        self.square = dict.fromkeys(self.targets, zero)
        self.fired = [torch.zeros(c.n_features, dtype=torch.float64) for c in dictionaries.configs]
        self.largest = [torch.zeros(c.n_features) for c in dictionaries.configs]
        self.n_tokens = 0

    def add(self, part: Readings) -> Added:
        """One part of the tokens."""
        left = {site: part[site].clone() for site in self.targets}
        left_shuffled = {site: part[site].clone() for site in self.targets}
        found = []
        for number, (dictionary, random) in enumerate(
            zip(self.set.dictionaries, self.random.dictionaries, strict=True)
        ):
            x = torch.stack([part[site] for site in dictionary.config.reads], dim=1)
            codes = dictionary.encode(x)
            found.append(codes)
            columns, values = codes.columns.cpu(), codes.values.float().cpu()
            self.fired[number] += torch.bincount(columns, minlength=dictionary.config.n_features)
            self.largest[number].scatter_reduce_(0, columns, values, "amax")
            for own, remaining in ((dictionary, left), (random, left_shuffled)):
                _subtract(own, own.write(x, codes), remaining)
        for site in self.targets:
            y = part[site].double()
            self.error[site] = self.error[site] + left[site].double().square().sum().cpu()
            self.error_shuffled[site] = self.error_shuffled[site] + left_shuffled[site].double().square().sum().cpu()
            self.total[site] = self.total.get(site, 0) + y.sum(0).cpu()
            self.square[site] = self.square[site] + y.square().sum().cpu()
        self.n_tokens += len(part[self.targets[0]])
        return Added(found, left)

    def result(self) -> Fidelity:
        """What the sums say."""
        n = self.n_tokens
        spread = {site: float(self.square[site] - self.total[site].square().sum() / n) for site in self.targets}
        features = [
            Features(float(fired.sum()) / n, float((fired == 0).double().mean()), (fired / n).float(), largest)
            for fired, largest in zip(self.fired, self.largest, strict=True)
        ]
        return Fidelity(
            n,
            {site: float(self.error[site]) / spread[site] for site in self.targets},
            {site: float(self.error_shuffled[site]) / spread[site] for site in self.targets},
            {site: (self.total[site] / n).float() for site in self.targets},
            tuple(features),
        )


def _subtract(dictionary: Dictionary, written: Float[Tensor, "P S D"], left: dict[str, Tensor]) -> None:
    for number, site in enumerate(dictionary.config.writes):
        left[site] -= written[:, number]
