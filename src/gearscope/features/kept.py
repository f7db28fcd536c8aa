"""What the source of an imported library says of features and no column holds, as it came. No torch.

kept     number of a feature -> a JSON object, by the source's own names
"""

import itertools
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gearscope.errors import ArtifactError
from gearscope.features.database import as_artifact_error, open_to_read
from gearscope.features.records import Bin

_LARGEST = 1e30
_SCHEMA = "CREATE TABLE IF NOT EXISTS kept (feature INTEGER PRIMARY KEY, fields TEXT NOT NULL);"


def write_kept(path: Path, rows: Iterable[tuple[int, str]]) -> None:
    """Write the file: numbers of features and JSON objects."""
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO kept VALUES (?, ?)", rows)
    connection.close()


class Kept:
    """The file, read. Raises ArtifactError for a damaged one."""

    def __init__(self, path: Path) -> None:
        self._path, self._connection = path, open_to_read(path, _SCHEMA, immutable=True)

    def of(self, number: int) -> dict[str, Any]:
        """What is kept of a feature."""
        with as_artifact_error(self._path):
            row = self._connection.execute("SELECT fields FROM kept WHERE feature = ?", (number,)).fetchone()
        try:
            found = {} if row is None else json.loads(row[0])
            if isinstance(found, dict):
                return found
            raise ValueError(f"{type(found).__name__} where fields are by name")
        except (TypeError, ValueError, RecursionError) as error:
            raise ArtifactError(f"{self._path} should hold fields as JSON", found=str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def bars(kept: dict[str, Any]) -> tuple[Bin, ...]:
    """The histogram of activations: the middles of bars of equal width, and their heights. Empty where there is none.

    Bars that are damaged are none.
    """
    middles, heights = _numbers(kept, "freq_hist_data_bar_values"), _numbers(kept, "freq_hist_data_bar_heights")
    if not middles or len(middles) != len(heights):
        return ()
    inner = [(low + high) / 2 for low, high in itertools.pairwise(middles)]
    first, last = (inner[0], inner[-1]) if inner else (middles[0], middles[0])
    edges = [2 * middles[0] - first, *inner, 2 * middles[-1] - last]
    return tuple(Bin(low, high, round(n)) for low, high, n in zip(edges[:-1], edges[1:], heights, strict=True))


def alike(kept: dict[str, Any]) -> list[tuple[int, float]]:
    """Indices of features of the same source that write alike, with cosines."""
    indices, cosines = _numbers(kept, "topkCosSimIndices"), _numbers(kept, "topkCosSimValues")
    if len(indices) != len(cosines):
        return []
    return [(int(index), cosine) for index, cosine in zip(indices, cosines, strict=True) if index >= 0]


def _numbers(kept: dict[str, Any], name: str) -> list[float]:
    found = kept.get(name)
    if not isinstance(found, list) or any(type(v) not in (int, float) or not abs(v) < _LARGEST for v in found):
        return []
    return [float(value) for value in found]
