"""Neuronpedia's dumps: `v1/MODEL/SOURCE/{features,activations,explanations}/batch-N.jsonl.gz`, one object a line.

A source is `LAYER-SET`, with `__SUFFIX` where a set has several for a layer. `index` is a string in dumps of the
database, and a number in converted ones. What an activation says of single tokens beyond its values (direct effects,
losses) is not taken over.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from gearscope.errors import ArtifactError
from gearscope.features.foreign.files import LIMITS, Fields, Limits, lines
from gearscope.features.foreign.parsed import (
    ForeignExample,
    ForeignFeature,
    ForeignLabel,
    Source,
    example,
    kept,
    tokens_with_values,
)
from gearscope.features.foreign.saedashboard import NUMBERS as DASHBOARD_NUMBERS

FORMAT = "neuronpedia"
NUMBERS = (
    *DASHBOARD_NUMBERS, "topkCosSimIndices", "topkCosSimValues", "vectorDefaultSteerStrength", "umap_x", "umap_y",
    "umap_cluster", "umap_log_feature_sparsity",
)  # fmt: skip
TEXTS = ("sourceSetName", "createdAt", "vectorLabel", "hookName")
_SOURCE = re.compile(r"(\d{1,4})-[\w.+-]{1,200}")


def sources_in(folder: Path) -> list[Path]:
    """The folders of sources in a dump: this one, or below it. In the order of their names."""
    depths = ("", "*", "*/*", "*/*/*")
    found = {p.parent for depth in depths for p in folder.glob(f"{depth}/features" if depth else "features")}
    return sorted(path for path in found if batches(path, "features"))


def batches(folder: Path, kind: str) -> list[Path]:
    """The files of one kind of a source, by number."""
    found = [*(folder / kind).glob("batch-*.jsonl.gz"), *(folder / kind).glob("batch-*.jsonl")]
    return sorted(found, key=lambda path: (len(path.name), path.name))


def source_of(fields: Fields) -> Source:
    """The source that a line belongs to."""
    name = fields.text("layer")
    match = _SOURCE.fullmatch(name)
    if match is None:
        hint = "a source is called LAYER-SET, for instance 20-gemmascope-res-16k"
        raise ArtifactError(f"{fields.where} should name its source as 'layer'", found=f"{name!r:.60}", hint=hint)
    return Source(fields.text("modelId"), name, int(match[1]), fields.maybe_text("hookName") or None, None)


def read_features(path: Path, limits: Limits = LIMITS) -> Iterator[tuple[Source, ForeignFeature]]:
    """The features of one file. Raises ArtifactError."""
    for fields in lines(path, limits):
        vector = fields.numbers("vector")
        yield (
            source_of(fields),
            ForeignFeature(
                index=fields.whole("index"),
                density=fields.number("frac_nonzero"),
                largest=fields.number("maxActApprox"),
                promoted=tokens_with_values(fields, "pos_str", "pos_values"),
                suppressed=tokens_with_values(fields, "neg_str", "neg_values"),
                vector=vector if len(vector) else None,
                kept=kept(fields, NUMBERS, TEXTS),
            ),
        )


def read_examples(path: Path, limits: Limits = LIMITS) -> Iterator[tuple[Source, int, ForeignExample]]:
    """The activations of one file, each with its feature's index. Raises ArtifactError."""
    for fields in lines(path, limits):
        found = example(fields, at="qualifyingTokenIndex", low="binMin", high="binMax", share="binContains")
        yield source_of(fields), fields.whole("index"), found


def read_labels(path: Path, limits: Limits = LIMITS) -> Iterator[tuple[Source, int, ForeignLabel]]:
    """The explanations of one file that say something, each with its feature's index. Raises ArtifactError."""
    for fields in lines(path, limits):
        text = fields.text("description", "")
        if text.strip():
            yield source_of(fields), fields.whole("index"), _label(fields, text)


def _label(fields: Fields, text: str) -> ForeignLabel:
    score = next(iter(fields.objects("scores")), None)
    value = None if score is None or "value" not in score else score.number("value")
    by = None if score is None else score.maybe_text("explanationScoreTypeName")
    details = {name: fields.text(name) for name in ("typeName", "authorId") if name in fields}
    return ForeignLabel(text, fields.maybe_text("explanationModelName"), value, by, details)
