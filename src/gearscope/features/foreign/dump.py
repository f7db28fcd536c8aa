"""Neuronpedia's dump form, written: `v1/MODEL/SOURCE/{features,activations,explanations}/batch-N.jsonl.gz`.

1,024 features a batch. What a library does not know is left out or empty; what it kept of its source goes back by the
source's own names.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gearscope.features.foreign.naming import TOP, Names, group_of, number, plain, written
from gearscope.features.records import Example, FeatureRecord, Label
from gearscope.features.store import Library

BATCH = 1_024
_LEVEL = 5


def write_dump(library: Library, folder: Path, names: Names) -> None:
    """Write all sources of a library under `folder`."""
    for shelf, source in zip(library.contents.shelves, names.sources, strict=True):
        out, numbers = folder / "v1" / names.model / source, library.numbers(shelf.layer)
        out.mkdir(parents=True)
        chosen = source.partition("-")[2].partition("__")[0]
        about = {"modelId": names.model, "layer": source, "sourceSetName": chosen}
        _write(out / "model.jsonl", [{"id": names.model}])
        _write(out / "sourceset.jsonl", [{"modelId": names.model, "name": chosen}])
        _write(out / "source.jsonl", [{"id": source, "modelId": names.model, "setName": chosen}])
        for batch, first in enumerate(range(numbers.start, numbers.stop, BATCH)):
            _write_batch(library, out, f"batch-{batch}.jsonl.gz", range(first, min(first + BATCH, numbers.stop)), about)


def _write_batch(library: Library, out: Path, name: str, numbers: range, about: dict[str, str]) -> None:
    for kind in ("features", "activations", "explanations"):
        (out / kind).mkdir(exist_ok=True)
    place = {key: about[key] for key in ("modelId", "layer")}
    _write(out / "features" / name, (_feature(library, library.record(n, examples=False), about) for n in numbers))
    _write(out / "activations" / name, (row for n in numbers for row in _activations(library, n, place)))
    labels = ((n, label) for n in numbers for label in library.notes.labels(n))
    _write(out / "explanations" / name, (_explanation(library, n, label, place) for n, label in labels))


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A file of lines; packed ones hold no time, so that equal rows are equal bytes."""
    text = (json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n" for row in rows)
    if path.suffix != ".gz":
        path.write_text("".join(text), encoding="utf-8")
        return
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as stream:
        stream.writelines(line.encode() for line in text)


def _feature(library: Library, record: FeatureRecord, about: dict[str, str]) -> dict[str, Any]:
    vector = library.vector(record.number)
    reads = record.shelf.reads
    row: dict[str, Any] = about | {
        "index": str(record.feature.index),
        "maxActApprox": number(record.max_activation),
        "hasVector": vector is not None,
        "vector": [] if vector is None else plain(vector),
        "hookName": reads[0] if reads else None,
    }
    if record.density is not None:
        row["frac_nonzero"] = number(record.density) if record.fired is None else record.density
    for name, effects in (("pos", record.promoted), ("neg", record.suppressed)):
        row[f"{name}_str"] = [written(effect.text) for effect in effects]
        row[f"{name}_values"] = plain(np.array([effect.effect for effect in effects], np.float32))
    if record.fired is not None:
        row |= _built(record)
    return row | {name: value for name, value in record.kept.items() if name not in row or row[name] is None}


def _built(record: FeatureRecord) -> dict[str, Any]:
    """What libraries of our own know: neighbours of the same layer, and the middles of the histogram's bins."""
    near = [one for one in record.neighbours if one.feature.layer == record.feature.layer]
    return {
        "topkCosSimIndices": [one.feature.index for one in near],
        "topkCosSimValues": plain(np.array([one.cosine for one in near], np.float32)),
        "freq_hist_data_bar_values": [(b.low + b.high) / 2 for b in record.histogram],
        "freq_hist_data_bar_heights": [b.count for b in record.histogram],
    }


def _activations(library: Library, row: int, place: dict[str, str]) -> Iterator[dict[str, Any]]:
    record = library.record(row)
    for at, example in enumerate(record.examples):
        values = plain(example.activations)
        largest = int(np.argmax(example.activations))
        yield place | {
            "id": f"{place['modelId']}-{place['layer']}-{record.feature.index}-{at}",
            "index": str(record.feature.index),
            "tokens": [written(token) for token in example.tokens],
            "values": values,
            "maxValue": values[largest],
            "maxValueTokenIndex": largest,
            "minValue": min(values),
            "qualifyingTokenIndex": example.position,
            **_interval(record, example),
        }


def _interval(record: FeatureRecord, example: Example) -> dict[str, Any]:
    group = group_of(record, example)
    if group is not None:
        return dict(zip(("binMin", "binMax", "binContains"), map(number, group), strict=True))
    if example.decile == 0:
        return {"binMin": TOP, "binMax": number(record.max_activation), "binContains": TOP}
    return {"binMin": None, "binMax": None, "binContains": None}


def _explanation(library: Library, row: int, label: Label, place: dict[str, str]) -> dict[str, Any]:
    index = str(library.feature(row).index)
    scores: Sequence[dict[str, Any]] = []
    if label.score is not None:
        scores = [{"value": label.score, "explanationScoreTypeName": label.scored_by or "unknown"}]
    return place | {
        "id": f"{place['modelId']}-{place['layer']}-{index}-{label.id}",
        "index": index,
        "description": written(label.text),
        "typeName": str(label.details.get("typeName", label.method)),
        "explanationModelName": label.model,
        "scores": scores,
    }
