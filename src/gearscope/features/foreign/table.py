"""Parquet files: `features.parquet`, `examples.parquet` and `labels.parquet`, a row each. Needs pyarrow (extra `data`).

Columns of lists hold tokens and values; what is not known is null.
"""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from gearscope.errors import ConfigError
from gearscope.features.foreign.naming import Names, group_of, plain
from gearscope.features.records import FeatureRecord
from gearscope.features.store import Library

_ROWS = 1_024


def write_tables(library: Library, folder: Path, names: Names) -> None:
    """Write the three files. Raises ConfigError without pyarrow."""
    try:
        pa, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        hint = "install it with `pip install gearscope[data]`"
        raise ConfigError("pyarrow was expected, to write Parquet", found="none", hint=hint) from error
    source = {shelf.layer: name for shelf, name in zip(library.contents.shelves, names.sources, strict=True)}
    for name, rows, schema in (
        ("features", _features(library, source), _FEATURES),
        ("examples", _examples(library), _EXAMPLES),
        ("labels", _labels(library), _LABELS),
    ):
        fields = pa.schema([(column, _type(pa, kind)) for column, kind in schema.items()])
        with parquet.ParquetWriter(folder / f"{name}.parquet", fields, compression="zstd") as writer:
            for some in _some(rows):
                writer.write_table(pa.Table.from_pylist(some, schema=fields))


def _some(rows: Iterable[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    rows = iter(rows)
    while some := list(islice(rows, _ROWS)):
        yield some


def _type(pa: Any, kind: str) -> Any:
    inner = kind.removeprefix("list ")
    made = getattr(pa, inner)()
    return pa.list_(made) if inner != kind else made


_FEATURES = {
    "source": "string", "layer": "int32", "index": "int64", "fired": "int64", "density": "float64",
    "max_activation": "float32", "deciles": "list float32", "promoted": "list string", "promoted_by": "list float32",
    "suppressed": "list string", "suppressed_by": "list float32", "histogram_low": "list float64",
    "histogram_high": "list float64", "histogram": "list int64", "input_score": "float32", "output_score": "float32",
    "output_base": "float32", "label": "string", "label_score": "float64",
}  # fmt: skip
_EXAMPLES = {
    "layer": "int32", "index": "int64", "place": "int32", "position": "int32", "activation": "float32",
    "decile": "int32", "low": "float64", "high": "float64", "share": "float64", "tokens": "list string",
    "activations": "list float32",
}  # fmt: skip
_LABELS = {
    "layer": "int32", "index": "int64", "text": "string", "method": "string", "model": "string", "score": "float64",
    "baseline": "float64", "scored_by": "string", "created": "string",
}  # fmt: skip


def _features(library: Library, source: dict[int, str]) -> Iterator[dict[str, Any]]:
    for first in range(0, library.n_features, _ROWS):
        numbers = range(first, min(first + _ROWS, library.n_features))
        shown = library.notes.shown(numbers)
        for number in numbers:
            label = shown.get(number)
            row = _feature(library.record(number, examples=False), source)
            yield row | {"label": label and label.text, "label_score": label and label.score}


def _feature(record: FeatureRecord, source: dict[int, str]) -> dict[str, Any]:
    layer, index = record.feature
    same = ("fired", "density", "max_activation", "input_score", "output_score", "output_base")
    row: dict[str, Any] = {"source": source[layer], "layer": layer, "index": index}
    row |= {name: getattr(record, name) for name in same} | {"deciles": list(record.deciles)}
    for name, effects in (("promoted", record.promoted), ("suppressed", record.suppressed)):
        row |= {name: [one.text for one in effects], f"{name}_by": [one.effect for one in effects]}
    return row | {
        "histogram_low": [one.low for one in record.histogram],
        "histogram_high": [one.high for one in record.histogram],
        "histogram": [one.count for one in record.histogram],
    }


def _examples(library: Library) -> Iterator[dict[str, Any]]:
    for number in range(library.n_features):
        record = library.record(number)
        for place, example in enumerate(record.examples):
            group = group_of(record, example)
            yield {
                "layer": record.feature.layer,
                "index": record.feature.index,
                "place": place,
                "position": example.position,
                "activation": example.activation,
                "decile": example.decile,
                "low": group and group.low,
                "high": group and group.high,
                "share": group and group.share,
                "tokens": list(example.tokens),
                "activations": plain(example.activations),
            }


def _labels(library: Library) -> Iterator[dict[str, Any]]:
    for label in library.notes.all_labels():
        if 0 <= label.number < library.n_features:
            layer, index = library.feature(label.number)
            names = ("text", "method", "model", "score", "baseline", "scored_by", "created")
            yield {"layer": layer, "index": index} | {name: getattr(label, name) for name in names}
