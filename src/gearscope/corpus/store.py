"""Pieces of text out of files, in the order of their names: the only file of the room that touches the disk.

    .txt, .md    whole lines, put together until a piece has about 1,000 characters
    .jsonl       the `text` of each line
    .parquet     the column `text` (needs pyarrow)

A folder stands for the files in it with these endings. Memory holds one piece at a time, whatever the files' sizes.
"""

import hashlib
import importlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gearscope.corpus.windows import Place
from gearscope.errors import ArtifactError

ENDINGS = (".txt", ".md", ".jsonl", ".parquet")
_PIECE_BYTES = 1_000
_LONGEST_LINE = 1_000_000
"""Bytes; a longer line of plain text is read in parts."""
_SAMPLED_BYTES = 65_536
"""Of each end of a file, for its fingerprint."""


class TextFiles:
    """The texts of files. Fulfils `corpus.windows.Texts`."""

    def __init__(self, source: Path) -> None:
        """A file or a folder. Raises ArtifactError when it holds no text."""
        self._files = _text_files(source)

    @property
    def fingerprint(self) -> str:
        """Hex digits over names, sizes and both ends of every file."""
        digest = hashlib.sha256()
        for path in self._files:
            size = path.stat().st_size
            digest.update(f"{path.name} {size} ".encode())
            with path.open("rb") as stream:
                digest.update(stream.read(_SAMPLED_BYTES))
                stream.seek(max(0, size - _SAMPLED_BYTES))
                digest.update(stream.read())
        return digest.hexdigest()[:16]

    def pieces(self, place: Place | None) -> Generator[tuple[str, Place]]:
        """Each piece with the place behind it. Raises ArtifactError for a file that cannot be read as text."""
        number, at = (0, 0) if place is None else (place["file"], place["at"])
        for index in range(number, len(self._files)):
            path = self._files[index]
            read = {".jsonl": _json_lines, ".parquet": _parquet_rows}.get(path.suffix, _lines)
            for text, behind in read(path, at):
                yield text, {"file": index, "at": behind}
            at = 0


def _text_files(source: Path) -> list[Path]:
    expected = f"a text file or a folder of them was expected at {source} ({', '.join(ENDINGS)})"
    if source.is_file():
        if source.suffix not in ENDINGS:
            raise ArtifactError(expected, found=f"a file that ends in {source.suffix or 'nothing'}")
        return [source]
    if not source.is_dir():
        raise ArtifactError(expected, found="no such file or folder")
    files = sorted(path for path in source.iterdir() if path.suffix in ENDINGS)
    if not files:
        raise ArtifactError(expected, found="a folder with none of them")
    return files


def _lines(path: Path, at: int) -> Generator[tuple[str, int]]:
    """Pieces of whole lines from byte `at` on."""
    with path.open("rb") as stream:
        stream.seek(at)
        piece = b""
        while line := stream.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE and b" " in line:
                line = line[: line.rindex(b" ") + 1]
                stream.seek(at + len(piece) + len(line))
            piece += line
            if len(piece) >= _PIECE_BYTES:
                at += len(piece)
                yield _text(path, piece, at), at
                piece = b""
        if piece:
            at += len(piece)
            yield _text(path, piece, at), at


def _text(path: Path, raw: bytes, at: int) -> str:
    try:
        return raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        found = f"other bytes near byte {at - len(raw) + error.start}"
        raise ArtifactError(f"{path} should be text in UTF-8", found=found) from error


def _json_lines(path: Path, at: int) -> Generator[tuple[str, int]]:
    """The `text` of each line from byte `at` on."""
    with path.open("rb") as stream:
        stream.seek(at)
        while line := stream.readline():
            start, at = at, at + len(line)
            if line.strip():
                yield _field(path, _text(path, line, at), start), at


def _field(path: Path, line: str, at: int) -> str:
    expected = f"{path} should hold a JSON object with a `text` in every line"
    try:
        value: Any = json.loads(line)
    except ValueError as error:
        raise ArtifactError(expected, found=f"a line that is not JSON at byte {at}") from error
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise ArtifactError(expected, found=f"a line without one at byte {at}")
    return text


def _parquet_rows(path: Path, at: int) -> Generator[tuple[str, int]]:
    """The column `text` from row `at` on."""
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")  # an extra: nothing else needs it
    except ImportError as error:
        hint = "install it with `pip install gearscope[data]`, or turn the corpus into .jsonl"
        raise ArtifactError(f"pyarrow was expected, to read {path}", found="none", hint=hint) from error
    try:
        row = 0
        with parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=64, columns=["text"]):
                if row + batch.num_rows > at:
                    for text in batch.column("text").to_pylist()[max(0, at - row) :]:
                        at += 1
                        yield text or "", at
                row += batch.num_rows
    except (OSError, KeyError, ValueError) as error:  # pyarrow's own errors are among these
        found = " ".join(str(error).split())[:200]
        raise ArtifactError(f"{path} should be a Parquet file with a column `text`", found=found) from error
