"""safetensors files as numpy arrays that are mapped into memory, read by row and written bit by bit. No torch.

The format is eight bytes with the length of a JSON header, the header (name -> dtype, shape, offsets), then the data.
Its own library reads whole tensors and takes them whole to write them; a library of features is larger than memory and
is read a few rows at a time. Sizes are checked against the file before anything is mapped.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gearscope.errors import ArtifactError

_TYPES = {
    "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_LONGEST_HEADER = 1_000_000
_ALIGNED = 8


class Column(NamedTuple):
    """What an array should be: its type, and its shape, None where any length fits."""

    dtype: str
    shape: tuple[int | None, ...]

    def fits(self, array: np.ndarray) -> bool:
        """Whether an array is one of these."""
        lengths = zip(self.shape, array.shape, strict=False)
        same = array.ndim == len(self.shape) and all(wanted in (None, found) for wanted, found in lengths)
        return same and array.dtype == np.dtype(self.dtype)


def read_arrays(path: Path, columns: Mapping[str, Column]) -> dict[str, np.ndarray]:
    """The arrays of a file, mapped. Raises ArtifactError unless it holds exactly these, whole."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = 8 + int.from_bytes(stream.read(8), "little")
            if not 8 < start <= min(size, _LONGEST_HEADER):
                raise ValueError(f"a header of {start - 8} bytes in a file of {size}")
            header = json.loads(stream.read(start - 8))
        arrays = {name: _mapped(path, told, start, size) for name, told in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ArtifactError(f"{path} should be a whole safetensors file", found=" ".join(str(error).split())) from error
    problems = [f"no {name}" for name in columns if name not in arrays]
    problems += [f"an unknown {name!r:.40}" for name in arrays if name not in columns]
    problems += [
        f"{name} of {array.dtype} {array.shape} where {columns[name].dtype} {columns[name].shape} fits"
        for name, array in arrays.items()
        if name in columns and not columns[name].fits(array)
    ]
    if problems:
        raise ArtifactError(f"{path} should hold the arrays of a library", found=", ".join(problems[:3]))
    return arrays


def _mapped(path: Path, told: Any, start: int, size: int) -> np.ndarray:
    dtype, shape = np.dtype(_TYPES[told["dtype"]]), [int(length) for length in told["shape"]]
    begin, end = (int(offset) for offset in told["data_offsets"])
    if any(length < 0 for length in shape) or not 0 <= begin <= end <= size - start:
        raise ValueError(f"shape {shape} at bytes {begin} to {end} of {size - start}")
    count = 1
    for length in shape:
        count *= length  # Python's integers: no overflow
    if count * dtype.itemsize != end - begin:
        raise ValueError(f"{end - begin} bytes for shape {shape}")
    if count == 0:
        return np.zeros(shape, dtype)
    # a plain view: slicing a memmap object costs ten times as much
    return np.memmap(path, dtype, "r", start + begin, tuple(shape)).view(np.ndarray)


def new_arrays(path: Path, arrays: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """A new file of zeros, mapped for writing: type and shape by name. Raises OSError."""
    header, at = {}, 0
    # larger elements first, so that each array is aligned
    for name in sorted(arrays, key=lambda name: -np.dtype(arrays[name][0]).itemsize):
        dtype, shape = np.dtype(arrays[name][0]), arrays[name][1]
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % _ALIGNED)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(len(raw).to_bytes(8, "little") + raw)
        stream.truncate(8 + len(raw) + at)
    made = {}
    for name, told in header.items():
        dtype, shape = arrays[name]
        begin, end = told["data_offsets"]
        empty = begin == end
        made[name] = np.zeros(shape, dtype) if empty else np.memmap(path, dtype, "r+", 8 + len(raw) + begin, shape)
    return made


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a whole file, under another name first. Raises OSError."""
    scratch = path.with_name(f".{path.name}")
    made = new_arrays(scratch, {name: (array.dtype.str, array.shape) for name, array in arrays.items()})
    for name, array in arrays.items():
        made[name][...] = array
    scratch.replace(path)
