"""torch's files as data: what torch saves comes back, and no hostile file runs, grows or reaches out of itself."""

import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.dictionaries.formats.torch_zip import read_tensors
from gearscope.errors import ArtifactError

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool]


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=4),
    dtype=st.sampled_from(DTYPES),
    way=st.sampled_from(["plain", "transposed", "part", "shared"]),
)
def test_what_torch_saves_comes_back(tmp_path_factory, shapes, dtype, way):
    base = torch.arange(64).reshape(4, 4, 4).to(dtype)
    made: dict[str, torch.Tensor] = {}
    for number, shape in enumerate(shapes):
        tensor = torch.randn(shape).to(dtype)
        if way == "transposed":
            tensor = tensor.permute(tuple(reversed(range(tensor.ndim))))
        made[f"t{number}"] = {"part": base[1:, :, 2], "shared": base}.get(way, tensor)
    path = tmp_path_factory.mktemp("zip") / "a.pt"
    torch.save(made, path)
    read = read_tensors(path)
    assert read.keys() == made.keys()
    for name, tensor in made.items():
        assert read[name].dtype == dtype
        assert torch.equal(read[name], tensor)


def saved(path: Path, held: Any = None) -> Path:
    torch.save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)} if held is None else held, path)
    return path


def refused(path: Path, words: str) -> None:
    with pytest.raises(ArtifactError, match=words) as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


