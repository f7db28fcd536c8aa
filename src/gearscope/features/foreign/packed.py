"""The feature files that graph pages read: one JSON a feature, alone or packed by layer for range requests.

features/index.json.gz           of each layer: the file's name, where each record begins, where the last one ends
features/layer_N.bin             records: uint32 (little-endian) bytes, then so many bytes of zlib-packed JSON
features/SCAN/CANTOR.json        the same JSON alone, by the Cantor number of (layer, index)

A layer that the library lacks has no file and no offsets; a feature that it lacks has an empty record.
"""

import gzip
import json
import zlib
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from gearscope.errors import ConfigError
from gearscope.features.foreign.naming import Group, Names, group_of, plain
from gearscope.features.records import Example, FeatureRecord
from gearscope.features.store import Library

_MOST_LAYERS, _MOST_INDEX = 1_000, 20_000_000


def write_packed(library: Library, folder: Path, names: Names, *, singles: bool = True) -> None:
    """Write both forms; without `singles`, the packed one. Raises ConfigError for numbers beyond what it holds."""
    out, layers = folder / "features", {shelf.layer: shelf for shelf in library.contents.shelves}
    out.mkdir(parents=True)
    if max(layers) >= _MOST_LAYERS:
        raise ConfigError(f"layers below {_MOST_LAYERS} were expected", found=str(max(layers)))
    index: list[dict[str, Any]] = []
    for layer in range(max(layers) + 1):
        offsets, name = [0], f"layer_{layer}.bin" if layer in layers else ""
        if layer in layers:
            offsets = _write_layer(library, out, name, layer, names.model if singles else None)
        index.append({"filename": name, "offsets": offsets})
    raw = json.dumps(index, separators=(",", ":")).encode()
    with (out / "index.json.gz").open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as stream:
        stream.write(raw)


def _write_layer(library: Library, out: Path, name: str, layer: int, scan: str | None) -> list[int]:
    numbers, offsets = library.numbers(layer), [0]
    last = library.feature(numbers[-1]).index
    if last > _MOST_INDEX:
        raise ConfigError(f"indices up to {_MOST_INDEX:,} were expected in layer {layer}", found=f"{last:,}")
    with (out / name).open("wb") as stream:
        for number in numbers:
            record = library.record(number)
            text = json.dumps(as_details(record, scan or ""), ensure_ascii=False, allow_nan=False).encode()
            packed = zlib.compress(text, 6)
            offsets += [offsets[-1]] * (record.feature.index + 1 - len(offsets))
            stream.write(len(packed).to_bytes(4, "little") + packed)
            offsets.append(offsets[-1] + 4 + len(packed))
            if scan is not None:
                path = out / scan / f"{cantor(layer, record.feature.index)}.json"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(text)
    return offsets


def cantor(layer: int, index: int) -> int:
    """The number of a pair."""
    return (layer + index) * (layer + index + 1) // 2 + index


def as_details(record: FeatureRecord, scan: str) -> dict[str, Any]:
    """What a graph page shows of a feature. What is not known is left out."""
    told: dict[str, Any] = {
        "transcoder_id": scan,
        "index": record.feature.index,
        "examples_quantiles": _quantiles(record),
        "top_logits": [one.text for one in record.promoted],
        "bottom_logits": [one.text for one in record.suppressed],
        "act_min": 0.0,
        "act_max": record.max_activation,
        "quantile_values": list(record.deciles),
        "histogram": [one.count for one in record.histogram],
    }
    return told if record.density is None else told | {"activation_frequency": record.density}


def _quantiles(record: FeatureRecord) -> list[dict[str, Any]]:
    """Examples by what they stand for, in their order."""
    seen: set[int] = set()
    groups = groupby(record.examples, key=lambda example: _name(example, group_of(record, example)))
    return [{"quantile_name": name, "examples": [_example(one, seen) for one in some]} for name, some in groups]


def _name(example: Example, group: Group | None) -> str:
    if example.decile == 0:
        return "Top activations"
    if group is None:
        return "Other activations"
    return f"{group.low:.3g} to {group.high:.3g}"


def _example(example: Example, seen: set[int]) -> dict[str, Any]:
    again = example.window in seen
    seen.add(example.window)
    return {
        "tokens": list(example.tokens),
        "tokens_acts_list": plain(np.asarray(example.activations)),
        "train_token_ind": example.position,
        "is_repeated_datapoint": again,
    }
