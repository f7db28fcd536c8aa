"""A stored result is a folder with a `manifest.json`, or a single JSON file; both are written atomically. No torch.

    with new_folder(out) as folder:      # a hidden sibling folder; renamed to `out` only if the block succeeds
        save(folder / "weights.safetensors")
        write_manifest(folder, kind="organism", config={...}, inputs={...})
    with alone_in(run):                  # what is on the way has one process that writes it
        ...

The manifest is the birth certificate: kind, format version, config, fingerprints of the inputs, package versions, time
of creation, and a SHA-256 per file. `read_manifest` checks kind and version; `verify` checks the sums.
"""

import hashlib
import importlib.metadata
import json
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gearscope.errors import ArtifactError

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
_LOCK = ".lock"
_VERSIONED = ("gearscope", "torch", "transformers", "tokenizers", "safetensors", "numpy")


@contextmanager
def new_folder(out: Path, *, replace: bool = False) -> Generator[Path]:
    """Yield a scratch folder beside `out` that becomes `out` when the block ends well and vanishes when it does not.

    With `replace`, an earlier `out` goes in the same moment, and stays whole when the block fails. Raises ArtifactError
    when `out` exists already (without `replace`) or cannot be written (a full disk included).
    """
    if out.exists() and not replace:
        raise ArtifactError(f"a new folder was expected at {out}", found="one that exists", hint="choose another --out")
    scratch = _sibling(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch.mkdir()
        yield scratch
        _put(scratch, out)
    except OSError as error:
        raise unwritable(out, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _put(scratch: Path, out: Path) -> None:
    """Rename a finished folder to `out`; one that is there already comes back when that fails."""
    if not out.exists():
        scratch.rename(out)
        return
    earlier = _sibling(out)
    out.rename(earlier)
    try:
        scratch.rename(out)
    except BaseException:
        earlier.rename(out)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Hold a run's folder, made if need be, for this process alone; when the process dies the system lets go of it.

    Raises ArtifactError while another process is at work there, or when the folder cannot be written.
    """
    lock = FileLock(folder / _LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        hint = "wait until it has ended, or choose another --out"
        raise ArtifactError(
            f"a folder of one run was expected at {folder}", found="a run at work", hint=hint
        ) from error
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        (folder / _LOCK).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            folder.rmdir()  # where nothing was begun


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all: into a hidden sibling first, flushed, then renamed over `path`."""
    scratch = _sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            scratch.unlink()


def _sibling(path: Path) -> Path:
    """A new hidden name beside `path`: on the same disk, so that the rename is atomic."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def unwritable(path: Path, error: OSError) -> ArtifactError:
    """The one sentence for a place that cannot be written."""
    reason = error.strerror or str(error)
    return ArtifactError(f"cannot write {path}: {reason}", hint="nothing was changed; free some space or choose --out")


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide a result, for the manifest."""
    found = {}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def birth_certificate(kind: str, *, config: dict[str, Any], inputs: dict[str, str]) -> dict[str, Any]:
    """What every stored result says about its own making."""
    return {
        "kind": kind,
        "format_version": FORMAT_VERSION,
        "config": config,
        "inputs": inputs,
        "packages": package_versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_manifest(folder: Path, kind: str, *, config: dict[str, Any], inputs: dict[str, str]) -> None:
    """Write the manifest of a finished folder, with a checksum for every file in it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    manifest = birth_certificate(kind, config=config, inputs=inputs)
    manifest["files"] = {p.relative_to(folder).as_posix(): sha256(p) for p in files}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def read_manifest(folder: Path, kind: str) -> dict[str, Any]:
    """Read and check the manifest of `folder`. Raises ArtifactError when it is missing, damaged or of another kind."""
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactError(f"{_a(kind)} folder with a {MANIFEST} was expected at {folder}", found="none")
    manifest = read_certificate(path, kind, where=folder)
    if not isinstance(manifest.get("files"), dict):
        raise ArtifactError(f"{path} should name its files with their checksums", found=repr(manifest.get("files")))
    return manifest


def read_certificate(path: Path, kind: str, *, where: Path | None = None) -> dict[str, Any]:
    """Read a JSON file with a birth certificate of this kind and format; errors name `where`, the file by default.

    Raises ArtifactError when it is missing, damaged, of another kind or of another format version.
    """
    named = path if where is None else where
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"{_a(kind)} was expected at {named}", found="none") from error
    except ValueError as error:
        raise ArtifactError(f"{path} should be JSON", found=str(error)) from error
    if not isinstance(value, dict) or value.get("kind") != kind:
        found = value.get("kind") if isinstance(value, dict) else type(value).__name__
        raise ArtifactError(f"{named} should hold {_a(kind)}", found=repr(found))
    if value.get("format_version") != FORMAT_VERSION:
        raise ArtifactError(
            f"{named} should have format version {FORMAT_VERSION}",
            found=repr(value.get("format_version")),
            hint="open it with the gearscope version that wrote it",
        )
    return value


def _a(kind: str) -> str:
    """A kind with its article."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def verify(folder: Path, kind: str) -> dict[str, Any]:
    """Read the manifest and check every file against its checksum. Raises ArtifactError naming the first bad file."""
    manifest = read_manifest(folder, kind)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{folder} should hold {name}", found="no such file")
        if sha256(path) != expected:
            raise ArtifactError(f"{path} should have the checksum in {MANIFEST}", found="a changed or truncated file")
    return manifest