def rewritten(path: Path, change: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """The file with the bytes of some entries changed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    out = path.with_name("changed.pt")
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, change.get(name.partition("/")[2], data))
    return out


class Harmful:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.told = function, arguments

    def __reduce__(self):
        return self.told


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Harmful(os.system, "echo harm"), "posix.system|nt.system"),
        (Harmful(eval, "1 + 1"), r"asks for __builtin__\.eval"),
        (Harmful(torch.load, "x"), r"asks for torch\.serialization\.load"),
    ],
)
def test_a_pickle_that_would_run_something_is_refused_by_name(tmp_path: Path, harm: Harmful, words: str) -> None:
    refused(saved(tmp_path / "a.pt", {"a": torch.ones(2), "b": harm}), words)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_no_protocol_runs_anything(tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN", "")
    data = pickle.dumps({"a": Harmful(os.putenv, b"RUN", b"yes")}, protocol)
    refused(rewritten(saved(tmp_path / "a.pt"), {"data.pkl": data}), "a pickle|a damaged pickle")
    assert os.environ["RUN"] == ""


GLOBAL_DICT = b"ccollections\nOrderedDict\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "damaged pickle|without an end"),
        (b"\x80\x02}", "without an end|damaged"),
        (b".", "damaged pickle"),
        (b"\x80\x02]q\x00.", "list in the place of tensors by name"),
        (b"\x80\x02}X\x01\x00\x00\x00aK\x01s.", "a, no tensors"),
        (b"\x80\x02}(K\x01K\x02u.", "int|tensors by name|dict"),
        (b"\x80\x02}(u.", "tensors|torch"),
        (b"\x80\x02}K\x01K\x02u.", "damaged pickle"),
        (b"\x80\x02}))s.", "names that are no text"),
        (b"\x80\x02h\x05.", "damaged pickle"),
        (b"\x80\x02" + GLOBAL_DICT + b"K\x01\x85R.", "calls what is no tensor"),
        (b"\x80\x02K\x05K\x06b.", "changes int in the place of dict"),
        (b"\x80\x02X\x01\x00\x00\x00aQ.", "none of torch's"),
        (b"\x80\x02c__main__\nx\n.", r"asks for __main__\.x"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "opcode STACK_GLOBAL"),
        (b"\x80\x02\x82\x05.", "opcode EXT1"),
        (b"(i__main__\nx\n.", "opcode INST"),
        (b"\x80\x02(c__main__\nx\no.", "asks for"),
        (b"\x80\x02)\x81.", "opcode NEWOBJ"),
        (b"\x80\x02" + b"(" * 5_000 + b".", "object in the place of tensors|tensors by name"),
    ],
)
def test_pickles_that_are_none(tmp_path: Path, data: bytes, words: str) -> None:
    path = rewritten(saved(tmp_path / "a.pt"), {"data.pkl": data})
    if data == b"\x80\x02}(u.":
        assert read_tensors(path) == {}
    else:
        refused(path, words)


def test_deep_nesting_ends_as_a_sentence(tmp_path: Path) -> None:
    nested = b"\x80\x02}X\x01\x00\x00\x00a)" + b"\x85" * 60_000 + b"s."
    refused(rewritten(saved(tmp_path / "a.pt"), {"data.pkl": nested}), "a, no tensors")


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), which=st.booleans())
def test_a_changed_byte_gives_tensors_or_a_sentence(tmp_path_factory, at, byte, which):
    folder = tmp_path_factory.mktemp("byte")
    path = saved(folder / "a.pt")
    if which:  # inside the pickle, its checksum made right
        with zipfile.ZipFile(path) as archive:
            data = bytearray(archive.read("a/data.pkl"))
        data[at % len(data)] = byte
        path = rewritten(path, {"data.pkl": bytes(data)})
    else:
        data = bytearray(path.read_bytes())
        data[at % len(data)] = byte
        path.write_bytes(bytes(data))
    try:
        read = read_tensors(path)
    except ArtifactError:
        return
    assert sum(tensor.numel() for tensor in read.values()) <= 20


def with_tensor(tmp_path: Path, n_values: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Path:
    """A file with 6 numbers in its storage, whose pickle says this of the tensor in it."""

    def number(value: int) -> bytes:
        return b"\x8a\x08" + struct.pack("<q", value)

    def counts(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    text = lambda word: b"X" + struct.pack("<I", len(word)) + word  # noqa: E731 - an opcode and its length
    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + number(n_values) + b"tQ"
    hooks = GLOBAL_DICT + b")R"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + counts(shape) + counts(strides)
    data = b"\x80\x02}" + text(b"a") + tensor + b"\x89" + hooks + b"tRs."
    return rewritten(saved(tmp_path / "a.pt", {"a": torch.arange(6.0)}), {"data.pkl": data})


def test_a_tensor_lies_inside_its_storage(tmp_path: Path) -> None:
    good = read_tensors(with_tensor(tmp_path, 6, 1, (2, 2), (2, 1)))
    assert good["a"].tolist() == [[1, 2], [3, 4]]
    for n_values, offset, shape, strides, words in (
        (6, 0, (7,), (1,), "reaches out"),
        (6, 5, (2,), (1,), "reaches out"),
        (6, 0, (2, 2), (5, 1), "reaches out"),
        (6, 0, (2**40,), (0,), "reaches out"),
        (6, 0, (2**40, 2**40), (0, 0), "reaches out"),
        (6, -1, (2,), (1,), "no tensor"),
        (6, 0, (-2,), (1,), "no tensor"),
        (6, 0, (2,), (-1,), "no tensor"),
        (6, 0, (2,), (1, 1), "no tensor"),
        (2**40, 0, (2,), (1,), "24 bytes in storage 0 where"),
        (5, 0, (2,), (1,), "larger than it can be"),
        (-1, 0, (2,), (1,), "none of torch's"),
    ):
        refused(with_tensor(tmp_path, n_values, offset, shape, strides), words)


def test_compressed_entries_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", {"a": torch.zeros(10**6)})
    refused(rewritten(path, {}, zipfile.ZIP_DEFLATED), "compressed")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps({"a": 1}))
    refused(path, "before 1.6")
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    refused(path, "before 1.6")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/other", b"")
    refused(path, "0 entries data.pkl")
    refused(tmp_path / "nothing.pt", "No such file")
    refused(rewritten(saved(path), {"byteorder": b"big"}), "little-endian")
    whole = saved(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "no zip|not a zip")
