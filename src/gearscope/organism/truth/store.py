"""Interchange maps in a file: written once by the trainer, and checked when they are read. No torch."""

import json
from pathlib import Path

from pydantic import ValidationError

from gearscope.artifact import write_text
from gearscope.errors import ArtifactError
from gearscope.organism.truth.maps import InterchangeMap

INTERCHANGE = "truth/interchange.json"
"""Where the maps lie in a bundle."""


def maps_text(tables: tuple[InterchangeMap, ...]) -> str:
    """Maps as JSON text, one a line."""
    lines = ",\n".join(json.dumps(table.model_dump(mode="json"), separators=(",", ":")) for table in tables)
    return f"[\n{lines}\n]\n"


def write_maps(folder: Path, tables: tuple[InterchangeMap, ...]) -> None:
    """Write the maps of a bundle into its folder."""
    write_text(folder / INTERCHANGE, maps_text(tables))


def read_maps(folder: Path) -> tuple[InterchangeMap, ...]:
    """The maps of a bundle. Raises ArtifactError when they are missing or damaged."""
    path = folder / INTERCHANGE
    try:
        return parsed_maps(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(f"interchange maps were expected at {path}", found="none") from error
    except (ValidationError, ValueError) as error:
        raise ArtifactError(f"{path} should hold interchange maps", found=_first(error)) from error


def parsed_maps(text: str) -> tuple[InterchangeMap, ...]:
    """Maps from JSON text. Raises ValueError."""
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise ValueError(f"a list was expected, not {type(rows).__name__}")
    tables = tuple(InterchangeMap.model_validate_json(json.dumps(row)) for row in rows)
    titles = [table.title for table in tables]
    if len(set(titles)) < len(titles):
        raise ValueError("each variable has one map")
    return tables


def _first(error: ValueError) -> str:
    """The first problem, in one line."""
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(map(str, problem['loc'])) or 'a map'}: {problem['msg']}"
    return str(error)
