"""JSON files of strangers: read in bounded pieces, and every value checked before it is used.

No file is unpacked beyond a limit, whatever it says of itself; NaN and infinities are no numbers; nesting ends where
Python's parser ends it. Everything that is refused raises ArtifactError, and says where.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from jaxtyping import Float

from gearscope.errors import ArtifactError


class Limits(NamedTuple):
    """What is read at most."""

    unpacked: int = 2**30
    """Bytes of one file of lines."""
    document: int = 2**29
    """Bytes of one file that is a single value, and is held in memory."""
    line: int = 2**26
    files: int = 100_000
    features: int = 4_000_000
    tokens: int = 4_096
    """Of one example."""
    text: int = 10_000
    """Characters of one string."""
    numbers: int = 100_000
    """Of one list."""
    words: int = 4_000_000
    """Different strings of tokens."""


LIMITS = Limits()


def document(path: Path, limits: Limits = LIMITS) -> "Fields":
    """A file that is one JSON object."""
    with _opened(path) as stream:
        raw = _piece(path, stream.read, limits.document, "a file")
    return Fields(parsed(raw, str(path)), str(path), limits)


def lines(path: Path, limits: Limits = LIMITS) -> Iterator["Fields"]:
    """The objects of a file with one in each line, packed or not."""
    total, number = 0, 0
    with _opened(path) as stream:
        while raw := _piece(path, stream.readline, limits.line, "lines"):
            total, number = total + len(raw), number + 1
            if total > limits.unpacked:
                raise ArtifactError(f"{path} should unpack to at most {limits.unpacked:,} bytes", found="more")
            if raw.strip():
                where = f"{path}, line {number}"
                yield Fields(parsed(raw, where), where, limits)


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise ArtifactError(f"a file was expected at {path}", found="none")
    try:
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise ArtifactError(f"{path} should be readable", found=str(error)) from error


def _piece(path: Path, read: Any, most: int, what: str) -> bytes:
    try:
        raw: bytes = read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ArtifactError(f"{path} should be a whole file", found=str(error)) from error
    if len(raw) > most:
        raise ArtifactError(f"{path} should be {what} of at most {most:,} bytes", found="more")
    return raw


def parsed(raw: bytes | str, where: str) -> Any:
    """A JSON value. Raises ArtifactError, for NaN and infinities too."""

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name}, which is no number of JSON")

    try:
        return json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{where} should be JSON", found=f"{error!s:.200}") from error


class Fields:
    """A JSON object whose values are taken by name. A value of another kind raises ArtifactError."""

    def __init__(self, value: Any, where: str, limits: Limits = LIMITS) -> None:
        self.where, self.limits = where, limits
        if not isinstance(value, dict):
            raise ArtifactError(f"{where} should be a JSON object", found=type(value).__name__)
        self.values: dict[str, Any] = value

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def objects(self, name: str) -> Iterator["Fields"]:
        """The objects of a list."""
        for number, value in enumerate(self._list(name)):
            yield Fields(value, f"{self.where}, {name} {number}", self.limits)

    def text(self, name: str, default: str | None = None) -> str:
        """A string. `default` stands for one that is not there."""
        if name not in self and default is not None:
            return default
        return self._text(name, self.values.get(name))

    def maybe_text(self, name: str) -> str | None:
        """A string, or None."""
        return self.text(name) if name in self else None

    def whole(self, name: str) -> int:
        """A whole number from 0 to 2^31, written as a number or as a string."""
        found = self.values.get(name)
        if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) <= 10:
            found = int(found)
        if type(found) is not int or not 0 <= found < 2**31:
            raise self._not(name, "a whole number below 2^31")
        return found

    def number(self, name: str, default: float = float("nan")) -> float:
        """A finite number. `default` stands for one that is not there."""
        found = self.values.get(name)
        if found is None:
            return default
        return float(self._numbers(name, [found])[0])

    def numbers(self, name: str) -> Float[np.ndarray, " K"]:
        """A list of finite numbers as float32; empty where there is none."""
        return self._numbers(name, self._list(name))

    def strings(self, name: str) -> list[str]:
        """A list of strings; empty where there is none."""
        return self.texts(name, self._list(name))

    def texts(self, name: str, found: Sequence[Any]) -> list[str]:
        """These values, if they are strings that can be stored."""
        if any(type(one) is not str or len(one) > self.limits.text for one in found):
            raise self._not(name, f"strings of at most {self.limits.text:,} characters")
        try:
            "".join(found).encode()
        except UnicodeEncodeError as error:
            raise self._not(name, "strings of whole characters") from error
        return list(found)

    def _text(self, name: str, found: Any) -> str:
        return self.texts(name, [found])[0]

    def _list(self, name: str) -> list[Any]:
        found = self.values.get(name)
        if found is None:
            return []
        if not isinstance(found, list) or len(found) > self.limits.numbers:
            raise self._not(name, f"a list of at most {self.limits.numbers:,}")
        return found

    def _numbers(self, name: str, found: list[Any]) -> Float[np.ndarray, " K"]:
        try:
            array = np.asarray(found) if found else np.zeros(0)
        except ValueError as error:
            raise self._not(name, "numbers") from error
        if array.ndim != 1 or array.dtype.kind not in "iuf" or bool in map(type, found):
            raise self._not(name, "numbers")
        if not (np.abs(array.astype(np.float64)) < 1e30).all():  # NaN is not, either
            raise self._not(name, "finite numbers")
        return array.astype(np.float32)

    def _not(self, name: str, expected: str) -> ArtifactError:
        return ArtifactError(f"{self.where} should have {expected} as {name!r}", found=f"{self.values.get(name)!r:.60}")
