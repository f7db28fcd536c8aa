"""What a format is: a name, what marks its folders, and two functions."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gearscope.dictionaries.collection import DictionarySet


class Format(NamedTuple):
    """One way to keep dictionaries in a folder."""

    name: str
    """As `--to` takes it."""
    marks: str
    """The files by which its folders are known, in words."""
    fits: Callable[[Path], bool]
    """Whether a folder is one of these, by the names of its files."""
    read: Callable[[Path], DictionarySet]
    """Raises ArtifactError, DictionaryError, ConfigError."""
    write: Callable[[Path, DictionarySet], None]
    """Into a folder that exists. Raises DictionaryError for what the format has no place for."""
    needs: tuple[str, ...]
    """Patterns of the files to download; `*` stands for folders too."""
