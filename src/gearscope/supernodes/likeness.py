"""How alike the features of a graph are, by each kind of evidence, and together. No torch.

    effect      cosine of the measured changes that ablating them makes (`effects.py`), over what stands above both
    begins      cosine of where in the prompt their input begins
    sends       cosine of what they hand on, over what stands above both
    cofiring    cosine of the tokens of a corpus on which they fire, 0 for pairs that a library does not list
    label       1 for the same label, else the share of words that two labels have in common

Each is nan where nothing is known of a pair. Together: the mean of the first three, as far as they are known. What a
library says counts only where it is more than that: it lists the few features that fire most often with one, and its
labels say of the same thing now this and now that, so little in common says nothing. Knows nothing about groups.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureId
from gearscope.supernodes.profiles import cosines, cosines_above

LIBRARY_KINDS = ("cofiring", "label")


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a feature library knows of features, as plain data."""

    cofiring: Mapping[FeatureId, Mapping[FeatureId, float]] = field(default_factory=dict)
    """Feature -> those that fire most often with it, each with the cosine of when they fire."""
    labels: Mapping[FeatureId, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of K features, whose likeness is asked."""

    layer: Int[np.ndarray, " K"]
    effect: Float[np.ndarray, "K W"]
    effect_layer: Int[np.ndarray, " W"]
    begins: Float[np.ndarray, "K P"]
    sends: Float[np.ndarray, "K N"]
    sends_layer: Int[np.ndarray, " N"]
    cofiring: Float[np.ndarray, "K K"] | None = None
    label: Float[np.ndarray, "K K"] | None = None

    def kinds(self) -> dict[str, Float[np.ndarray, "K K"]]:
        """Likeness by kind; kinds of which nothing is known are absent."""
        found = {
            "effect": cosines_above(self.effect, self.layer, self.effect_layer),
            "begins": cosines(self.begins),
            "sends": cosines_above(self.sends, self.layer, self.sends_layer),
        }
        given = {"cofiring": self.cofiring, "label": self.label}
        return found | {name: table for name, table in given.items() if table is not None}

    def resampled(self, rng: np.random.Generator) -> "Evidence":
        """The same with the columns of all that is measured drawn anew, with replacement."""
        counts = {name: _drawn(getattr(self, name).shape[1], rng) for name in ("effect", "begins", "sends")}
        return Evidence(
            layer=self.layer,
            effect=self.effect * counts["effect"],
            effect_layer=self.effect_layer,
            begins=self.begins * counts["begins"],
            sends=self.sends * counts["sends"],
            sends_layer=self.sends_layer,
            cofiring=self.cofiring,
            label=self.label,
        )


def together(kinds: Mapping[str, Float[np.ndarray, "K K"]]) -> Float[np.ndarray, "K K"]:
    """The mean of what was measured of a pair and of what a library says beyond that; -1 where nothing was measured."""
    stacked = np.stack([table for kind, table in kinds.items() if kind not in LIBRARY_KINDS])
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0).sum(axis=0)
    measured = np.where(count > 0, total / np.maximum(count, 1), -1.0)
    for kind in LIBRARY_KINDS:
        if kind in kinds:
            raises = (count > 0) & (np.nan_to_num(kinds[kind], nan=-1.0) > measured)
            total, count = total + np.where(raises, kinds[kind], 0), count + raises
    return np.where(count > 0, total / np.maximum(count, 1), -1.0)


def cofiring_table(features: Sequence[FeatureId], known: Known) -> Float[np.ndarray, "K K"] | None:
    """Co-firing of every two features, nan where one of them is not in the library; None without any."""
    there = np.array([feature in known.cofiring for feature in features], dtype=bool)
    if not there.any():
        return None
    table = np.where(there[:, None] & there[None, :], 0.0, np.nan)
    place: dict[FeatureId, list[int]] = {}
    for row, feature in enumerate(features):
        place.setdefault(feature, []).append(row)
    for row, feature in enumerate(features):
        for other, share in known.cofiring.get(feature, {}).items():
            for column in place.get(other, ()):
                if there[column]:
                    table[row, column] = table[column, row] = max(table[row, column], share)
        table[row, place[feature]] = 1.0 if there[row] else np.nan
    return table


def label_table(features: Sequence[FeatureId], known: Known) -> Float[np.ndarray, "K K"] | None:
    """How much the labels of every two features have in common, nan where one has none; None without any."""
    labels = [known.labels.get(feature) for feature in features]
    if not any(labels):
        return None
    words = [None if not label else frozenset(label.lower().split()) for label in labels]
    table = np.full((len(words), len(words)), np.nan)
    for row, one in enumerate(words):
        for column, two in enumerate(words):
            if one and two:
                table[row, column] = len(one & two) / len(one | two)
    return table


def features_of(graph: AttributionGraph, rows: Iterable[int]) -> list[FeatureId]:
    """The features that stand behind some nodes."""
    return [FeatureId(int(graph.nodes.layer[i]), int(graph.nodes.index[i])) for i in rows]


def _drawn(count: int, rng: np.random.Generator) -> Float[np.ndarray, " N"]:
    """Square roots of how often each column is drawn, so that products count it so often."""
    return np.sqrt(rng.multinomial(count, np.full(count, 1 / count)).astype(np.float64)) if count else np.zeros(0)
