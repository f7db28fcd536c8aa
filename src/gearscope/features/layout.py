"""The columns of a library's files. No torch.

F features, E examples of a file, A firings kept around them, V tokens of the vocabulary, W windows. -1 stands for no
feature. Activations are float16, which is exact to 0.05 % and holds up to 65,504; larger ones are stored as that. Those
around an example are levels: of the feature's largest activation, so many 255ths.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from gearscope.features.arrays import Column
from gearscope.features.config import LibraryConfig

KIND = "feature library"
FEATURES, CORPUS, DIRECTIONS = "features.safetensors", "corpus.safetensors", "directions.safetensors"
TEXT, NOTES, KEPT, VECTORS = "text.sqlite", "notes.sqlite", "kept.sqlite", "vectors.safetensors"
SHARD = 65_536
"""Features of one file of examples."""
BINS = 16
"""Half octaves of a histogram: the one of the maximum and those below it."""
DECILES = 9
"""Edges between tenths."""
TENTHS = DECILES + 1
LARGEST = 65_504.0


def examples_file(number: int) -> Path:
    """Where the examples of the features from `number * SHARD` on are."""
    return Path("examples") / f"{number:05d}.safetensors"


def feature_columns(n_features: int, n_vocabulary: int, config: LibraryConfig, looked_at: int) -> dict[str, Column]:
    """One row per feature; co-firing is counted on `looked_at` tokens, about."""
    F, token, together = n_features, token_type(n_vocabulary), _count_type(looked_at)
    return {
        "fired": Column("<u4", (F,)),
        "max_activation": Column("<f4", (F,)),
        "deciles": Column("<f2", (F, DECILES)),
        "histogram": Column("<u4", (F, BINS)),
        "promoted": Column(token, (F, config.effects)),
        "promoted_by": Column("<f2", (F, config.effects)),
        "suppressed": Column(token, (F, config.effects)),
        "suppressed_by": Column("<f2", (F, config.effects)),
        "triggers": Column(token, (F, config.triggers)),
        "trigger_count": Column("<u4", (F, config.triggers)),
        "neighbours": Column("<i4", (F, config.neighbours)),
        "cofiring": Column("<i4", (F, config.cofiring)),
        "cofiring_count": Column(together, (F, config.cofiring)),
        "cofiring_fired": Column(together, (F,)),
        "input_score": Column("<f2", (F,)),
        "output_score": Column("<f2", (F,)),
        "output_base": Column("<f2", (F,)),
    }


def imported_feature_columns(n_features: int, n_vocabulary: int, config: LibraryConfig) -> dict[str, Column]:
    """One row per feature of an imported library. NaN where its source does not say."""
    F, token = n_features, token_type(n_vocabulary)
    return {
        "index": Column("<u4", (F,)),
        "density": Column("<f4", (F,)),
        "max_activation": Column("<f4", (F,)),
        "promoted": Column(token, (F, config.effects)),
        "promoted_by": Column("<f4", (F, config.effects)),
        "suppressed": Column(token, (F, config.effects)),
        "suppressed_by": Column("<f4", (F, config.effects)),
    }


WEIGHT_COLUMNS = ("promoted", "promoted_by", "suppressed", "suppressed_by", "neighbours")
"""Columns that follow from weights alone."""


def weight_columns(n_features: int, n_vocabulary: int, config: LibraryConfig) -> dict[str, Column]:
    """Those of them, while a library is built."""
    columns = feature_columns(n_features, n_vocabulary, config, looked_at=1)
    return {name: columns[name] for name in WEIGHT_COLUMNS}


def example_columns(n_features: int) -> dict[str, Column]:
    """Examples of a range of features, one feature after another, and the firings around them, likewise.

    Of a feature the largest activations come first, then so many of each tenth as `tenths` says, the highest first.
    """
    return {
        "begin": Column("<u4", (n_features + 1,)),
        "place": Column("<u4", (None,)),
        "activation": Column("<f2", (None,)),
        "tenths": Column("|u1", (n_features, TENTHS)),
        "n_around": Column("|u1", (None,)),
        "around_begin": Column("<u4", (n_features + 1,)),
        "around_offset": Column("|i1", (None,)),
        "around_level": Column("|u1", (None,)),
    }


def imported_example_columns(n_features: int) -> dict[str, Column]:
    """The same of an imported library: every activation as it came, and the interval that the example stands for."""
    return {
        "begin": Column("<u4", (n_features + 1,)),
        "place": Column("<u4", (None,)),
        "activation": Column("<f4", (None,)),
        "low": Column("<f4", (None,)),
        "high": Column("<f4", (None,)),
        "share": Column("<f4", (None,)),
        "n_around": Column("<u2", (None,)),
        "around_begin": Column("<u4", (n_features + 1,)),
        "around_offset": Column("<i2", (None,)),
        "around_value": Column("<f4", (None,)),
    }


def corpus_columns(n_windows: int, context: int, n_vocabulary: int) -> dict[str, Column]:
    """The token ids, and how often each stands behind the first position of a window."""
    return {
        "tokens": Column(token_type(n_vocabulary), (n_windows, context)),
        "counts": Column("<u4", (n_vocabulary,)),
    }


def direction_columns(n_features: int, d_model: int) -> dict[str, Column]:
    """What features write, over all sites, of length 1, in steps of `scale`; and their places on the map."""
    return {
        "direction": Column("|i1", (n_features, d_model)),
        "scale": Column("<f2", (n_features,)),
        "on_map": Column("<f4", (n_features, 2)),
    }


def vector_columns(n_features: int, d_model: int) -> dict[str, Column]:
    """What features write, as an imported library's source says."""
    return {"vector": Column("<f4", (n_features, d_model))}


def in_steps(directions: Float[np.ndarray, "F D"]) -> tuple[np.ndarray, np.ndarray]:
    """Directions in whole steps, 127 of them for the largest entry of each, and the size of a step."""
    scale = (np.abs(directions).max(1) / 127).astype(np.float16)
    steps = directions / np.where(scale > 0, scale, 1).astype(np.float32)[:, None]
    return np.rint(steps).clip(-127, 127).astype(np.int8), scale


def shape(column: Column) -> tuple[int, ...]:
    """The shape of a column whose lengths are all known."""
    return tuple(length or 0 for length in column.shape)


def _count_type(expected: int) -> str:
    """A type that holds a count of which about `expected` is the most; tokens are chosen by hash, so it may be more."""
    return "<u2" if expected < 2**15 else "<u4"


def token_type(n_vocabulary: int) -> str:
    """The smallest type that holds every token."""
    return "<u2" if n_vocabulary <= 2**16 else "<u4"
