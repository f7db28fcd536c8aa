"""Rows that were made, kept as long as they are needed: whole while they are few, without their small entries else.

A block of rows knows what each of its rows sums to and hands influence on to what the rows read. With a tolerance, the
entries that are a smaller share of their row's absolute sum are not kept, constants excepted, so that memory is that of
the strong entries; what was made in a sweep is whole while that sweep reads it. Without one, rows are kept while they
fit a fixed amount of memory, and made again beyond it. Sums are always those of whole rows.

Influence is a pair: with rows divided by their absolute sums, and with rows divided by what is left of these without
the constants (circuit-tracer's graphs have none). Knows nothing about which rows are wanted.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.attribution.rows import RowMaker, Rows

_ROW_BYTES = 2**30
"""Memory for whole rows that are kept; without effect on results."""

_SHELF_BYTES = 2**26
"""One piece of memory for strong rows."""

_ALIGNED = 64
"""Where a tensor may begin, in bytes."""


class Influence(NamedTuple):
    """What reaches every source: in the rows as they are, and in the rows without their constants."""

    features: Float[Tensor, "2 K"]
    leaves: Float[Tensor, "2 leaves"]

    def copy(self) -> "Influence":
        """The same, to add to."""
        return Influence(self.features.clone(), self.leaves.clone())


class RowSums(NamedTuple):
    """What whole rows add up to."""

    signed: Float[Tensor, " T"]
    masses: Float[Tensor, "2 T"]
    """Absolute sums: of everything, and of everything but constants."""

    def shares(self, arriving: Float[Tensor, "2 T"]) -> Float[Tensor, "2 T"]:
        """What a row hands on for every unit of an entry."""
        return torch.where(self.masses > 0, arriving / self.masses, 0.0)

    def take(self, chosen: Bool[Tensor, " T"]) -> "RowSums":
        """Those of some rows."""
        return RowSums(self.signed[chosen], self.masses[:, chosen])


class WholeRows(NamedTuple):
    """Rows that were made together, and the features they belong to."""

    features: Int[Tensor, " T"]
    sums: RowSums
    rows: Rows

    @classmethod
    def of(cls, features: Int[Tensor, " T"], rows: Rows, constants: slice) -> "WholeRows":
        """Add up what each row holds. `constants` are the leaves that are constants."""
        entries, leaves = rows.entries, rows.leaves
        signed = entries.sum(1, dtype=torch.float64) + leaves.sum(1, dtype=torch.float64)
        mass = entries.abs().sum(1, dtype=torch.float64) + leaves.abs().sum(1, dtype=torch.float64)
        constant = leaves[:, constants].abs().sum(1, dtype=torch.float64)
        return cls(features, RowSums(signed.cpu(), torch.stack([mass, mass - constant]).cpu()), rows)

    def spread(self, arriving: Float[Tensor, "2 T"], reached: Influence) -> None:
        """Pass the rows' influence on to what they read."""
        busy = arriving.any(0).nonzero()[:, 0]
        if not len(busy):
            return
        entries, leaves = self.rows.entries, self.rows.leaves
        share = self.sums.shares(arriving)[:, busy].to(entries)
        if len(busy) < len(entries):
            entries, leaves = entries[busy], leaves[busy]
        reached.features[:, self.rows.sources.cpu()] += (share @ entries.abs()).cpu().double()
        reached.leaves.add_((share @ leaves.abs()).cpu().double())

    def take(self, chosen: Bool[Tensor, " T"]) -> "WholeRows":
        """Some of the rows."""
        return WholeRows(self.features[chosen], self.sums.take(chosen), self.rows.take(chosen))

    def strong(self, tolerance: float, n_features: int, constants: slice) -> "StrongRows":
        """The entries that are at least this share of their row's absolute sum, and all constants."""
        rows = self.rows
        whole = torch.cat([rows.entries, rows.leaves], 1)
        sources = torch.cat([rows.sources, torch.arange(rows.leaves.shape[1], device=whole.device) + n_features])
        kept = whole.abs() >= (tolerance * self.sums.masses[0, :, None]).to(whole)
        constant = slice(len(rows.sources) + constants.start, len(rows.sources) + constants.stop)
        kept[:, constant] = True
        kept &= whole != 0
        return StrongRows(
            self.features,
            self.sums,
            kept.sum(1).cpu(),
            sources[kept.nonzero()[:, 1]].to(torch.int32).cpu(),
            whole[kept].cpu(),
        )


