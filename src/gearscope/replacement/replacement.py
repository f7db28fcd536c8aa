"""One prompt in one basis: the active features, what each reads and writes, and what is left over.

For a feature s at (layer l, position p) with activation a_s, attribution needs three things (Ameisen et al. 2025):

    what it writes     a_s · W_dec[s → m]   into the MLP output of layer m >= l, at p
    what it reads      W_enc[s]             at the MLP input of layer l, at p
    its value          ⟨W_enc[s], mlp_in⟩ + b_enc = pre-activation   (or, for gated neurons, the activation itself)

The MLP output is the sum of all writes, one bias per layer, an error per (layer, position) and, for some bases, a fixed
linear function of the MLP input, the way past the features. A basis may read before the norm instead of behind it, and
write behind the norm that some families put after the MLP instead of before it. Or it rewrites the residual stream
behind a layer: then its features read and write there, MLPs are ways, and nothing below is seen but through features.

Features are numbered by (layer, position), so that those below a target are a prefix. They have a second order, their
*columns*, by (position, layer): what layers up to some layer hold at one position is contiguous there, so all that
writes to one place is one matrix, for cross-layer dictionaries too.
Leading constant positions hold no features and no error: what stands there, less the way, are constants of the
prompt.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.errors import TargetError
from gearscope.ids import FeatureAt

ReadPlace = Literal["mlp_in", "resid_mid", "resid_post"]
WritePlace = Literal["before_post_norm", "after_post_norm", "resid_post"]


@dataclass(frozen=True, kw_only=True)
class Active:
    """The active features of a prompt, sorted by (layer, position, index)."""

    layer: Int[Tensor, " K"]
    position: Int[Tensor, " K"]
    index: Int[Tensor, " K"]
    activation: Float[Tensor, " K"]
    value: Float[Tensor, " K"]
    """What the feature's attribution row sums to."""
    bounds: Int[Tensor, "L1 P1"]
    """`bounds[l, p] .. bounds[l, p + 1]` are the features of layer l at position p; shape [L, P + 1]."""

    @classmethod
    def build(
        cls,
        layer: Int[Tensor, " K"],
        position: Int[Tensor, " K"],
        index: Int[Tensor, " K"],
        activation: Float[Tensor, " K"],
        value: Float[Tensor, " K"],
        *,
        n_layers: int,
        n_positions: int,
    ) -> "Active":
        """Check the order and find where each (layer, position) begins."""
        key = layer * n_positions + position
        assert bool((key[1:] >= key[:-1]).all()), "features must be sorted by (layer, position)"
        edges = torch.arange(n_layers * n_positions + 1, device=key.device)
        starts = torch.searchsorted(key, edges)
        per_layer = torch.arange(n_layers, device=key.device)[:, None] * n_positions
        bounds = starts[per_layer + torch.arange(n_positions + 1, device=key.device)]
        return cls(layer=layer, position=position, index=index, activation=activation, value=value, bounds=bounds)

    def __len__(self) -> int:
        return int(self.index.shape[0])

    @cached_property
    def _edges(self) -> list[list[int]]:
        return self.bounds.tolist()

    def at(self, layer: int, position: int) -> slice:
        """The features of one layer at one position."""
        return slice(*self._edges[layer][position : position + 2])

    def below(self, layer: int) -> int:
        """How many features live in layers strictly below `layer`: they are the first so many."""
        return 0 if layer == 0 else self._edges[layer - 1][-1]

    @cached_property
    def by_column(self) -> Int[Tensor, " K"]:
        """The number of the feature in every column."""
        return torch.argsort(self.position, stable=True)

    @cached_property
    def column(self) -> Int[Tensor, " K"]:
        """The column of every feature."""
        return torch.argsort(self.by_column)

    @cached_property
    def _column_edges(self) -> list[list[int]]:
        """`[p][l]`: where the columns of layer l at position p begin; one more row than there are positions."""
        n_layers = len(self.bounds)
        key = self.position[self.by_column] * n_layers + self.layer[self.by_column]
        ends = torch.arange(self.bounds.shape[1] * n_layers, device=key.device)
        return torch.searchsorted(key, ends).view(-1, n_layers).tolist()

    def columns(self, position: int, first_layer: int, last_layer: int) -> slice:
        """The columns of the features at `position` in these layers."""
        edges = self._column_edges
        stop = edges[position][last_layer + 1] if last_layer + 1 < len(self.bounds) else edges[position + 1][0]
        return slice(edges[position][first_layer], stop)

    def columns_before(self, position: int) -> int:
        """How many features stand before `position`: theirs are the first so many columns."""
        return self._column_edges[position][0]

    def take(self, chosen: Int[Tensor, " C"]) -> "Active":
        """The same prompt with only the chosen features (ascending numbers into this one)."""
        return Active.build(
            self.layer[chosen],
            self.position[chosen],
            self.index[chosen],
            self.activation[chosen],
            self.value[chosen],
            n_layers=self.bounds.shape[0],
            n_positions=self.bounds.shape[1] - 1,
        )

    def numbers(
        self, layer: Int[Tensor, " C"], position: Int[Tensor, " C"], index: Int[Tensor, " C"]
    ) -> Int[Tensor, " C"]:
        """The numbers of features that are active, in the order given."""
        width = 1 + int(torch.cat([self.index, index]).max()) if len(index) else 1
        P = self.bounds.shape[1] - 1
        own, wanted = (
            (a * P + p) * width + i for a, p, i in ((self.layer, self.position, self.index), (layer, position, index))
        )
        order = torch.argsort(own)
        found = order[torch.searchsorted(own[order], wanted).clamp(max=max(len(own) - 1, 0))]
        assert bool((own[found] == wanted).all()), "active features were expected"
        return found

    def places(self, numbers: Sequence[int] | Int[Tensor, " C"]) -> list[FeatureAt]:
        """Which features these numbers are."""
        columns = (column[numbers].tolist() for column in (self.layer, self.index, self.position))
        return [FeatureAt(*row) for row in zip(*columns, strict=True)]

    def find(self, feature: FeatureAt) -> int:
        """The number of a feature among the active ones. Raises TargetError when it is not active there."""
        n_layers, n_positions = self.bounds.shape[0], self.bounds.shape[1] - 1
        if feature.layer >= n_layers or feature.position >= n_positions:
            raise TargetError(
                f"a feature in layers 0 to {n_layers - 1} at positions 0 to {n_positions - 1} was expected",
                found=str(feature),
            )
        here = self.at(feature.layer, feature.position)
        hits = (self.index[here] == feature.index).nonzero()
        if not len(hits):
            raise TargetError(f"feature {feature} is not active on this prompt", hint="choose one that is")
        return here.start + int(hits[0])


