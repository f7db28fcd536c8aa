"""The words of a library: the string of every token, and the text of every window, indexed for words. No torch.

token      id -> string, as it is read
passage    FTS5 over the windows' text; row = window + 1. The text itself is not kept: the tokens are stored
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gearscope.errors import ConfigError
from gearscope.features.database import as_artifact_error, open_to_read

_SCHEMA = """
CREATE TABLE IF NOT EXISTS token (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS passage USING fts5 (text, content='', tokenize='unicode61');
"""


def write_text(path: Path, tokens: Iterable[str], passages: Iterable[str]) -> None:
    """Write the file, from nothing."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO token VALUES (?, ?)", enumerate(tokens))
        connection.executemany("INSERT INTO passage (rowid, text) VALUES (?, ?)", enumerate(passages, 1))
        connection.execute("INSERT INTO passage (passage) VALUES ('optimize')")
    connection.close()


class LibraryText:
    """The strings of a library. Raises ArtifactError for a damaged file."""

    def __init__(self, path: Path, n_vocabulary: int) -> None:
        self._path, self._n = path, n_vocabulary
        self._connection = open_to_read(path, _SCHEMA, immutable=True)
        self._names: np.ndarray | None = None

    @property
    def names(self) -> np.ndarray:
        """The string of every token [V], of type object; of one that is missing, its number."""
        if self._names is None:
            with as_artifact_error(self._path):
                rows = dict(self._connection.execute("SELECT id, text FROM token LIMIT ?", (self._n,)))
            self._names = np.array([str(rows.get(token, f"[{token}]")) for token in range(self._n)], object)
        return self._names

    @property
    def tokens(self) -> Sequence[str]:
        """The same as a list."""
        return self.names.tolist()

    def windows_with(self, words: str, most: int) -> list[int]:
        """Windows in which these words stand one after another, whatever is between them that is not a word."""
        phrase = '"' + words.replace('"', " ") + '"'
        query = "SELECT rowid - 1 FROM passage WHERE passage MATCH ? ORDER BY rowid LIMIT ?"
        with as_artifact_error(self._path):
            try:
                return [int(row[0]) for row in self._connection.execute(query, (phrase, most))]
            except sqlite3.OperationalError as error:
                raise ConfigError("words to search for were expected", found=repr(words)) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
