"""torch's own files (`ae.pt`, a zip with a pickle inside) read as data, with nothing executed.

    data.pkl       which tensors there are: walked as a list of opcodes (`pickletools.genops`), never unpickled
    data/KEY       the bytes of each storage, stored as they are

What `torch.save` writes for tensors in dictionaries needs few opcodes and few names, listed below; anything else is
refused by its name. Nothing is called: a "call" of a listed name becomes a tensor or a dictionary here. Sizes are held
to the file's: entries must be uncompressed and inside it, a tensor must lie inside its storage and may not be larger,
and the storages that are read may not add up to more than the file.
"""

import pickletools
import struct
import zipfile
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gearscope.errors import ArtifactError

_LARGEST_PICKLE = 16 * 2**20
_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}
_DICT = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"
_NAMES = {_DICT, _TENSOR, *(f"torch {name}" for name in _STORAGES)}
_MARK = object()
_VALUES = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "MARK": lambda _: _MARK,
    **{
        name: lambda value: value
        for name in ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE")
    },
}
"""Opcodes that only put a value on the stack."""


class _Name(NamedTuple):
    text: str


class _Stored(NamedTuple):
    """A storage that the pickle points to."""

    key: str
    dtype: torch.dtype
    n_values: int


class _View(NamedTuple):
    """A tensor that is not read yet."""

    storage: _Stored
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(path: Path, inside: str | None = None) -> dict[str, Tensor]:
    """The tensors of a dictionary that torch saved, or of the one `inside` it under that name when it has it.

    Raises ArtifactError where the file is no such thing, or holds anything but numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(archive, path).tensors(inside)
    except (OSError, ValueError, struct.error, zipfile.BadZipFile, NotImplementedError) as error:
        found = f"{' '.join(str(error).split())} (files of torch before 1.6 are no zip files; save them again)"
        raise _refused(path, found) from error


def _refused(path: Path, found: str) -> ArtifactError:
    hint = "only plain tensors by name are read, nothing that could run code"
    return ArtifactError(f"{path} should be a dictionary of tensors as torch saves it", found=found, hint=hint)


class _Reader:
    """One open file."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive, self.path = archive, path
        self.left = path.stat().st_size
        self.storages: dict[_Stored, Tensor] = {}
        pickles = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise self.refused(f"{len(pickles)} entries data.pkl")
        self.root = pickles[0].removesuffix("data.pkl")
        if f"{self.root}byteorder" in archive.namelist() and self.bytes_of("byteorder", 16) != b"little":
            raise self.refused("numbers that are not little-endian")

    def refused(self, found: str) -> ArtifactError:
        return _refused(self.path, found)

    def bytes_of(self, name: str, most: int) -> bytes:
        """An entry's bytes. Each entry is counted against the file's size, so that none can be read over and over."""
        try:
            entry = self.archive.getinfo(self.root + name)
        except KeyError:
            raise self.refused(f"no entry {name}") from None
        size = entry.file_size
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != size or size > min(most, self.left):
            raise self.refused(f"an entry {name} that is compressed, or larger than it can be")
        self.left -= size
        try:
            return self.archive.read(entry)
        except (RuntimeError, EOFError) as error:
            raise self.refused(f"an entry {name} that cannot be read ({error})") from error

    def tensors(self, inside: str | None) -> dict[str, Tensor]:
        value = self.walk(self.bytes_of("data.pkl", _LARGEST_PICKLE))
        if isinstance(value, dict) and isinstance(value.get(inside), dict):
            value = value[inside]
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.refused(f"{type(value).__name__} in the place of tensors by name")
        others = sorted(name for name, part in value.items() if not isinstance(part, _View))
        if others:
            raise self.refused(f"{', '.join(others[:5])}, no tensors")
        return {name: self.read(view) for name, view in value.items()}

    def read(self, view: _View) -> Tensor:
        storage, n_values = view.storage, prod(view.shape)
        if storage not in self.storages:
            self.storages[storage] = self.storage(storage)
        last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))
        if n_values and (last >= storage.n_values or n_values > storage.n_values):
            raise self.refused(f"a tensor of shape {view.shape} that reaches out of its storage")
        return self.storages[storage].as_strided(view.shape, view.strides, view.offset if n_values else 0)

    def storage(self, stored: _Stored) -> Tensor:
        n_bytes = stored.n_values * stored.dtype.itemsize
        data = self.bytes_of(f"data/{stored.key}", n_bytes)
        if len(data) != n_bytes:
            raise self.refused(f"{len(data)} bytes in storage {stored.key} where {n_bytes} belong")
        return torch.frombuffer(bytearray(data), dtype=stored.dtype) if data else torch.empty(0, dtype=stored.dtype)

    def walk(self, data: bytes) -> Any:
        """The value that the pickle describes, tensors unread."""
        stack: list[Any] = []
        memo: dict[int, Any] = {}
        try:
            for code, argument, _ in pickletools.genops(data):
                if code.name == "STOP":
                    return stack.pop()
                self.step(code.name, argument, stack, memo)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self.refused(f"a damaged pickle ({' '.join(str(error).split())[:80]})") from error
        raise self.refused("a pickle without an end")

    def step(self, name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
        match name:
            case "PROTO" | "FRAME":
                pass
            case "GLOBAL":
                if argument not in _NAMES:
                    raise self.refused(f"a pickle that asks for {str(argument).replace(' ', '.')[:80]}")
                stack.append(_Name(argument))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(_above_mark(stack) if name == "TUPLE" else _last(stack, int(name[5:]))))
            case "APPEND" | "APPENDS":
                items = _last(stack, 1) if name == "APPEND" else _above_mark(stack)
                self.of_type(stack[-1], list).extend(items)
            case "SETITEM" | "SETITEMS":
                items = _last(stack, 2) if name == "SETITEM" else _above_mark(stack)
                if not all(isinstance(key, str | int) for key in items[::2]):
                    raise self.refused("a pickle with names that are no text")
                self.of_type(stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))
            case "BINPERSID":
                stack.append(self.stored(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self.call(function, arguments))
            case "BUILD":  # the version numbers that a state dict carries beside its tensors
                stack.pop()
                self.of_type(stack[-1], dict)
            case _ if name in _VALUES:
                stack.append(_VALUES[name](argument))
            case _:
                raise self.refused(f"a pickle with the opcode {name}")

    def of_type(self, value: Any, expected: type) -> Any:
        if not isinstance(value, expected):
            raise self.refused(f"a pickle that changes {type(value).__name__} in the place of {expected.__name__}")
        return value

    def call(self, function: Any, arguments: Any) -> Any:
        if function == _Name(_DICT) and arguments in ((), ([],)):
            return {}
        if function == _Name(_TENSOR) and isinstance(arguments, tuple) and len(arguments) >= 4:
            storage, offset, shape, strides = arguments[:4]
            whole = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides)
            if isinstance(storage, _Stored) and whole and _are_counts((offset, *shape, *strides)):
                return _View(storage, offset, shape, strides)
        raise self.refused("a pickle that calls what is no tensor")

    def stored(self, told: Any) -> _Stored:
        match told:
            case ("storage", _Name(text), str(key), str(), int(n_values)):
                dtype = _STORAGES.get(text.removeprefix("torch "))
                if dtype is not None and key.isdecimal() and n_values >= 0:
                    return _Stored(key, dtype, n_values)
        raise self.refused("a storage that is none of torch's")


def _are_counts(values: Iterable[Any]) -> bool:
    return all(type(value) is int and value >= 0 for value in values)


def _last(stack: list[Any], n: int) -> list[Any]:
    """Take n values off the stack."""
    if len(stack) < n:
        raise IndexError("an empty stack")
    taken = stack[len(stack) - n :]
    del stack[len(stack) - n :]
    return taken


def _above_mark(stack: list[Any]) -> list[Any]:
    """Take off the stack what was put there since the last mark, and the mark."""
    at = len(stack) - 1
    while stack[at] is not _MARK:
        at -= 1
        if at < 0:
            raise IndexError("no mark")
    taken = stack[at + 1 :]
    del stack[at:]
    return taken
