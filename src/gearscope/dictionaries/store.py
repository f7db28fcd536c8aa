"""Dictionaries on disk and on the hub: any known format in, ours or any other out. Nothing is ever unpickled."""

from pathlib import Path
from typing import Any

from gearscope.artifact import new_folder
from gearscope.dictionaries.card import card
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.formats import own
from gearscope.dictionaries.formats.files import UNREAD, not_safetensors
from gearscope.dictionaries.formats.format import Format
from gearscope.dictionaries.formats.registry import FORMATS, by_name
from gearscope.dictionaries.hub import PUBLIC, Hub, fetch, upload
from gearscope.errors import ArtifactError


def read_dictionaries(folder: Path) -> DictionarySet:
    """Open a folder of dictionaries of any format. Raises ArtifactError, DictionaryError, ConfigError."""
    return format_of(folder).read(folder)


def format_of(folder: Path) -> Format:
    """The format of a folder, by the names of its files. Raises ArtifactError."""
    if folder.is_file():
        found = f"the file {folder.name}"
        raise ArtifactError("a folder of dictionaries was expected", found=found, hint="name the folder that it is in")
    known = next((form for form in FORMATS if folder.is_dir() and form.fits(folder)), None)
    if known is not None:
        return known
    unread = sorted(p.name for p in folder.iterdir() if p.suffix in UNREAD) if folder.is_dir() else []
    if unread:
        raise not_safetensors(", ".join(unread[:3]))
    marks = [form.marks for form in FORMATS]
    raise ArtifactError(
        f"a folder of dictionaries was expected at {folder}, with {', '.join(marks[:-1])} or {marks[-1]}",
        found="none of them" if folder.is_dir() else "no such folder",
    )


def fetch_dictionaries(name: str, at: Hub = PUBLIC) -> Path:
    """The local folder of dictionaries on the hub, `hub:owner/name[/subfolder][@revision]`, downloaded if need be.

    Raises ArtifactError, ConfigError.
    """
    return fetch(name, [pattern for form in FORMATS for pattern in form.needs], at)


def write_dictionaries(
    out: Path,
    dictionaries: DictionarySet,
    *,
    inputs: dict[str, str] | None = None,
    made: dict[str, Any] | None = None,
) -> None:
    """Write our own folder, whole or not at all. Raises ArtifactError if `out` exists or cannot be written.

    `made` goes into the manifest's configuration as it is: how they were trained, what was measured of them.
    """
    with new_folder(out) as folder:
        own.write_with(folder, dictionaries, inputs=inputs or {}, made=made or {})


def write_as(out: Path, dictionaries: DictionarySet, form: str) -> None:
    """Write a new folder in the format of this name, whole or not at all.

    Raises ConfigError for an unknown name, ArtifactError, and DictionaryError for what the format cannot hold.
    """
    chosen = by_name(form)
    with new_folder(out) as folder:
        chosen.write(folder, dictionaries)


def upload_dictionaries(folder: Path, name: str, at: Hub = PUBLIC) -> str:
    """Put a folder of dictionaries on the hub, with a card; returns the address. Raises as reading does."""
    form = format_of(folder)
    return upload(folder, name, card(folder, form.read(folder), form, name), at)
