"""SQLite files that may come from strangers. No torch.

A file is opened read-only, with no extension and no trust in its schema, and only if its schema is exactly ours: a
view or a trigger that somebody added would run with our queries. Finished files are opened as immutable, which needs no
lock and no writable folder.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from gearscope.artifact import unwritable
from gearscope.errors import ArtifactError

_LONGEST_VALUE = 10_000_000
_WAIT_SECONDS = 30.0


def open_to_read(path: Path, schema: str, *, immutable: bool) -> sqlite3.Connection:
    """A connection that cannot write. Raises ArtifactError for a file that is not a database of this schema."""
    where = f"file:{quote(str(path.resolve()))}?mode=ro"
    with as_artifact_error(path):
        if not path.is_file():
            raise ArtifactError(f"a database was expected at {path}", found="none")
        try:
            return _checked(path, f"{where}&immutable=1" if immutable else where, schema)
        except sqlite3.OperationalError:  # a folder that cannot be written has no place for the log's index
            if immutable:
                raise
            return _checked(path, f"{where}&immutable=1", schema)


def open_to_write(path: Path, schema: str) -> sqlite3.Connection:
    """A connection that writes while others read (write-ahead log); the file is made when it is not there."""
    with as_artifact_error(path):
        if path.exists():
            open_to_read(path, schema, immutable=False).close()
        try:
            connection = _connect(f"file:{quote(str(path.resolve()))}?mode=rwc")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(schema)
        except sqlite3.OperationalError as error:
            raise unwritable(path, OSError(str(error))) from error
        return connection


def in_memory(schema: str) -> sqlite3.Connection:
    """An empty database of this schema."""
    connection = _connect(":memory:")
    connection.executescript(schema)
    return connection


@contextmanager
def as_artifact_error(path: Path | str) -> Generator[None]:
    """Turn what sqlite3 raises for a damaged file into one sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise ArtifactError(f"{path} should be a whole database of a library", found=str(error)) from error


def _connect(where: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        where, uri=True, check_same_thread=False, timeout=_WAIT_SECONDS, isolation_level="IMMEDIATE"
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    return connection


def _checked(path: Path, where: str, schema: str) -> sqlite3.Connection:
    connection = _connect(where)
    try:
        for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON"):
            connection.execute(f"PRAGMA {pragma}")
        found, expected = _schema(connection), _schema(in_memory(schema))
        if found != expected:
            names = sorted({str(row[1]) for row in found ^ expected})
            raise ArtifactError(f"{path} should have the tables of a library", found=f"other {', '.join(names)[:200]}")
    except BaseException:
        connection.close()
        raise
    return connection


def _schema(connection: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    return set(connection.execute("SELECT type, name, sql FROM sqlite_master"))
