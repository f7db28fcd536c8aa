"""Damaged and hostile folders: one sentence, nothing run, nothing read outside the file."""

import json
import sqlite3
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.errors import ArtifactError, ConfigError, GearscopeError
from gearscope.features import layout
from gearscope.features.arrays import Column, read_arrays, write_arrays
from gearscope.features.database import open_to_read
from gearscope.features.notes import SCHEMA
from gearscope.features.records import NewLabel
from gearscope.features.store import Library


def header(path, change):
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    told = json.loads(raw[8 : 8 + length])
    change(told)
    text = json.dumps(told).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


COLUMNS = {"a": Column("<f4", (3, None)), "b": Column("|u1", (None,))}


@pytest.fixture
def arrays(tmp_path):
    path = tmp_path / "x.safetensors"
    write_arrays(path, {"a": np.ones((3, 5), np.float32), "b": np.arange(7, dtype=np.uint8)})
    return path


def test_arrays_come_back_and_safetensors_reads_them(arrays):
    from safetensors.numpy import load_file

    ours, theirs = read_arrays(arrays, COLUMNS), load_file(arrays)
    assert set(ours) == set(theirs) == {"a", "b"}
    assert all((ours[name] == theirs[name]).all() for name in ours)
    with pytest.raises(ValueError, match="read-only"):
        ours["a"][0, 0] = 2


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["a"].update(shape=[3, 6]),
        lambda told: told["a"].update(shape=[-3, -5]),
        lambda told: told["a"].update(shape=[2**40, 2**40]),
        lambda told: told["a"].update(data_offsets=[0, 10**12]),
        lambda told: told["a"].update(data_offsets=[-8, 52]),
        lambda told: told["a"].update(dtype="OBJECT"),
        lambda told: told["a"].update(dtype="I32"),
        lambda told: told["b"].update(shape="seven"),
        lambda told: told.pop("b"),
        lambda told: told.update(c=told["b"]),
        lambda told: told.update(a=[1]),
    ],
)
def test_headers_that_lie(arrays, change):
    header(arrays, change)
    with pytest.raises(ArtifactError, match=r"x\.safetensors should"):
        read_arrays(arrays, COLUMNS)


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("any") / "x.safetensors"
    path.write_bytes(raw)
    with pytest.raises(ArtifactError):
        read_arrays(path, COLUMNS)


def test_a_truncated_file(arrays):
    arrays.write_bytes(arrays.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="whole safetensors"):
        read_arrays(arrays, COLUMNS)


def read_words(folder):
    """Open, and ask the database, which is only read when it is asked."""
    with Library.open(folder) as opened:
        return len(opened.text.tokens), opened.text.windows_with("cat", 10)


@pytest.mark.parametrize("name", [layout.FEATURES, layout.CORPUS, layout.DIRECTIONS, layout.TEXT, "manifest.json"])
@pytest.mark.parametrize("how", ["missing", "empty", "noise", "half"])
def test_every_file_of_a_library(library, name, how):
    library.close()
    path = library.folder / name
    raw = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes({"empty": b"", "noise": bytes(range(256)) * 9, "half": raw[: len(raw) // 2]}[how])
    with pytest.raises(GearscopeError):
        read_words(library.folder)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(ArtifactError, match="a feature library folder with a manifest"):
        Library.open(tmp_path)
    (tmp_path / "manifest.json").write_text('{"kind": "graph", "format_version": 1}')
    with pytest.raises(ArtifactError, match="should hold a feature library; found 'graph'"):
        Library.open(tmp_path)


def test_a_manifest_that_lies(library):
    library.close()
    path = library.folder / "manifest.json"
    told = json.loads(path.read_text())
    for change in ({"n_windows": 10**9}, {"shelves": []}, {"context": "long"}, {"extra": 1}, {"d_model": 9}):
        path.write_text(json.dumps(told | {"config": told["config"] | change}))
        with pytest.raises((ArtifactError, ConfigError)):
            Library.open(library.folder)


def test_changed_bytes_are_found_by_their_sum(library):
    path = library.folder / layout.FEATURES
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    Library.open(library.folder).close()
    with pytest.raises(ArtifactError, match="should have the checksum"):
        Library.open(library.folder, check_sums=True)


def overwrite(library, name, **arrays):
    path = library.folder / name
    columns = (
        layout.example_columns(20)
        if "examples" in name
        else layout.feature_columns(
            20, library.contents.n_vocabulary, library.contents.settings, library.contents.looked_at
        )
    )
    stored = {key: np.array(value) for key, value in read_arrays(path, columns).items()}
    for key, (index, value) in arrays.items():
        stored[key][index] = value
    write_arrays(path, stored)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("examples/00000.safetensors", {"place": (0, 2**31)}),
        ("examples/00000.safetensors", {"begin": (1, 2**31)}),
        ("examples/00000.safetensors", {"n_around": (0, 200)}),
        ("examples/00000.safetensors", {"tenths": (0, 255)}),
        ("examples/00000.safetensors", {"around_begin": (1, 2**31)}),
        (layout.FEATURES, {"neighbours": ((0, 0), 10**6)}),
        (layout.FEATURES, {"cofiring": ((0, 0), 10**6)}),
    ],
)
def test_indices_that_point_nowhere(library, name, change):
    overwrite(library, name, **change)
    with Library.open(library.folder) as opened, pytest.raises(ArtifactError, match="expected"):
        opened.record(0)


def test_tokens_that_do_not_exist_are_shown_as_their_number(library):
    overwrite(library, layout.FEATURES, promoted=((0, 0), 10**4))
    with Library.open(library.folder) as opened:
        assert opened.record(0).promoted[0].text == "[10000]"


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER evil AFTER INSERT ON label BEGIN DELETE FROM label; END",
        "CREATE VIEW shown AS SELECT * FROM label",
        "DROP TABLE score",
        "CREATE TABLE more (x)",
        "ALTER TABLE label ADD COLUMN evil",
    ],
)
def test_a_database_with_another_schema(library, planted):
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(0, "x", "human")])
    with sqlite3.connect(library.folder / layout.NOTES) as connection:
        connection.execute(planted)
    with Library.open(library.folder) as opened, pytest.raises(ArtifactError, match="should have the tables"):
        opened.notes.labels(0)
    with pytest.raises(ArtifactError, match="should have the tables"):
        library.write_notes()


def test_nothing_can_be_attached_or_loaded(library):
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(0, "x", "human")])
    connection = open_to_read(library.folder / layout.NOTES, SCHEMA, immutable=False)
    with pytest.raises(sqlite3.OperationalError, match="too many attached"):
        connection.execute("ATTACH 'elsewhere' AS other")
    with pytest.raises(sqlite3.OperationalError, match="not authorized"):
        connection.execute("SELECT load_extension('evil')")
    connection.close()


def test_a_folder_that_cannot_be_written_is_read(library):
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(0, "x", "human")])
    for path in library.folder.iterdir():
        path.chmod(0o555 if path.is_dir() else 0o444)
    library.folder.chmod(0o555)
    try:
        with Library.open(library.folder) as opened:
            assert opened.notes.labels(0)[0].text == "x"
    finally:
        library.folder.chmod(0o755)
