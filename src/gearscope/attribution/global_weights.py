"""The recipe for one feature over all prompts: text read, firings counted, weights worked out, ranked.

It knows nothing about where text comes from.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.attribution.coactive import Firing
from gearscope.attribution.virtual import Frame, Way, inputs_of, mean_frame, outputs_of
from gearscope.attribution.weights import Side, WeightReport, WeightRow, share
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.errors import TargetError
from gearscope.ids import FeatureId
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Active

_FOR_NORMS = 32
"""Windows whose norm scales are averaged."""


class Labelled(NamedTuple):
    """How the report names what it is of."""

    model: str
    basis: str


def weigh(
    feature: FeatureId,
    windows: Iterable[tuple[FrozenPrompt, Active]],
    coders: list[Dictionary],
    names: Labelled,
    *,
    most: int = 15,
    progress: Callable[[str, int], None] | None = None,
) -> WeightReport:
    """The strongest inputs and outputs of a feature on this text. Raises TargetError for one that is not there."""
    if feature.layer >= len(coders) or feature.index >= coders[feature.layer].config.n_features:
        raise TargetError(f"a feature of {len(coders)} layers was expected, with an index in range", found=str(feature))
    kept: list[FrozenPrompt] = []
    firing = None
    for record, active in windows:
        if len(kept) < _FOR_NORMS:
            kept.append(record)
        if firing is None:
            frame = mean_frame([record], coders)
            firing = _firing(feature, frame)
        firing.add(record, active)
        if progress is not None:
            progress("tokens", firing.tokens)
    if firing is None or not firing.fired[feature.layer][feature.index]:
        found = "none" if firing is None else f"no firing of {feature} in {firing.tokens:,} tokens"
        raise TargetError("text on which the feature fires was expected", found=found, hint="read more text (--tokens)")
    frame = mean_frame(kept, coders)
    return WeightReport(
        model=names.model,
        basis=names.basis,
        feature=str(feature),
        tokens=firing.tokens,
        fired=int(firing.fired[feature.layer][feature.index]),
        inputs=_side(firing, frame, range(feature.layer), most),
        outputs=_side(firing, frame, range(feature.layer + 1, len(coders)), most),
    )


def _firing(feature: FeatureId, frame: Frame) -> Firing:
    layer, n_layers = feature.layer, len(frame.coders)
    ways = {other: frame.ways(min(other, layer), max(other, layer)) for other in range(n_layers) if other != layer}
    return Firing(
        layer=layer,
        index=feature.index,
        ways=ways,
        n_features=[coder.config.n_features for coder in frame.coders],
    )


class _Table(NamedTuple):
    """Columns over all features and ways of one other layer."""

    layer: int
    ways: list[Way]
    virtual: Float[Tensor, "F H"]
    twera: Float[Tensor, "F H"]
    by_chance: Float[Tensor, "F H"]
    lift: Float[Tensor, "F H"]


def _side(firing: Firing, frame: Frame, layers: range, most: int) -> Side:
    tables = [_table(firing, frame, layer) for layer in layers]
    if not tables:
        return Side(strongest=(), largest=(), pairs=0, interference=0.0, interference_largest=0.0)
    largest = _rows(tables, "virtual", most)
    weight = sum(float(table.virtual.abs().sum()) for table in tables)
    unused = sum(float(table.virtual.abs()[table.lift < 1].sum()) for table in tables)
    return Side(
        strongest=_rows(tables, "twera", most),
        largest=largest,
        pairs=sum(table.virtual.numel() for table in tables),
        interference=unused / weight if weight > 0 else 0.0,
        interference_largest=share(largest),
    )


def _table(firing: Firing, frame: Frame, other: int) -> _Table:
    """TWERA of the ways between the feature and one other layer: always by the activation of who reads."""
    together, tokens = firing.together[other], max(1, firing.tokens)
    reads = other < firing.layer
    weights = inputs_of if reads else outputs_of
    virtual = weights(frame, firing.layer, firing.index, other).double().cpu()
    mean = firing.activation[other] / tokens
    density = firing.fired[other] / tokens
    if reads:
        size = float(firing.activation[firing.layer][firing.index])
        expected = together.product / size
        chance = mean[:, None] * (together.mass / size)[None]
    else:
        size_F = firing.activation[other].clamp(min=1e-30)[:, None]
        expected = together.product / size_F
        chance = (together.mass / tokens)[None].expand_as(virtual)
    by_chance = density[:, None] * together.firing_mass[None]
    lift = torch.where(by_chance > 0, together.firings / by_chance.clamp(min=1e-30), 0.0)
    return _Table(other, firing.ways[other], virtual, expected * virtual, chance * virtual, lift)


def _rows(tables: list[_Table], by: str, most: int) -> tuple[WeightRow, ...]:
    found: list[tuple[float, WeightRow]] = []
    for table in tables:
        values = getattr(table, by).abs().flatten()
        for flat in values.topk(min(most, len(values))).indices.tolist():
            index, column = divmod(flat, len(table.ways))
            lift = float(table.lift[index, column])
            row = WeightRow(
                feature=str(FeatureId(table.layer, index)),
                way=str(table.ways[column]),
                virtual=float(table.virtual[index, column]),
                twera=float(table.twera[index, column]),
                by_chance=float(table.by_chance[index, column]),
                lift=lift,
                interference=lift < 1,
            )
            found.append((float(values[flat]), row))
    return tuple(row for size, row in sorted(found, key=lambda pair: -pair[0])[:most] if size > 0)
