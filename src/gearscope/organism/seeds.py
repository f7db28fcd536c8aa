"""The result table of a seed whose weights do not ship: its accuracies and its maps as one JSON file. No torch.

    seeds/1.json    {"kind": "seed", "seed": 1, "sealed": false, "tables": {part: accuracy table}, "maps": ...}

It is stored, not measured: who wants to check it trains that seed. A sealed seed was looked at by nobody before the
recipe was final.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from gearscope.artifact import birth_certificate, read_certificate, read_manifest
from gearscope.errors import ArtifactError
from gearscope.lock import MODEL, read_lock, verify_lock

KIND = "seed"
FOLDER = "seeds"
_ACCURACY = "truth/accuracy.json"
_MAPS = "truth/interchange.json"


class SeedTable(NamedTuple):
    """What is stored of another seed."""

    seed: int
    sealed: bool
    tables: dict[str, dict[str, Any]]
    """Part -> behaviour -> counts and bar, as the part's own accuracy table has them."""
    maps: Any | None
    """Its interchange maps as they are stored with a model; None where none were measured."""


def seed_of(bundle: Path) -> int:
    """The seed of the model of a bundle. Raises ArtifactError."""
    settings = read_manifest(bundle / MODEL, read_lock(bundle).parts[MODEL].kind)["config"].get("settings")
    if not isinstance(settings, dict) or not isinstance(settings.get("seed"), int):
        raise ArtifactError(f"{bundle / MODEL} should say in its manifest how it was trained", found=repr(settings))
    return settings["seed"]


def table_of_bundle(bundle: Path, *, sealed: bool) -> SeedTable:
    """The result table of a trained bundle, every file of which is checked first. Raises ArtifactError."""
    lock = verify_lock(bundle)
    return table_of_parts(seed_of(bundle), bundle, lock.parts, sealed=sealed)


def table_of_parts(seed: int, folder: Path, parts: Iterable[str], *, sealed: bool) -> SeedTable:
    """The same from trained models under one folder. Raises ArtifactError."""
    tables = {part: _read(folder / part / _ACCURACY) for part in parts if (folder / part / _ACCURACY).is_file()}
    maps = folder / MODEL / _MAPS
    return SeedTable(seed, sealed, tables, _read(maps) if maps.is_file() else None)


def seed_json(table: SeedTable, model: str) -> str:
    """A result table as a JSON file for the bundle of the model with this fingerprint."""
    certificate = birth_certificate(KIND, config={}, inputs={"model": model})
    return json.dumps(certificate | table._asdict(), indent=1, sort_keys=True) + "\n"


def read_seed(path: Path) -> SeedTable:
    """A stored result table. Raises ArtifactError when it is missing, damaged or of another format version."""
    stored = read_certificate(path, KIND)
    try:
        table = SeedTable(*(stored[name] for name in SeedTable._fields))
    except KeyError as error:
        raise ArtifactError(f"{path} should be the result table of a seed", found=f"no {error}") from error
    if not isinstance(table.seed, int) or not isinstance(table.tables, dict):
        raise ArtifactError(f"{path} should be the result table of a seed", found=f"{table.seed!r:.40}")
    return table


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} should be JSON", found=str(error)) from error
