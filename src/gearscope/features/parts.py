"""Tallies on disk: what one worker counted in one stretch of text, written whole, never changed, read by features.

parts/00003/00000.safetensors      shard 3; more files where memory made it begin a new tally
tokens_begin, tokens_column, tokens_count     a table by rows, likewise bins and pairs
top_begin, top_place, ...                     kept firings by feature, likewise drawn
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from gearscope.features.arrays import Column, read_arrays, write_arrays
from gearscope.features.firings import Firings
from gearscope.features.tally import COUNTS, PER_FEATURE, TABLES, Tallied

_KEPT = ("top", "drawn")


class ShardFolder:
    """Where a shard's parts go; it has its name only when all of them are there."""

    def __init__(self, folder: Path, shard: int) -> None:
        self.path = folder / f"{shard:05d}"
        self._scratch, self._written = folder / f".{shard:05d}", 0

    def begin(self) -> None:
        """Start from nothing: what an earlier worker left unfinished goes."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)

    def add(self, tallied: Tallied) -> None:
        """Write one part."""
        write_arrays(self._scratch / f"{self._written:05d}.safetensors", _as_arrays(tallied))
        self._written += 1

    def finish(self) -> None:
        """Give the folder its name; another worker may have been faster, with the same bytes."""
        try:
            self._scratch.rename(self.path)
        except OSError:
            if not self.path.is_dir():
                raise
            shutil.rmtree(self._scratch, ignore_errors=True)


def parts_in(folder: Path) -> list[Path]:
    """The part files of all shards that are finished."""
    return sorted(path for path in folder.glob("[0-9]*/*.safetensors"))


class Part:
    """One part, mapped."""

    def __init__(self, path: Path, n_features: int, widths: dict[str, int]) -> None:
        """`widths` are the numbers of columns of the tables."""
        self._arrays, self._widths = read_arrays(path, _columns(n_features)), widths

    def entries(self) -> np.ndarray:
        """How much the part holds of each feature, about: entries."""
        return np.sum([np.diff(self._arrays[f"{name}_begin"]) for name in (*TABLES, *_KEPT)], axis=0)

    def together(self) -> np.ndarray:
        """Firings of each feature on tokens that were looked at for pairs."""
        return self._arrays["together"].astype(np.int64)

    def looked_at(self) -> int:
        """How many tokens that are."""
        return int(self._arrays["looked_at"][0])

    def rows(self, first: int, stop: int) -> Tallied:
        """What it says of some features; the rows of the tables are theirs alone."""
        tables: dict[str, Any] = {name: self._table(name, first, stop) for name in TABLES}
        counts: dict[str, Any] = {name: self._arrays[name][first:stop].astype(np.int64) for name in PER_FEATURE}
        kept: dict[str, Any] = {name: self._firings(name, first, stop) for name in _KEPT}
        return Tallied(**tables, **counts, looked_at=np.array(self._arrays["looked_at"]), **kept)

    def _table(self, name: str, first: int, stop: int) -> sparse.csr_array:
        begin = self._arrays[f"{name}_begin"][first : stop + 1]
        here = slice(int(begin[0]), int(begin[-1]))
        column, count = (self._arrays[f"{name}_{of}"][here] for of in ("column", "count"))
        shape = (stop - first, self._widths[name])
        return sparse.csr_array((count.astype(np.int64), column.astype(np.int64), begin - begin[0]), shape)

    def _firings(self, name: str, first: int, stop: int) -> Firings:
        begin, around = (self._arrays[f"{name}_{of}"][first : stop + 1] for of in ("begin", "around_begin"))
        here, near = slice(int(begin[0]), int(begin[-1])), slice(int(around[0]), int(around[-1]))
        return Firings(
            np.repeat(np.arange(first, stop), np.diff(begin)),
            self._arrays[f"{name}_place"][here].astype(np.int64),
            np.array(self._arrays[f"{name}_value"][here]),
            self._arrays[f"{name}_n_around"][here].astype(np.int64),
            np.array(self._arrays[f"{name}_around_offset"][near]),
            np.array(self._arrays[f"{name}_around_value"][near]),
        )


def _columns(n_features: int) -> dict[str, Column]:
    edges = Column("<i8", (n_features + 1,))
    columns = {name: Column("<u4", (n_features,)) for name in PER_FEATURE} | {"looked_at": Column("<i8", (1,))}
    for name in TABLES:
        some = Column("<u4", (None,))
        columns |= {f"{name}_begin": edges, f"{name}_column": some, f"{name}_count": some}
    for name in _KEPT:
        kinds = {"place": "<u4", "value": "<f4", "n_around": "|u1", "around_offset": "|i1", "around_value": "<f4"}
        columns |= {f"{name}_{of}": Column(kind, (None,)) for of, kind in kinds.items()}
        columns |= {f"{name}_begin": edges, f"{name}_around_begin": edges}
    return columns


def _as_arrays(tallied: Tallied) -> dict[str, np.ndarray]:
    n_features = len(tallied.with_next)
    arrays: dict[str, np.ndarray] = {name: getattr(tallied, name) for name in COUNTS}
    for name in TABLES:
        table: sparse.csr_array = getattr(tallied, name)
        arrays |= {f"{name}_begin": table.indptr, f"{name}_column": table.indices, f"{name}_count": table.data}
    for name in _KEPT:
        firings: Firings = getattr(tallied, name)
        begin = np.searchsorted(firings.feature, np.arange(n_features + 1))
        around = np.append(0, np.cumsum(firings.n_around))[begin]
        arrays |= {f"{name}_begin": begin, f"{name}_around_begin": around}
        arrays |= {f"{name}_{of}": getattr(firings, of) for of in Firings._fields if of != "feature"}
    return {name: np.asarray(arrays[name]).astype(column.dtype) for name, column in _columns(n_features).items()}
