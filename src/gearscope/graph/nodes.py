"""The nodes of a circuit as columns, and the named ranges they lie in.

Nodes are sorted by kind, in the order of `NodeKind`; a `Layout` names the range of every kind, and nobody computes
offsets. Sources: features, errors, tokens and the constants (position embeddings, first positions, biases). Targets
come last. Features are both: they receive from lower layers and send to higher ones.

A default id follows the public graph format: `{layer}_{feature}_{position}`, `{layer}_-1_{position}` for errors,
`E_{token}_{position}`, and `{layer + 1}_{index}_{position}` for targets (a logit's `layer` is the number of blocks).

Knows nothing about edges, models or files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, Shaped

from gearscope.errors import GraphError
from gearscope.ids import FeatureAt


class NodeKind(StrEnum):
    """What a node stands for; the order is the order of nodes in a graph."""

    FEATURE = "feature"
    """An active feature of the basis at one layer and position."""
    ERROR = "error"
    """What the basis does not reconstruct of one MLP output."""
    TOKEN = "token"
    """The embedding of one prompt token."""
    POSITION = "position"
    """The learned embedding of one position."""
    FIRST = "first"
    """The MLP output of one layer at a constant leading position (the beginning-of-text token)."""
    BIAS = "bias"
    """The summed effect of one layer's constant vectors."""
    TARGET = "target"
    """A salient logit, a difference of two, a feature, a probe: whatever was traced."""


