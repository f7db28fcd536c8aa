"""A library as one compressed file, as the bundled one travels; unpacked once, into a folder where notes are kept.

    pack(Path("lib"), Path("bundle/library"))      the same library gives the same file
    unpacked(Path("bundle/library"))               its folder in the cache, made at the first call

An archive is a folder of its own: a manifest with the library's inputs, and `library.tar.xz`, of which only the files
that a library may have are read. No torch.
"""

import os
import shutil
import tarfile
from pathlib import Path

from gearscope.artifact import MANIFEST, new_folder, read_manifest, sha256, verify, write_manifest
from gearscope.errors import ArtifactError
from gearscope.features.layout import KIND as LIBRARY

KIND = "archive of a feature library"
FILE = "library.tar.xz"
CACHE = "GEARSCOPE_CACHE"
_LARGEST = 2**30
"""Bytes that an archive may unpack to."""


def pack(library: Path, out: Path, *, replace: bool = False) -> None:
    """Write an archive of a library, its labels too. Raises ArtifactError for a damaged library or a taken `out`."""
    inputs = verify(library, LIBRARY)["inputs"]
    with new_folder(out, replace=replace) as scratch:
        with tarfile.open(scratch / FILE, "w:xz", preset=9) as archive:
            for path in sorted(path for path in library.rglob("*") if _belongs(path.relative_to(library).as_posix())):
                archive.add(path, path.relative_to(library).as_posix(), recursive=False, filter=_plain)
        write_manifest(scratch, KIND, config={}, inputs=inputs)


def unpacked(archive: Path) -> Path:
    """The folder of an archive's library. Raises ArtifactError for a damaged archive, or a cache that stays shut."""
    manifest = read_manifest(archive, KIND)
    folder = cache() / f"library-{sha256(archive / MANIFEST)[:16]}"
    if folder.is_dir():
        return folder
    verify(archive, KIND)
    try:
        with new_folder(folder) as scratch:
            _unpack(archive / FILE, scratch)
            if read_manifest(scratch, LIBRARY)["inputs"] != manifest["inputs"]:
                raise ArtifactError(f"{archive} should hold the library that its manifest names", found="another one")
    except ArtifactError:
        if not folder.is_dir():  # else another process has just unpacked it
            raise
    return folder


def cache() -> Path:
    """Where libraries are unpacked: $GEARSCOPE_CACHE, or gearscope in the user's cache folder."""
    if given := os.environ.get(CACHE):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gearscope"


def _belongs(name: str) -> bool:
    """Files of a library: databases, arrays and the manifest, at most one folder deep; no journals."""
    parts = name.replace("\\", "/").split("/")
    inside = len(parts) <= 2 and all(part not in ("", ".", "..") for part in parts)
    return inside and name.endswith((".sqlite", ".safetensors", MANIFEST))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without who made a file, and when."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry


def _write(archive: tarfile.TarFile, entry: tarfile.TarInfo, file: Path) -> None:
    """By hand, since `extract` knows no filter before Python 3.11.4."""
    content = archive.extractfile(entry)
    assert content is not None, "only files are read"
    file.parent.mkdir(parents=True, exist_ok=True)
    with content, file.open("wb") as out:
        shutil.copyfileobj(content, out)


def _unpack(file: Path, folder: Path) -> None:
    left = _LARGEST
    try:
        with tarfile.open(file, "r:xz") as archive:
            for entry in archive:
                left -= entry.size
                if not entry.isfile() or not _belongs(entry.name) or left < 0:
                    found = f"{entry.name!r} of {entry.size:,} bytes"
                    expected = f"files of a library, {_LARGEST:,} bytes at most, were expected in {file}"
                    raise ArtifactError(expected, found=found)
                _write(archive, entry, folder / entry.name)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArtifactError(f"{file} should be an archive of a library", found=str(error)) from error
