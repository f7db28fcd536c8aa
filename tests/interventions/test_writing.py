"""What edits and their controls write."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from gearscope.ids import FeatureAt, FeatureId
from gearscope.interventions.basis import Basis, Level
from gearscope.interventions.changes import Change
from gearscope.interventions.writing import control_changes, norm, vectors
from gearscope.replacement.replacement import Active

N = 300


class Planted:
    """Two layers of N features with drawn decoders that write to two layers; densities where they are given."""

    def __init__(self, density: Tensor | None = None, silent: int = 0) -> None:
        generator = torch.Generator().manual_seed(0)
        self.W_dec = torch.randn(2, N, 2, 5, generator=generator) * torch.rand(2, N, 1, 1, generator=generator)
        self.W_dec[:, :silent] = 0
        self._density = density

    reads = "mlp_in"

    def n_features(self, layer: int) -> int:
        return N

    def writes(self, layer: int, index: Tensor, position: int) -> Mapping[int, Tensor]:
        return {layer + i: self.W_dec[layer, index, i] for i in range(2)}

    def levels(self, layer: int, index: Tensor, x: Tensor, routing: Tensor | None) -> Level:
        raise NotImplementedError

    def density(self, layer: int) -> Tensor | None:
        return self._density

    def maximum(self, feature: FeatureId) -> float:
        raise NotImplementedError


def nobody() -> Active:
    none = torch.zeros(0, dtype=torch.int64)
    return Active.build(none, none, none, torch.zeros(0), torch.zeros(0), n_layers=3, n_positions=4)


def active(counts: dict[int, int]) -> Active:
    """Features of layer 0 that are active at so many positions."""
    places = sorted((position, index) for index, count in counts.items() for position in range(count))
    position, index = (torch.tensor(column) for column in zip(*places, strict=True))
    ones = torch.ones(len(places))
    return Active.build(torch.zeros_like(index), position, index, ones, ones, n_layers=3, n_positions=4)


CHANGES = [
    Change(FeatureAt(0, 250, 1), "a", 2.0, -1.0),
    Change(FeatureAt(0, 251, 1), "b", 0.5, 4.5),
    Change(FeatureAt(1, 252, 3), "c", 1.0, 0.0),
]


def draw(basis: Basis, who: Active, seed: int, changes: list[Change] = CHANGES) -> list[Change]:
    return control_changes(basis, who, changes, torch.Generator().manual_seed(seed))


def test_controls_write_as_much_at_the_same_places() -> None:
    basis = Planted(silent=100)
    for seed in range(20):
        drawn = draw(basis, nobody(), seed)
        assert len({change.feature for change in (*drawn, *CHANGES)}) == 6
        for change, other in zip(CHANGES, drawn, strict=True):
            assert (other.feature.layer, other.feature.position) == (change.feature.layer, change.feature.position)
            sizes = [abs(one.delta) * norm(vectors(basis, one.feature)) for one in (change, other)]
            assert sizes[1] == pytest.approx(sizes[0], rel=1e-5)
            assert (other.delta > 0) == (change.delta > 0)
            assert other.feature.index >= 100, "a feature that writes nothing is no control"


def test_controls_vary_with_the_seed_alone() -> None:
    basis = Planted()
    assert draw(basis, nobody(), 1) == draw(basis, nobody(), 1)
    assert len({tuple(draw(basis, nobody(), seed)) for seed in range(10)}) == 10


def test_controls_are_of_like_density() -> None:
    density = torch.logspace(-5, 0, N)
    basis = Planted(density=density[torch.randperm(N, generator=torch.Generator().manual_seed(1))])
    known = basis.density(0)
    assert known is not None
    rank = known.argsort().argsort()
    for seed in range(50):
        for change, other in zip(CHANGES, draw(basis, nobody(), seed), strict=True):
            assert abs(int(rank[other.feature.index] - rank[change.feature.index])) <= 64


def test_without_densities_positions_are_counted() -> None:
    counts = {250: 3, **dict.fromkeys(range(70), 3), **dict.fromkeys(range(100, 200), 1)}
    drawn = {draw(Planted(), active(counts), seed, CHANGES[:1])[0].feature.index for seed in range(60)}
    assert drawn <= set(range(70))
    assert len(drawn) > 20


def test_a_control_may_be_missing() -> None:
    assert draw(Planted(silent=N), nobody(), 0) == []
