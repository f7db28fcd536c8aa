"""Read and write graph files: the only file of this room that touches the disk.

Written whole or not at all. Read with one sentence for everything that is not a graph.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from gearscope.artifact import write_text
from gearscope.errors import GraphError
from gearscope.graph.dialect import to_older_json
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.notes import Notes, with_notes
from gearscope.graph.reading import from_json
from gearscope.graph.schema import to_json

T = TypeVar("T")
_PICKLES = (b"PK", b"\x80")
"""How torch's files begin: a zip of pickles, or a bare one."""
_CONVERT = (
    "where you trust it, convert it with circuit-tracer: create_graph_files(PATH, slug=NAME, output_path=FOLDER) of "
    "circuit_tracer.utils.create_graph_files"
)


def write_graph(path: Path, graph: AttributionGraph, slug: str | None = None, *, older: bool = False) -> None:
    """Write the graph as JSON; `slug` is its name in viewers (default: the file's name).

    `older` is the form that `dialect.py` describes. Raises ArtifactError, and GraphError for what that cannot hold.
    """
    data = (to_older_json if older else to_json)(graph, slug if slug is not None else path.stem)
    write_text(path, json.dumps(data, allow_nan=False, separators=(",", ":")) + "\n")


def write_notes(path: Path, notes: Notes) -> None:
    """Put pins, groups and labels into a graph file; all else in it stays. Raises GraphError and ArtifactError."""
    data = _opened(path, lambda data: with_notes(data, notes))
    write_text(path, json.dumps(data, allow_nan=False, separators=(",", ":")) + "\n")


def write_detail(path: Path, key: str, value: Any) -> None:
    """Put one entry into the details of a graph file of ours; all else in it stays.

    Raises GraphError, for a file of another program too, and ArtifactError.
    """
    data = _opened(path, lambda data: _with_detail(data, key, value))
    write_text(path, json.dumps(data, allow_nan=False, separators=(",", ":")) + "\n")


def _with_detail(data: Any, key: str, value: Any) -> Any:
    from_json(data)
    own = data["metadata"].get("gearscope")
    if not isinstance(own, dict):
        hint = "write another file instead, with --out"
        raise GraphError("a graph file of gearscope was expected", found="one of another program", hint=hint)
    details = own["details"] | {key: value}
    return data | {"metadata": data["metadata"] | {"gearscope": own | {"details": details}}}


def read_graph(path: Path) -> AttributionGraph:
    """Read a graph file, ours or another program's. Raises GraphError."""
    return _opened(path, from_json)


def _opened(path: Path, use: Callable[[Any], T]) -> T:
    """What `use` makes of the parsed file, and one sentence for all that can be wrong with it."""
    expected = f"{path} should be a graph file (JSON)"
    try:
        held = path.read_bytes()
        if path.suffix == ".pt" or held.startswith(_PICKLES):
            raise GraphError(expected, found="a pickle, which can run code and is never opened", hint=_CONVERT)
        text = held.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise GraphError(expected, found="no such file") from error
    except IsADirectoryError as error:
        raise GraphError(expected, found="a directory") from error
    except OSError as error:
        raise GraphError(expected, found=error.strerror or "a file that cannot be read") from error
    except UnicodeDecodeError as error:
        raise GraphError(expected, found="a binary file") from error
    if not text.strip():
        raise GraphError(expected, found="an empty file")
    try:
        data = json.loads(text, parse_constant=_refuse)
        return use(data)
    except json.JSONDecodeError as error:
        raise GraphError(expected, found=f"text that is not JSON (line {error.lineno}: {error.msg})") from error
    except RecursionError as error:
        raise GraphError(expected, found="lists nested too deep") from error
    except GraphError as error:
        raise GraphError(f"{path} is not a graph that can be read: {error}") from error
    except ValueError as error:
        raise GraphError(expected, found=f"a number that is none ({error})") from error


def _refuse(name: str) -> NoReturn:
    raise GraphError("finite numbers were expected", found=name)