class StrongRows(NamedTuple):
    """The same without small entries: row after row, ascending sources. Leaf i is source K + i."""

    features: Int[Tensor, " T"]
    sums: RowSums
    counts: Int[Tensor, " T"]
    sources: Int[Tensor, " E"]
    entries: Float[Tensor, " E"]

    def spread(self, arriving: Float[Tensor, "2 T"], reached: Influence) -> None:
        """Pass on what these entries hand on: less than the whole rows would."""
        if not bool(arriving.any()):
            return
        share = self.sums.shares(arriving).repeat_interleave(self.counts, dim=1)
        n_features, n_leaves = reached.features.shape[1], reached.leaves.shape[1]
        handed = share.new_zeros(2, n_features + n_leaves).index_add_(1, self.sources, share * self.entries.abs())
        reached.features.add_(handed[:, :n_features])
        reached.leaves.add_(handed[:, n_features:])

    def left_out(self) -> Float[Tensor, " T"]:
        """The share of every row's absolute sum that is not kept."""
        row = torch.arange(len(self.counts)).repeat_interleave(self.counts)
        kept = self.sums.masses[0].new_zeros(len(self.counts)).index_add_(0, row, self.entries.abs().double())
        return (1 - self.sums.shares(kept.expand(2, -1))[0]).clamp(min=0)

    def take(self, chosen: Bool[Tensor, " T"]) -> "StrongRows":
        """Some of the rows."""
        some = chosen.repeat_interleave(self.counts)
        sums, counts = self.sums.take(chosen), self.counts[chosen]
        return StrongRows(self.features[chosen], sums, counts, self.sources[some], self.entries[some])


class _Shelf:
    """Copies of what is kept, side by side in large pieces of memory.

    Each in memory of its own, among rows that come and go, they would leave holes that nothing fits into.
    """

    def __init__(self) -> None:
        self.free = torch.empty(0, dtype=torch.uint8)

    def rows(self, made: StrongRows) -> StrongRows:
        """The same rows, stored here. A piece of memory is given back when nothing in it is used any more."""
        sums = RowSums(*map(self._put, made.sums))
        features, _, *rest = made
        return StrongRows(self._put(features.cpu()), sums, *map(self._put, rest))

    def _put(self, tensor: Tensor) -> Tensor:
        n = -(-tensor.nbytes // _ALIGNED) * _ALIGNED
        if n > len(self.free):
            self.free = torch.empty(max(n, _SHELF_BYTES), dtype=torch.uint8)
        place, self.free = self.free[: tensor.nbytes], self.free[n:]
        return place.view(tensor.dtype).view(tensor.shape).copy_(tensor)


class RowStore:
    """Rows of features, each made when it is first wanted."""

    def __init__(self, maker: RowMaker, tolerance: float) -> None:
        self.maker, self.tolerance = maker, tolerance
        self.kept: list[list[WholeRows | StrongRows]] = [[] for _ in range(maker.prompt.n_layers)]
        self.known = torch.zeros(len(maker.replacement.active), dtype=torch.bool)
        self.bytes = 0
        self._shelf = _Shelf()

    def get(self, layer: int, chosen: Bool[Tensor, " K"]) -> Iterator[WholeRows | StrongRows]:
        """Blocks that together hold the rows of the chosen features of `layer`; kept ones may hold others too."""
        yield from list(self.kept[layer])
        active, constants = self.maker.replacement.active, self.maker.leaves.constants
        here = slice(active.below(layer), active.below(layer + 1))
        missing = (chosen[here] & ~self.known[here]).nonzero()[:, 0] + here.start
        for whole in self.maker.from_feature_rows(missing, partial(WholeRows.of, constants=constants)):
            if self.tolerance:  # made here: long-lived memory among that of threads would leave holes
                self._keep(layer, self._shelf.rows(whole.strong(self.tolerance, len(active), constants)))
            else:
                self.bytes += whole.rows.leaves.nbytes + whole.rows.entries.nbytes
                if self.bytes <= _ROW_BYTES:
                    self._keep(layer, whole)
            yield whole

    def forget(self, layer: int) -> None:
        """Drop the rows of a layer."""
        self.known[[number for block in self.kept[layer] for number in block.features.tolist()]] = False
        self.kept[layer].clear()

    def _keep(self, layer: int, made: WholeRows | StrongRows) -> None:
        self.kept[layer].append(made)
        self.known[made.features] = True
