"""A library in one file: the same when it is unpacked, unpacked once, and nothing else comes out of a hostile one."""

import io
import lzma
import tarfile

import pytest

from gearscope.artifact import write_manifest
from gearscope.errors import ArtifactError
from gearscope.features import archive
from gearscope.features.records import NewLabel
from gearscope.features.store import Library
from tests.features.tiny import tiny_library


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(archive.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def library(tmp_path):
    tiny_library(tmp_path / "tiny").close()
    with Library.open(tmp_path / "tiny") as opened, opened.write_notes() as notes:
        notes.add_labels([NewLabel(1, "what a person said", "human")])
    return tmp_path / "tiny"


def test_a_library_comes_back_with_its_labels_and_is_unpacked_once(tmp_path, library, cache):
    archive.pack(library, tmp_path / "packed")
    folder = archive.unpacked(tmp_path / "packed")
    assert folder.parent == cache
    names = sorted(path.relative_to(library) for path in library.rglob("*.s*"))
    assert names == sorted(path.relative_to(folder) for path in folder.rglob("*.s*"))
    assert all((folder / name).read_bytes() == (library / name).read_bytes() for name in names)
    with Library.open(folder) as opened, opened.write_notes() as notes:
        assert opened.notes.labels(1)[0].text == "what a person said"
        notes.add_labels([NewLabel(2, "kept", "human")])
    assert archive.unpacked(tmp_path / "packed") == folder
    with Library.open(folder) as again:
        assert again.notes.labels(2)[0].text == "kept"


def test_the_same_library_gives_the_same_file(tmp_path, library):
    archive.pack(library, tmp_path / "one")
    archive.pack(library, tmp_path / "two")
    one, two = ((tmp_path / name / archive.FILE).read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_changed_archive_is_refused_and_nothing_is_unpacked(tmp_path, library, cache):
    archive.pack(library, tmp_path / "packed")
    file = tmp_path / "packed" / archive.FILE
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="checksum"):
        archive.unpacked(tmp_path / "packed")
    assert not any(cache.glob("library-*"))


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("../outside.sqlite", tarfile.REGTYPE, 3),
        ("/etc/notes.sqlite", tarfile.REGTYPE, 3),
        ("a/b/notes.sqlite", tarfile.REGTYPE, 3),
        ("run.sh", tarfile.REGTYPE, 3),
        ("notes.sqlite", tarfile.SYMTYPE, 0),
        ("notes.sqlite", tarfile.REGTYPE, 2**31),
    ],
)
def test_hostile_archives_write_nothing(tmp_path, cache, name, kind, size):
    folder = tmp_path / "hostile"
    folder.mkdir()
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size, "/etc/passwd"
    with lzma.open(folder / archive.FILE, "wb") as file:
        file.write(entry.tobuf() + b"abc".ljust(512, b"\0") + b"\0" * 1024)
    write_manifest(folder, archive.KIND, config={}, inputs={})
    with pytest.raises(ArtifactError, match=r"were expected|should be an archive"):
        archive.unpacked(folder)
    assert not any(cache.rglob("*.sqlite"))
    assert not (tmp_path / "outside.sqlite").exists()


def test_a_file_that_is_no_archive(tmp_path):
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / archive.FILE).write_bytes(io.BytesIO(b"not compressed").getvalue())
    write_manifest(folder, archive.KIND, config={}, inputs={})
    with pytest.raises(ArtifactError, match="should be an archive of a library"):
        archive.unpacked(folder)
