"""Lists of features with notes: kept in a library's notes, exported and imported as one JSON file. No torch.

    {"kind": "feature list", "format_version": 1, "inputs": {"model": ..., "dictionaries": ...},
     "name": ..., "notes": ..., "features": [{"feature": "2/417", "note": ...}, ...], ...}

A list names the model and the dictionaries that it was made on; one that was made on others is refused.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gearscope.artifact import birth_certificate, read_certificate, write_text
from gearscope.errors import ArtifactError, ConfigError, GearscopeError
from gearscope.features.database import as_artifact_error
from gearscope.features.notes import Notes, now
from gearscope.features.records import FeatureList, Listed
from gearscope.features.store import Library
from gearscope.ids import FeatureId

KIND = "feature list"
_LONGEST = 10_000
"""Characters of a name or a note."""


def list_names(library: Library) -> list[str]:
    """The names of all lists."""
    with as_artifact_error(library.notes.path):
        return [str(row[0]) for row in library.notes.connection.execute("SELECT name FROM list ORDER BY name")]


def read_list(library: Library, name: str) -> FeatureList:
    """A list. Raises ConfigError when there is none with this name."""
    notes = library.notes
    with as_artifact_error(notes.path):
        row = notes.connection.execute("SELECT id, notes, created FROM list WHERE name = ?", (name,)).fetchone()
        if row is None:
            known = ", ".join(list_names(library)) or "none"
            raise ConfigError(f"a list of {library.folder} was expected ({known})", found=repr(name))
        items = "SELECT feature, note FROM item WHERE list = ? ORDER BY place"
        rows = notes.connection.execute(items, (row[0],)).fetchall()
    listed = tuple(Listed(library.feature(int(number)), str(note)) for number, note in rows)
    return FeatureList(name, str(row[1]), listed, str(row[2]))


def write_list(library: Library, name: str, features: Sequence[Listed], *, notes: str = "") -> FeatureList:
    """Store a list, in the place of one with the same name. Raises ConfigError, TargetError for unknown features."""
    if not name.strip() or max(map(len, (name, notes, *(listed.note for listed in features)))) > _LONGEST:
        raise ConfigError(f"a name and notes of at most {_LONGEST} characters were expected", found="none, or longer")
    rows = list({library.number(listed.feature): listed.note for listed in features}.items())
    with library.write_notes() as opened:
        _write(opened, name, notes, rows)
    return read_list(library, name)


def _write(opened: Notes, name: str, notes: str, rows: Sequence[tuple[int, str]]) -> None:
    connection = opened.connection
    with as_artifact_error(opened.path), connection:
        kept = "INSERT INTO list (name, notes, created) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET notes = ?"
        connection.execute(kept, (name, notes, now(), notes))
        number = connection.execute("SELECT id FROM list WHERE name = ?", (name,)).fetchone()[0]
        connection.execute("DELETE FROM item WHERE list = ?", (number,))
        connection.executemany(
            "INSERT INTO item VALUES (?, ?, ?, ?)", [(number, of, note, at) for at, (of, note) in enumerate(rows)]
        )


def add_to_list(library: Library, name: str, features: Sequence[Listed]) -> FeatureList:
    """Add features to a list, which is made when it is not there; a new note takes the place of an older one."""
    known = read_list(library, name) if name in list_names(library) else FeatureList(name, "", (), "")
    return write_list(library, name, [*known.features, *features], notes=known.notes)


def remove_list(library: Library, name: str) -> None:
    """Remove a list. Raises ConfigError when there is none with this name."""
    read_list(library, name)
    with library.write_notes() as opened, as_artifact_error(opened.path), opened.connection:
        opened.connection.execute("DELETE FROM item WHERE list = (SELECT id FROM list WHERE name = ?)", (name,))
        opened.connection.execute("DELETE FROM list WHERE name = ?", (name,))


def export_list(library: Library, name: str, out: Path) -> None:
    """Write a list as a file. Raises ConfigError for an unknown list, ArtifactError."""
    found = read_list(library, name)
    features = [{"feature": str(listed.feature), "note": listed.note} for listed in found.features]
    told: dict[str, Any] = birth_certificate(KIND, config={}, inputs=library.inputs)
    told |= {"name": found.name, "notes": found.notes, "features": features}
    write_text(out, json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def import_list(library: Library, path: Path) -> FeatureList:
    """Store the list in a file. Raises ArtifactError for a damaged one or one of another model or dictionary."""
    told = read_certificate(path, KIND)
    for what in ("model", "dictionaries"):
        of = told.get("inputs", {}).get(what) if isinstance(told.get("inputs"), dict) else None
        if of != library.inputs.get(what):
            hint = "lists belong to the features that they were made of"
            raise ArtifactError(f"{path} should be a list of the {what} of {library.folder}", found=f"{of}", hint=hint)
    try:
        listed = [Listed(FeatureId.parse(one["feature"]), str(one.get("note", ""))) for one in told["features"]]
        return write_list(library, str(told["name"]), listed, notes=str(told.get("notes", "")))
    except (KeyError, TypeError, AttributeError, GearscopeError) as error:
        raise ArtifactError(f"{path} should hold a list of features", found=str(error)) from error
