"""Neuronpedia's upload batches, written: the bodies of `POST /api/features/upload-batch`, 128 features each.

What its interface refuses is not written: features without an example or with an index above 10^7 are left out and
counted; longer windows are cut around their token, longer labels to 512 characters. Names of methods and models have
to be registered there first.
"""

import json
from pathlib import Path
from typing import Any

from gearscope.features.foreign.naming import Names, group_of, plain, written
from gearscope.features.records import Example, FeatureRecord, TokenEffect
from gearscope.features.store import Library

FEATURES, TOKENS, EFFECTS, LABEL, INDEX = 128, 1_024, 20, 512, 10_000_000
_MOST_LABELS = 20


def write_uploads(library: Library, folder: Path, names: Names) -> int:
    """Write a folder of batches for each source; returns how many features were left out."""
    left_out = 0
    for shelf, source in zip(library.contents.shelves, names.sources, strict=True):
        out, batch, written_batches = folder / source, list[dict[str, Any]](), 0
        out.mkdir(parents=True)
        numbers = library.numbers(shelf.layer)
        for number in numbers:
            record = library.record(number)
            if record.examples and record.feature.index <= INDEX:
                batch.append(_feature(library, record))
            else:
                left_out += 1
            if batch and (len(batch) == FEATURES or number == numbers[-1]):
                body = {"modelId": names.model, "source": source, "features": batch}
                text = json.dumps(body, ensure_ascii=False, allow_nan=False)
                (out / f"batch-{written_batches}.json").write_text(text, encoding="utf-8")
                batch, written_batches = [], written_batches + 1
    return left_out


def _feature(library: Library, record: FeatureRecord) -> dict[str, Any]:
    labels = library.notes.labels(record.number)[:_MOST_LABELS]
    told: dict[str, Any] = {
        "index": record.feature.index,
        "topLogits": _effects(record.promoted),
        "bottomLogits": _effects(record.suppressed),
        "explanations": [
            {"text": _cut(written(label.text)), "methodName": str(label.details.get("typeName", label.method))}
            | ({} if label.model is None else {"modelName": label.model})
            for label in labels
        ],
        "activations": [_activation(record, example) for example in record.examples],
    }
    return told if record.density is None else told | {"density": record.density}


def _cut(text: str) -> str:
    return text if len(text) <= LABEL else f"{text[: LABEL - 1]}…"


def _effects(effects: tuple[TokenEffect, ...]) -> list[dict[str, Any]]:
    return [{"token": written(one.text), "value": one.effect} for one in effects[:EFFECTS]]


def _activation(record: FeatureRecord, example: Example) -> dict[str, Any]:
    first = max(0, min(example.position - TOKENS // 2, len(example.tokens) - TOKENS))
    kept = slice(first, first + TOKENS)
    told: dict[str, Any] = {
        "tokens": [written(token) for token in example.tokens[kept]],
        "values": plain(example.activations[kept]),
    }
    group = group_of(record, example)
    if group is not None:
        told |= {"quantileMin": group.low, "quantileMax": group.high}
        told |= {} if group.share is None else {"quantileFraction": group.share}
    return told
