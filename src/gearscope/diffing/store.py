"""A comparison on disk; the only file of this room that touches it.

manifest.json     kind "model diff": settings, fingerprints of both models and of the corpus, checksums
report.json       the `DiffReport`
report.txt        the same in words
crosscoder/       the dictionary: reads and writes a:SITE and b:SITE
changes/          the directions that changes are made of, as another one; where changes were looked for
"""

from pathlib import Path

from gearscope.artifact import new_folder, read_manifest, write_manifest, write_text
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.store import read_dictionaries, write_dictionaries
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.report import DiffReport
from gearscope.diffing.text import text_of

KIND = "model diff"
REPORT, WORDS, CROSSCODER, CHANGES = "report.json", "report.txt", "crosscoder", "changes"


def write_diff(
    out: Path,
    report: DiffReport,
    dictionary: Dictionary,
    config: DiffConfig,
    inputs: dict[str, str],
    *,
    changes: Dictionary | None = None,
) -> None:
    """Write the folder whole or not at all. Raises ArtifactError when `out` exists or cannot be written."""
    with new_folder(out) as folder:
        for name, made in {CROSSCODER: dictionary, CHANGES: changes}.items():
            if made is not None:
                both = DictionarySet(dictionaries=(made,), model=f"{report.a} and {report.b}")
                write_dictionaries(folder / name, both, inputs=inputs)
        write_text(folder / REPORT, report.to_json() + "\n")
        write_text(folder / WORDS, text_of(report) + "\n")
        write_manifest(folder, KIND, config=config.model_dump(mode="json"), inputs=inputs)


def read_diff(folder: Path) -> tuple[DiffReport, Dictionary]:
    """A stored comparison. Raises ArtifactError, ConfigError, DictionaryError."""
    read_manifest(folder, KIND)
    return DiffReport.from_file(folder / REPORT), read_dictionaries(folder / CROSSCODER).dictionaries[0]
