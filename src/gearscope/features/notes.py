"""Labels, their scores, and lists of features: what people and programs say about a finished library. No torch.

    label        many per feature, each with how it was made; a person's own come first, wherever one is shown
    score        measurements of a label beyond its main one
    list, item   features that somebody collected, with notes

It is the only file of a library that changes. Others read while it is written (WAL), and a killed writer loses only
what it had not committed. Labels are indexed by words and by groups of three characters.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gearscope.errors import ArtifactError, ConfigError
from gearscope.features.database import as_artifact_error, in_memory, open_to_read, open_to_write
from gearscope.features.records import Label, NewLabel, Score

SCHEMA = """
CREATE TABLE IF NOT EXISTS label (
    id INTEGER PRIMARY KEY, feature INTEGER NOT NULL, text TEXT NOT NULL, method TEXT NOT NULL, model TEXT,
    score REAL, baseline REAL, scored_by TEXT, details TEXT NOT NULL, created INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS label_feature ON label (feature);
CREATE VIRTUAL TABLE IF NOT EXISTS label_words USING fts5 (
    text, content='label', content_rowid='id', tokenize='porter unicode61');
CREATE VIRTUAL TABLE IF NOT EXISTS label_grams USING fts5 (
    text, content='label', content_rowid='id', tokenize='trigram', detail=none);
CREATE VIRTUAL TABLE IF NOT EXISTS gram_frequency USING fts5vocab (label_grams, row);
CREATE VIRTUAL TABLE IF NOT EXISTS word_frequency USING fts5vocab (label_words, row);
CREATE TABLE IF NOT EXISTS score (
    label INTEGER NOT NULL, name TEXT NOT NULL, value REAL, baseline REAL, n INTEGER NOT NULL,
    details TEXT NOT NULL, created TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS score_label ON score (label);
CREATE TABLE IF NOT EXISTS list (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, notes TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS item (
    list INTEGER NOT NULL, feature INTEGER NOT NULL, note TEXT NOT NULL, place INTEGER NOT NULL,
    PRIMARY KEY (list, feature)) WITHOUT ROWID;
"""
_LABEL = "id, feature, text, method, model, score, baseline, scored_by, details, created"
_BEST_FIRST = """
feature, method = 'human' DESC, CASE WHEN method = 'human' THEN id END DESC, score IS NULL,
CASE WHEN scored_by IN ('detection', 'fuzzing', 'embedding') THEN 2 * score - 1 ELSE score END DESC, id DESC
"""
"""A person's newest label; then by score, counted from a half where chance alone reaches it; then the newest."""
_INDEXES = ("label_words", "label_grams")
_AT_ONCE = 500


class Notes:
    """The notes of a library. Raises ArtifactError for a damaged file, and when it cannot be written."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, in_memory: bool = False) -> None:
        self.path, self.connection, self._in_memory = path, connection, in_memory

    @classmethod
    def read(cls, path: Path) -> "Notes":
        """Open to read; empty ones where there is no file yet."""
        if not path.exists():
            return cls(path, in_memory(SCHEMA), in_memory=True)
        return cls(path, open_to_read(path, SCHEMA, immutable=False))

    @classmethod
    def write(cls, path: Path) -> "Notes":
        """Open to write; `with Notes.write(path) as notes:` closes it."""
        return cls(path, open_to_write(path, SCHEMA))

    def __enter__(self) -> "Notes":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @property
    def empty(self) -> bool:
        """Whether they were opened before there was a file."""
        return self._in_memory

    # Labels

    def labels(self, number: int) -> list[Label]:
        """All labels of a feature, the one to show first."""
        return self._labels(f"SELECT {_LABEL} FROM label WHERE feature = ? ORDER BY {_BEST_FIRST}", (number,))

    def shown(self, numbers: Sequence[int]) -> dict[int, Label]:
        """The label to show of each of these features that has one."""
        found: dict[int, Label] = {}
        for start in range(0, len(numbers), _AT_ONCE):
            some = [int(number) for number in numbers[start : start + _AT_ONCE]]
            marks = ", ".join("?" * len(some))
            for label in self._labels(
                f"SELECT {_LABEL} FROM label WHERE feature IN ({marks}) ORDER BY {_BEST_FIRST}", some
            ):
                found.setdefault(label.number, label)
        return found

    def scored(self, at_least: float) -> dict[int, float]:
        """The score of the label that is shown, of the features where it is so high."""
        query = "SELECT DISTINCT feature FROM label WHERE score >= ?"
        with as_artifact_error(self.path):
            numbers = [int(row[0]) for row in self.connection.execute(query, (at_least,))]
        scores = {number: label.score for number, label in self.shown(numbers).items()}
        return {number: score for number, score in scores.items() if score is not None and score >= at_least}

    def by_ids(self, ids: Sequence[int]) -> list[Label]:
        """The labels with these ids."""
        found = []
        for start in range(0, len(ids), _AT_ONCE):
            some = [int(id_) for id_ in ids[start : start + _AT_ONCE]]
            marks = ", ".join("?" * len(some))
            found += self._labels(f"SELECT {_LABEL} FROM label WHERE id IN ({marks})", some)
        return found

    def labels_with(self, method: str, part: str) -> list[Label]:
        """The labels by a method whose details have this text: every label is looked at."""
        query = f"SELECT {_LABEL} FROM label WHERE method = ? AND instr(details, ?)"
        return self._labels(query, (method, part))

    def all_labels(self) -> Iterator[Label]:
        """Every label, by feature, the one to show first."""
        with as_artifact_error(self.path), closing(self.connection.cursor()) as cursor:
            for row in cursor.execute(f"SELECT {_LABEL} FROM label ORDER BY {_BEST_FIRST}"):
                yield _label(self.path, row)

    def add_labels(self, labels: Iterable[NewLabel], *, replace: bool = False) -> list[int]:
        """Store labels, all or none of them; returns their ids.

        With `replace`, earlier labels of the same feature by the same method and model go.
        """
        ids = []
        with as_artifact_error(self.path), self.connection:
            for new in labels:
                if not new.text.strip():
                    raise ConfigError(f"a label for feature number {new.number} was expected", found="empty text")
                if replace:
                    same = "SELECT id FROM label WHERE feature = ? AND method = ? AND model IS ?"
                    for (old,) in self.connection.execute(same, (new.number, new.method, new.model)).fetchall():
                        self._remove(old)
                ids.append(self._add(new))
        return ids

    def remove_label(self, label: int) -> None:
        """Remove a label, and its scores. Raises ConfigError when there is none with this id."""
        with as_artifact_error(self.path), self.connection:
            self._remove(label)

    def _add(self, new: NewLabel) -> int:
        row = (
            new.number, new.text, new.method, new.model, new.score, new.baseline, new.scored_by,
            json.dumps(new.details or {}), int(time.time()),
        )  # fmt: skip
        columns = _LABEL.removeprefix("id, ")
        added = self.connection.execute(f"INSERT INTO label ({columns}) VALUES (?,?,?,?,?,?,?,?,?)", row).lastrowid
        assert added is not None
        for index in _INDEXES:
            self.connection.execute(f"INSERT INTO {index} (rowid, text) VALUES (?, ?)", (added, new.text))
        return added

    def _remove(self, label: int) -> None:
        text = self.connection.execute("SELECT text FROM label WHERE id = ?", (label,)).fetchone()
        if text is None:
            raise ConfigError(f"a label with the id {label} was expected", found="none")
        for index in _INDEXES:
            self.connection.execute(
                f"INSERT INTO {index} ({index}, rowid, text) VALUES ('delete', ?, ?)", (label, text[0])
            )
        self.connection.execute("DELETE FROM score WHERE label = ?", (label,))
        self.connection.execute("DELETE FROM label WHERE id = ?", (label,))

    def _labels(self, query: str, values: Sequence[Any]) -> list[Label]:
        with as_artifact_error(self.path):
            return [_label(self.path, row) for row in self.connection.execute(query, values)]

    # Scores

    def scores(self, label: int) -> list[Score]:
        """What was measured of a label, the newest last."""
        query = "SELECT label, name, value, baseline, n, details, created FROM score WHERE label = ? ORDER BY rowid"
        with as_artifact_error(self.path):
            rows = self.connection.execute(query, (label,)).fetchall()
        return [Score(*row[:5], details=_details(self.path, row[5]), created=str(row[6])) for row in rows]

    def add_scores(self, scores: Iterable[Score]) -> None:
        """Store measurements, all or none; an empty `created` is now."""
        rows = [(*s[:5], json.dumps(s.details), s.created or now()) for s in scores]
        with as_artifact_error(self.path), self.connection:
            self.connection.executemany("INSERT INTO score VALUES (?,?,?,?,?,?,?)", rows)

    def set_main_score(self, label: int, scored_by: str, value: float | None, baseline: float | None) -> None:
        """Make a measurement the one by which the label is ranked."""
        with as_artifact_error(self.path), self.connection:
            self.connection.execute(
                "UPDATE label SET score = ?, baseline = ?, scored_by = ? WHERE id = ?",
                (value, baseline, scored_by, label),
            )


def now() -> str:
    """The time, as it is stored."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _label(path: Path, row: Sequence[Any]) -> Label:
    id_, number, text, method, model, score, baseline, scored_by, details, created = row
    if method not in ("human", "rule", "llm", "imported") or not isinstance(text, str):
        raise ArtifactError(f"{path} should hold labels", found=f"one by {method!r:.40}")
    try:
        figures = [None if value is None else float(value) for value in (score, baseline)]
        names = [None if value is None else str(value) for value in (model, scored_by)]
        return Label(
            int(id_), int(number), text, method, names[0], figures[0], figures[1], names[1],
            _details(path, details), datetime.fromtimestamp(int(created), UTC).isoformat(),
        )  # fmt: skip
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise ArtifactError(f"{path} should hold labels", found=str(error)) from error


def _details(path: Path, text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            return found
        raise ValueError(f"{type(found).__name__} where details are by name")
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} should hold details as JSON", found=str(error)) from error
