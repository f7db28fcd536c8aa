"""The repository as the house tests see it: its files, its rooms, its modules."""

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "gearscope"
README = REPOSITORY / "README.md"
CODE = ("src", "tests", "benchmarks")


def python_files(*folders: str) -> list[Path]:
    """Python files below these folders of the repository, in order."""
    return sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """A path as it is written in documents: relative to the repository, with forward slashes."""
    return path.relative_to(REPOSITORY).as_posix()


def rooms() -> list[Path]:
    """Every room: the folders and single modules directly below the package."""
    packages = [path.parent for path in PACKAGE.glob("*/__init__.py")]
    modules = [path for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    return sorted([*packages, *modules])


def module_name(path: Path) -> str:
    """`src/gearscope/graph/nodes.py` -> `gearscope.graph.nodes`."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def fenced_blocks(page: Path) -> list[str]:
    """The fenced code blocks of a Markdown page."""
    return re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every Markdown page of the repository."""
    return [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
