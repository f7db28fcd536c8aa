"""Export: a library to a folder that other programs read.

give(library, "packed", Path("out"))
"""

from pathlib import Path
from typing import Literal

from gearscope.artifact import new_folder
from gearscope.errors import ArtifactError
from gearscope.features.foreign.dump import write_dump
from gearscope.features.foreign.naming import Names, names_of
from gearscope.features.foreign.packed import write_packed
from gearscope.features.foreign.table import write_tables
from gearscope.features.foreign.upload import write_uploads
from gearscope.features.store import Library

Form = Literal["neuronpedia", "neuronpedia-upload", "packed", "parquet"]


def give(library: Library, form: Form, out: Path, *, model: str | None = None, source_set: str | None = None) -> int:
    """Write the folder `out`, whole or not at all; returns how many features the form could not take.

    `model` and `source_set` are what they are called there. Raises ArtifactError when `out` exists or cannot be
    written, ConfigError for what a form cannot hold.
    """
    names = names_of(library, model, source_set)
    with new_folder(out) as folder:
        try:
            return _write(library, form, folder, names)
        except ValueError as error:  # NaN, or half a character, in a file that was changed
            raise ArtifactError(
                f"finite numbers and text were expected in {library.folder}", found=str(error)
            ) from error


def _write(library: Library, form: Form, folder: Path, names: Names) -> int:
    if form == "neuronpedia-upload":
        return write_uploads(library, folder, names)
    write = {"neuronpedia": write_dump, "packed": write_packed, "parquet": write_tables}[form]
    write(library, folder, names)
    return 0
