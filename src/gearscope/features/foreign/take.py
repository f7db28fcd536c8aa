"""Import: files of another program to a library that `gearscope library` opens.

import_library(Path("20-gemmascope-res-16k"), Path("lib"))

SAEDashboard    a `batch-N.json`, or a folder of them
Neuronpedia     the folder of a source, or one above it (`v1`, a model): several sources if each is of another layer
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gearscope.artifact import new_folder, sha256
from gearscope.config import fingerprint
from gearscope.errors import ArtifactError
from gearscope.features import layout
from gearscope.features.foreign import neuronpedia, saedashboard
from gearscope.features.foreign.assemble import Assembly
from gearscope.features.foreign.files import LIMITS, Limits
from gearscope.features.notes import Notes

Report = Callable[[str, int], None]


class Taken(NamedTuple):
    """What an import has found."""

    format: str
    features: int
    labels: int
    left_out: int
    """Examples and labels of features that the files do not describe."""
    vectors: bool


def import_library(path: Path, out: Path, *, limits: Limits = LIMITS, progress: Report | None = None) -> Taken:
    """Write the folder `out`, whole or not at all. Raises ArtifactError, ConfigError for other files."""
    tell = progress or (lambda _, __: None)
    batches, sources = _found(path, limits)
    with new_folder(out) as folder:
        made = Assembly(folder, "neuronpedia" if sources else "saedashboard", limits)
        try:
            read = _read_sources(made, sources, limits, tell) if sources else _read_batches(made, batches, limits, tell)
            inputs = {"files": fingerprint([sha256(one) for one in read])}
            contents, labels = made.finish(inputs)
        finally:
            made.close()
        if labels:
            with Notes.write(folder / layout.NOTES) as notes:
                notes.add_labels(labels)
    assert contents.imported is not None
    return Taken(contents.imported.format, contents.n_features, len(labels), made.left_out, contents.imported.vectors)


def _found(path: Path, limits: Limits) -> tuple[list[Path], list[Path]]:
    """SAEDashboard's batches, or the folders of Neuronpedia's sources."""
    batches, sources = [path] if path.is_file() else [], []
    if path.is_dir():
        sources = neuronpedia.sources_in(path)
        batches = [] if sources else sorted(path.glob("batch-*.json"), key=lambda one: (len(one.name), one.name))
    if not batches and not sources:
        expected = f"a batch-N.json of SAEDashboard, a folder of them or a Neuronpedia source was expected at {path}"
        raise ArtifactError(expected, found="none", hint="a source is a folder with features/batch-N.jsonl.gz in it")
    if len(batches) > limits.files or len(sources) > limits.files:
        raise ArtifactError(f"at most {limits.files:,} files were expected in {path}", found="more")
    return batches, sources


def _read_batches(made: Assembly, batches: list[Path], limits: Limits, tell: Report) -> list[Path]:
    for path in batches:
        for source, feature, examples in saedashboard.read_batch(path, limits):
            made.add_feature(source, feature)
            for example in examples:
                made.add_example(source, feature.index, example)
            tell("features read", 1)
    return batches


def _read_sources(made: Assembly, folders: list[Path], limits: Limits, tell: Report) -> list[Path]:
    read = []
    for folder in folders:
        parts = {kind: neuronpedia.batches(folder, kind) for kind in ("features", "activations", "explanations")}
        if sum(map(len, parts.values())) > limits.files:
            raise ArtifactError(f"at most {limits.files:,} files were expected in {folder}", found="more")
        for path in parts["features"]:
            for source, feature in neuronpedia.read_features(path, limits):
                made.add_feature(source, feature)
                tell("features read", 1)
        for path in parts["activations"]:
            for source, index, example in neuronpedia.read_examples(path, limits):
                made.add_example(source, index, example)
                tell("examples read", 1)
        for path in parts["explanations"]:
            for source, index, label in neuronpedia.read_labels(path, limits):
                made.add_label(source, index, label)
                tell("labels read", 1)
        read += [path for paths in parts.values() for path in paths]
    return read
