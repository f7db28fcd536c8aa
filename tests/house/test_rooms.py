"""The rules of `docs/architecture.md` that import-linter cannot see (it checks that imports point down)."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import CODE, PACKAGE, REPOSITORY, module_name, name_of, parse, python_files, rooms

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}


def root_imports(tree: ast.Module) -> list[int]:
    """Lines that import the package root itself."""
    lines = []
    for node in ast.walk(tree):
        whole = isinstance(node, ast.Import) and any(alias.name == "gearscope" for alias in node.names)
        member = isinstance(node, ast.ImportFrom) and node.module == "gearscope" and node.level == 0
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        if whole or member or relative:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import gearscope", 1),
        ("import gearscope as g", 1),
        ("from gearscope import ids", 1),
        ("from . import ids", 1),
        ("import gearscope.ids\nfrom gearscope.ids import SiteId\nimport numpy", 0),
    ],
)
def test_root_imports_are_recognised(source, count):
    assert len(root_imports(ast.parse(source))) == count


def test_no_module_imports_the_package_root():
    found = {name_of(path): root_imports(parse(path)) for path in python_files(*CODE)}
    assert not {name: lines for name, lines in found.items() if lines}


def test_init_files_import_nothing_and_carry_the_docstring_of_their_room():
    for path in PACKAGE.rglob("__init__.py"):
        docstring, *rest = parse(path).body
        assert isinstance(docstring, ast.Expr), name_of(path)
        assert isinstance(docstring.value, ast.Constant), name_of(path)
        assert len(str(docstring.value.value).splitlines()) >= 3, (
            f"{name_of(path)}: what comes in, what goes out, files"
        )
        allowed = 1 if path.parent == PACKAGE else 0  # the root holds __version__
        assert len(rest) <= allowed, name_of(path)
        assert all(isinstance(node, ast.Assign) for node in rest), name_of(path)


def test_the_docstring_of_a_room_names_its_files():
    for init in PACKAGE.glob("*/**/__init__.py"):
        text = ast.get_docstring(parse(init)) or ""
        files = {path.name for path in init.parent.glob("*.py")} - {"__init__.py"}
        unnamed = sorted(name for name in files if name not in text)
        assert not unnamed, f"{name_of(init)} does not name {unnamed}"


def test_every_python_folder_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert not [name_of(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_no_name_says_nothing():
    named = [part for path in python_files(*CODE) for part in path.relative_to(REPOSITORY).with_suffix("").parts]
    words = {word for part in named for word in part.split("_")}
    assert not words & FORBIDDEN_NAMES


def test_annotations_are_never_postponed():
    """`from __future__ import annotations` silently disables the shape checks on dataclasses."""
    for path in python_files("src"):
        futures = [n for n in ast.walk(parse(path)) if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
        assert not futures, name_of(path)


def test_the_layers_contract_is_the_picture_in_the_documents():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {c["id"]: c for c in settings["tool"]["importlinter"]["contracts"]}
    assert contracts["layers"]["exhaustive"] is True
    picture = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
    drawn = [[room.strip() for room in layer.split("|")] for layer in picture.split(">")]
    assert drawn == [[room.strip() for room in layer.split("|")] for layer in contracts["layers"]["layers"]]


def test_the_layers_contract_names_the_rooms_that_exist():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(c["layers"] for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == "layers")
    named = {room.strip() for layer in layers for room in layer.split("|")}
    assert named == {module_name(room).rpartition(".")[2] for room in rooms()}


def test_tests_mirror_the_tree():
    """`tests/graph/test_nodes.py` tests `graph/nodes.py`; only rooms have folders here."""
    for folder in (REPOSITORY / "tests").iterdir():
        if (
            folder.is_dir()
            and folder.name not in {"house", "oracles", "__pycache__"}
            and any(folder.rglob("test_*.py"))
        ):
            assert Path(PACKAGE / folder.name).is_dir(), f"tests/{folder.name} mirrors no room"