class Write(NamedTuple):
    """What a contiguous run of columns writes into one MLP output at one position: `activation · vectors`."""

    columns: slice
    vectors: Float[Tensor, "K D"]
    activation: Float[Tensor, " K"]


class Read(NamedTuple):
    """What some features read: `value = ⟨vectors, mlp_in⟩ + constant`."""

    vectors: Float[Tensor, "T D"]
    constant: Float[Tensor, " T"]


@runtime_checkable
class Way(Protocol):
    """A linear path past the features of one layer: from what the MLP reads to what it writes."""

    @property
    def reads_at(self) -> ReadPlace:
        """Where it begins: behind the MLP's norm, or before it."""
        ...

    @property
    def writes_at(self) -> WritePlace:
        """Where it ends, in families with a norm behind the MLP."""
        ...

    @property
    def written(self) -> Float[Tensor, "P D"]:
        """The part of the MLP output that depends on what was read."""
        ...

    @property
    def constant(self) -> Float[Tensor, "P D"] | None:
        """The part that does not, where it is the way's and not the basis' bias; zero at constant positions."""
        ...

    def linear(self, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """What a change x of what is read makes of the MLP output."""
        ...

    def linear_at(self, x: Float[Tensor, "K D"], positions: Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
        """The same for vectors that stand at `positions`."""
        ...

    def adjoint(self, h: Float[Tensor, "Q T D"]) -> Float[Tensor, "Q T D"]:
        """Gradient at what is read, from the gradient at the MLP output, both at the first Q positions."""
        ...

    def adjoint_at(self, h: Float[Tensor, "K D"], positions: Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
        """The same for vectors that stand at `positions`."""
        ...


@dataclass(frozen=True)
class Skip:
    """The skip of a transcoder: `written = read @ matrix.T` at every position. Fulfils `Way`."""

    matrix: Float[Tensor, "D D"]
    written: Float[Tensor, "P D"]
    reads_at: ReadPlace
    writes_at: WritePlace

    @property
    def constant(self) -> None:
        """None."""

    def linear(self, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """The same matrix at every position."""
        return x @ self.matrix.T

    def linear_at(self, x: Float[Tensor, "K D"], positions: Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
        """The same matrix at every position."""
        return x @ self.matrix.T

    def adjoint(self, h: Float[Tensor, "Q T D"]) -> Float[Tensor, "Q T D"]:
        """The same matrix at every position."""
        return h @ self.matrix

    def adjoint_at(self, h: Float[Tensor, "K D"], positions: Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
        """The same matrix at every position."""
        return h @ self.matrix


@runtime_checkable
class Replacement(Protocol):
    """What every basis offers for one prompt."""

    @property
    def reads_at(self) -> ReadPlace:
        """Where features read: behind the MLP's norm, or before it."""
        ...

    @property
    def writes_at(self) -> WritePlace:
        """Where features, biases, errors and skips are written, in families with a norm behind the MLP."""
        ...

    @property
    def active(self) -> Active:
        """The features that are not zero."""
        ...

    @property
    def bias(self) -> Float[Tensor, "L *P D"]:
        """What each layer's MLP output (or stream) contains whatever the features are; not at constant positions.

        One vector per layer, or one per layer and position.
        """
        ...

    @property
    def error(self) -> Float[Tensor, "L P D"] | None:
        """What the basis fails to reconstruct; None for a basis that has no error by construction."""
        ...

    def writes(self, layer: int, position: int) -> Iterable[Write]:
        """Everything that features write into the MLP output (or stream) of `layer` at `position`, in few runs."""
        ...

    def read(self, chosen: Int[Tensor, " T"]) -> Read:
        """What features of ONE layer, numbered into `active`, read at `reads_at`."""
        ...

    def way(self, layer: int) -> Way | None:
        """The linear path past the features of `layer`; None when there is none."""
        ...

    def stream(self, layer: int) -> Float[Tensor, "P D"] | None:
        """The residual stream behind `layer`, where the basis rewrites it; None where it does not."""
        ...

    def take(self, chosen: Int[Tensor, " C"]) -> "Replacement":
        """The same replacement with only the chosen features as sources and targets."""
        ...