KIND_ORDER = tuple(NodeKind)
Column = np.ndarray | np.number | Sequence[float | int] | float | int
CONSTANT_KINDS = (NodeKind.POSITION, NodeKind.FIRST, NodeKind.BIAS)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The range of node numbers of every kind; `constants` is positions, firsts and biases together."""

    features: slice
    errors: slice
    tokens: slice
    positions: slice
    firsts: slice
    biases: slice
    targets: slice

    @property
    def constants(self) -> slice:
        """Positions, firsts and biases: one contiguous range."""
        return slice(self.positions.start, self.biases.stop)

    @property
    def size(self) -> int:
        """The number of nodes."""
        return self.targets.stop

    def of(self, kind: NodeKind) -> slice:
        """The range of one kind."""
        return tuple(getattr(self, field.name) for field in fields(self))[KIND_ORDER.index(kind)]

    @classmethod
    def from_counts(cls, counts: Sequence[int]) -> "Layout":
        """Lay out consecutive ranges from the number of nodes of every kind, in the order of NodeKind."""
        assert len(counts) == len(KIND_ORDER), f"one count per kind ({len(KIND_ORDER)}), found {len(counts)}"
        ends = np.cumsum(counts).tolist()
        ranges = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        return cls(**{field.name: range_ for field, range_ in zip(fields(cls), ranges, strict=True)})


@dataclass(frozen=True, kw_only=True, eq=False)
class Nodes:
    """N nodes as columns, sorted by kind. Build with `Nodes.of` per kind and `Nodes.join`."""

    kind: Shaped[np.ndarray, " N"]
    """NodeKind values as an array of strings."""
    layer: Int[np.ndarray, " N"]
    """Block a feature reads at; number of blocks below a target; -1 where there is none."""
    position: Int[np.ndarray, " N"]
    """Position in the prompt; -1 where there is none."""
    index: Int[np.ndarray, " N"]
    """Feature number, token id of tokens and logits; -1 where there is none."""
    activation: Float[np.ndarray, " N"]
    """Activation of a feature; nan elsewhere."""
    probability: Float[np.ndarray, " N"]
    """Probability of a logit; nan elsewhere."""
    value: Float[np.ndarray, " N"]
    """What the row sums to: pre-activation, demeaned logit, activation for gated neurons; nan where no row is."""
    weight: Float[np.ndarray, " N"]
    """How much a target counts in influence (a logit's probability); nan elsewhere."""
    ids: tuple[str, ...]
    """Unique names."""
    labels: tuple[str, ...]
    """What to show a reader; may be empty."""

    def __post_init__(self) -> None:
        order = np.array([KIND_ORDER.index(NodeKind(kind)) for kind in self.kind.tolist()], dtype=int)
        assert (np.diff(order) >= 0).all(), f"nodes are sorted by kind: {', '.join(KIND_ORDER)}"
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        assert len(set(lengths.values())) == 1, f"columns of one length were expected, found {lengths}"
        if len(self._index_of) != len(self.ids):
            twice = next(name for i, name in enumerate(self.ids) if self._index_of[name] != i)
            raise GraphError("every node id must be there once", found=f"{twice!r} twice")

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(
        cls,
        kind: NodeKind,
        *,
        layer: Column = -1,
        position: Column = -1,
        index: Column = -1,
        activation: Column = np.nan,
        probability: Column = np.nan,
        value: Column = np.nan,
        weight: Column = np.nan,
        ids: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
    ) -> "Nodes":
        """Nodes of one kind; scalars are repeated to the length of the longest column (all scalars: one node).

        `ids` default to the public format's; bias nodes default to `bias_{layer}_{label}`.
        """
        named = [np.empty(len(names)) for names in (ids, labels) if names is not None]
        whole = [np.asarray(column, dtype=np.int64) for column in (layer, position, index)]
        real = [np.asarray(column, dtype=np.float64) for column in (activation, probability, value, weight)]
        count = max((len(np.atleast_1d(column)) for column in (*whole, *real) if np.ndim(column)), default=-1)
        count = max([count, *(len(names) for names in named)]) if count >= 0 or named else 1
        columns = [np.broadcast_to(column, (count,)).copy() for column in (*whole, *real)]
        texts = tuple(labels) if labels is not None else ("",) * count
        names = tuple(ids) if ids is not None else _default_ids(kind, *columns[:3], texts)
        return cls(
            kind=np.full(count, str(kind), dtype="<U8"),
            layer=columns[0],
            position=columns[1],
            index=columns[2],
            activation=columns[3],
            probability=columns[4],
            value=columns[5],
            weight=columns[6],
            ids=names,
            labels=texts,
        )

    @classmethod
    def join(cls, *blocks: "Nodes") -> "Nodes":
        """Put blocks of nodes one after the other; they must come in the order of NodeKind."""
        return cls(
            kind=np.concatenate([block.kind for block in blocks]),
            layer=np.concatenate([block.layer for block in blocks]),
            position=np.concatenate([block.position for block in blocks]),
            index=np.concatenate([block.index for block in blocks]),
            activation=np.concatenate([block.activation for block in blocks]),
            probability=np.concatenate([block.probability for block in blocks]),
            value=np.concatenate([block.value for block in blocks]),
            weight=np.concatenate([block.weight for block in blocks]),
            ids=tuple(name for block in blocks for name in block.ids),
            labels=tuple(label for block in blocks for label in block.labels),
        )

    def take(self, keep: Int[np.ndarray, " K"]) -> "Nodes":
        """The nodes with these numbers, which must be increasing."""
        return Nodes(
            kind=self.kind[keep],
            layer=self.layer[keep],
            position=self.position[keep],
            index=self.index[keep],
            activation=self.activation[keep],
            probability=self.probability[keep],
            value=self.value[keep],
            weight=self.weight[keep],
            ids=tuple(self.ids[i] for i in keep.tolist()),
            labels=tuple(self.labels[i] for i in keep.tolist()),
        )

    @cached_property
    def layout(self) -> Layout:
        """The named ranges."""
        return Layout.from_counts([int((self.kind == str(kind)).sum()) for kind in KIND_ORDER])

    @cached_property
    def _index_of(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.ids)}

    def find(self, node_id: str) -> int:
        """The number of the node with this id. Raises GraphError."""
        try:
            return self._index_of[node_id]
        except KeyError:
            raise GraphError("the id of a node of this graph was expected", found=repr(node_id)) from None

    def place(self, number: int) -> FeatureAt:
        """The layer, index and position of a node."""
        return FeatureAt(int(self.layer[number]), int(self.index[number]), int(self.position[number]))

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._index_of


def _default_ids(
    kind: NodeKind,
    layer: Int[np.ndarray, " N"],
    position: Int[np.ndarray, " N"],
    index: Int[np.ndarray, " N"],
    labels: tuple[str, ...],
) -> tuple[str, ...]:
    rows = zip(layer.tolist(), position.tolist(), index.tolist(), labels, strict=True)
    return tuple(default_id(kind, *row) for row in rows)


_ID_FORMS = {
    NodeKind.FEATURE: "{layer}_{index}_{position}",
    NodeKind.ERROR: "{layer}_-1_{position}",
    NodeKind.TOKEN: "E_{index}_{position}",
    NodeKind.POSITION: "position_{position}",
    NodeKind.FIRST: "first_{layer}_{position}",
    NodeKind.BIAS: "bias_{layer}_{name}",
    NodeKind.TARGET: "{above}_{index}_{position}",
}


def default_id(kind: NodeKind, layer: int, position: int, index: int, label: str = "") -> str:
    """The name of a node that was given none."""
    form = _ID_FORMS[kind]
    return form.format(layer=layer, above=layer + 1, position=position, index=index, name=_slug(label))


def _slug(label: str) -> str:
    """The words of a label before its first comma, joined by underscores."""
    return "_".join(label.split(",")[0].split())
