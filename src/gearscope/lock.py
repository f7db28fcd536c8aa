"""Several stored results that belong together: a lock beside them names each with its checksum. No torch.

    bundle/
    ├── bundle.json              the model that all parts are made for, and a checksum per part
    ├── model/manifest.json      a part: a folder with a manifest (its files have their checksums in there) ...
    └── seeds/1.json             ... or a JSON file with a birth certificate

    write_lock(folder, model)           refuses parts that were made for another model
    locked_part(folder, "twins/one")    where a part lies; refuses one that is not the one that was locked
    verify_lock(folder)                 every file of every part

Parts say in their manifest (`inputs`, `model`) for which model they were made. It knows nothing about what parts hold.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from gearscope.artifact import MANIFEST, birth_certificate, read_certificate, sha256, verify, write_text
from gearscope.errors import ArtifactError

LOCK = "bundle.json"
KIND = "bundle"
MODEL = "model"
"""The part that all others are made for."""
_MEND = "make that part again for this model, or restore the folder"


class Part(NamedTuple):
    """One part of a bundle: what kind of result it is, and the checksum of its manifest or of its file."""

    kind: str
    sha256: str


class Lock(NamedTuple):
    """What a bundle holds: the fingerprint of its model, and its parts by their path."""

    model: str
    parts: dict[str, Part]


def write_lock(folder: Path, model: str) -> None:
    """Lock what lies in `folder` to the model with this fingerprint.

    Raises ArtifactError, and writes nothing, when there is no model or a part was made for another one.
    """
    parts = {}
    for name in _found(folder):
        certificate = _certificate(folder, name)
        _check_made_for(folder / name, name, certificate, model)
        parts[name] = {"kind": certificate["kind"], "sha256": sha256(_sealed(folder, name))}
    if MODEL not in parts:
        raise ArtifactError(f"a model was expected at {folder / MODEL}", found="none")
    lock = birth_certificate(KIND, config={}, inputs={"model": model}) | {"parts": parts}
    write_text(folder / LOCK, json.dumps(lock, indent=2, sort_keys=True) + "\n")


def read_lock(folder: Path) -> Lock:
    """What a bundle says it holds. Raises ArtifactError when there is no lock, or one of another format."""
    lock = read_certificate(folder / LOCK, KIND)
    try:
        parts = {name: Part(part["kind"], part["sha256"]) for name, part in lock["parts"].items()}
        return Lock(lock["inputs"]["model"], parts)
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{folder / LOCK} should name a model and parts", found=repr(error)) from error


def locked_part(folder: Path, name: str) -> Path:
    """The path of a part. Raises ArtifactError when it, or the model, is not the one that was locked."""
    lock = read_lock(folder)
    if name not in lock.parts:
        raise ArtifactError(f"a part of {folder} was expected ({', '.join(lock.parts)})", found=repr(name))
    for part in (MODEL, name):
        _check_locked(folder, part, lock)
    return folder / name


def verify_lock(folder: Path) -> Lock:
    """Check every part and every file of a bundle. Raises ArtifactError naming the first that is not as locked."""
    lock = read_lock(folder)
    for name, part in lock.parts.items():
        _check_locked(folder, name, lock)
        if (folder / name).is_dir():
            verify(folder / name, part.kind)
    unlocked = sorted(set(_found(folder)) - set(lock.parts))
    if unlocked:
        raise ArtifactError(f"{folder} should hold only what its {LOCK} names", found=", ".join(unlocked), hint=_MEND)
    return lock


def _found(folder: Path) -> list[str]:
    """Parts that lie in a folder: folders with a manifest, and JSON files that are in none of those."""
    folders = {path.parent for path in folder.rglob(MANIFEST)}
    files = {path for path in folder.rglob("*.json") if path.name != LOCK and not folders & set(path.parents)}
    return sorted(path.relative_to(folder).as_posix() for path in folders | files)


def _sealed(folder: Path, name: str) -> Path:
    """The file of a part whose checksum the lock holds."""
    path = folder / name
    return path / MANIFEST if path.is_dir() else path


def _certificate(folder: Path, name: str) -> dict[str, Any]:
    path = _sealed(folder, name)
    try:
        return json.loads(path.read_text(encoding="utf-8")) | {}
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(f"{path} should be JSON with a birth certificate", found=str(error)) from error


def _check_made_for(path: Path, name: str, certificate: dict[str, Any], model: str) -> None:
    made_for = certificate.get("inputs", {}).get("model")
    if name != MODEL and made_for != model:
        found = "one that names no model" if made_for is None else f"one made for {made_for}"
        raise ArtifactError(f"{path} should be made for the model {model}", found=found, hint=_MEND)


def _check_locked(folder: Path, name: str, lock: Lock) -> None:
    path = _sealed(folder, name)
    if not path.is_file():
        raise ArtifactError(f"{folder} should hold {name}", found="no such part", hint=_MEND)
    if sha256(path) == lock.parts[name].sha256:
        return
    _check_made_for(folder / name, name, _certificate(folder, name), lock.model)
    expected = f"{folder / name} should be the part that {LOCK} names"
    raise ArtifactError(expected, found="another one, or a changed one", hint=_MEND)
