"""How often one feature fires with others, and how strongly, on text: at its own token, and where heads look.

For a feature t and windows of text, with pattern P of a head between the two,

    direct    Σ_q a_t(q) a_s(q)                    head    Σ_q a_t(q) Σ_k P[q, k] a_s(k)

as what t reads; with the sides exchanged as what it writes to. The same with 1 for every activation counts firings.
Knows nothing about weights.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.attribution.virtual import Way
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Active


@dataclass(kw_only=True)
class Together:
    """Sums over text of one feature and all features of another layer, by way."""

    product: Float[Tensor, "F H"]
    """Of activations."""
    firings: Float[Tensor, "F H"]
    mass: Float[Tensor, " H"]
    """Of the one feature's activations, times the attention that its tokens give (or get) by this way."""
    firing_mass: Float[Tensor, " H"]


@dataclass(kw_only=True)
class Firing:
    """What one feature and all others do on text; `add` a record at a time."""

    layer: int
    index: int
    ways: dict[int, list[Way]]
    """Other layer -> the ways between the two."""
    n_features: list[int]
    """By layer."""
    tokens: int = 0
    activation: list[Float[Tensor, " F"]] = field(default_factory=list)
    """By layer: sum over tokens."""
    fired: list[Float[Tensor, " F"]] = field(default_factory=list)
    together: dict[int, Together] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.activation = [torch.zeros(count, dtype=torch.float64) for count in self.n_features]
        self.fired = [torch.zeros(count, dtype=torch.float64) for count in self.n_features]
        for other, ways in self.ways.items():
            table = torch.zeros(self.n_features[other], len(ways), dtype=torch.float64)
            self.together[other] = Together(
                product=table,
                firings=table.clone(),
                mass=torch.zeros(len(ways), dtype=torch.float64),
                firing_mass=torch.zeros(len(ways), dtype=torch.float64),
            )

    def add(self, record: FrozenPrompt, active: Active) -> None:
        """One window of text."""
        self.tokens += record.n_positions - record.n_constant_positions
        own = torch.zeros(record.n_positions, dtype=torch.float64)
        for layer in range(record.n_layers):
            here = slice(active.below(layer), active.below(layer + 1))
            index, value = active.index[here].cpu(), active.activation[here].double().cpu()
            self.activation[layer].index_add_(0, index, value)
            self.fired[layer].index_add_(0, index, torch.ones_like(value))
            if layer == self.layer:
                mine = index == self.index
                own[active.position[here].cpu()[mine]] = value[mine]
        if bool(own.any()):
            for other, ways in self.ways.items():
                self._pair(record, active, own, other, ways)

    def _pair(self, record: FrozenPrompt, active: Active, own: Tensor, other: int, ways: list[Way]) -> None:
        here = slice(active.below(other), active.below(other + 1))
        index, place = active.index[here].cpu(), active.position[here].cpu()
        value, found = active.activation[here].double().cpu(), self.together[other]
        first = record.n_constant_positions
        for column, way in enumerate(ways):
            for strength, total, mass, level in (
                (own, found.product, found.mass, value),
                ((own != 0).double(), found.firings, found.firing_mass, torch.ones_like(value)),
            ):
                weight = self._seen(record, strength, other, way)
                mass[column] += weight[first:].sum()
                total[:, column].index_add_(0, index, weight[place] * level)

    def _seen(self, record: FrozenPrompt, own: Float[Tensor, " P"], other: int, way: Way) -> Float[Tensor, " P"]:
        """How much each position of the other feature counts: where it is read by the one, or reads it."""
        if way.layer is None or way.head is None:
            return own
        pattern = record.blocks[way.layer].attn.pattern[way.head].double().cpu()
        return own @ pattern if other < self.layer else pattern @ own
