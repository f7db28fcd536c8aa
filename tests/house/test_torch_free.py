"""Reading stored results, parsing settings and `--help` never load torch; each check is a process of its own."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.features.tiny import tiny_library
from tests.house.tree import PACKAGE, module_name, parse, python_files

HEAVY = ("torch", "transformers")

IMPORT_ALL = """
import importlib, json, sys
names, heavy = json.loads(sys.argv[1])
for name in names:
    importlib.import_module(name)
    loaded = [package for package in heavy if package in sys.modules]
    assert not loaded, f"importing {name} loaded {loaded}"
"""

RUN_ALL = """
import json, sys
from gearscope.cli.main import main
command_lines, heavy = json.loads(sys.argv[1])
for arguments in command_lines:
    code = main(arguments)
    assert code == 0, (arguments, code)
    loaded = [package for package in heavy if package in sys.modules]
    assert not loaded, f"{arguments} loaded {loaded}"
"""


def in_a_new_process(script: str, *data: object) -> str:
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, json.dumps(data)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def foundation() -> list[Path]:
    below = [PACKAGE / f"{name}.py" for name in ("errors", "ids", "config", "shapes", "artifact")]
    return [*below, *sorted((PACKAGE / "graph").glob("*.py")), *sorted(PACKAGE.rglob("config.py"))]


def promised() -> list[Path]:
    """Modules whose docstring, or whose room's docstring, says that they do without torch."""

    def promises(path: Path) -> bool:
        return "no torch" in (ast.get_docstring(parse(path)) or "").lower()

    files = python_files("src")
    return [path for path in files if promises(path) or promises(path.parent / "__init__.py")]


def test_foundation_graphs_settings_and_the_command_line_import_without_torch():
    names = {module_name(path) for path in [*foundation(), *promised(), *(PACKAGE / "cli").glob("*.py")]}
    assert {"gearscope.graph.store", "gearscope.config", "gearscope.attribution.config"} <= names
    in_a_new_process(IMPORT_ALL, sorted(names), HEAVY)


def test_the_check_sees_a_module_that_loads_torch():
    with pytest.raises(AssertionError, match=r"importing gearscope\.workbench loaded"):
        in_a_new_process(IMPORT_ALL, ["gearscope.errors", "gearscope.workbench"], HEAVY)


def test_help_loads_no_torch():
    commands = [
        [],
        ["demo"],
        ["trace"],
        ["show"],
        ["serve"],
        ["train"],
        ["dictionary"],
        ["explain"],
        ["features"],
        ["library"],
        ["library", "build"],
        ["planted"],
        ["organism"],
        ["organism", "train"],
        ["organism", "assemble"],
        ["organism", "verify"],
    ]
    told = in_a_new_process(RUN_ALL, [[*command, "--help"] for command in commands], HEAVY)
    assert "trace" in told


def test_a_library_is_shown_and_searched_without_torch(tmp_path):
    tiny_library(tmp_path / "lib").close()
    lines = [["show", "0/0"], ["search", "--token", "cat"], ["list", "mine", "--add", "0/0"], ["search", "cats"]]
    commands = [["library", line[0], str(tmp_path / "lib"), *line[1:]] for line in lines]
    assert "[[cat]]" in in_a_new_process(RUN_ALL, commands, HEAVY)


def test_a_stored_graph_is_shown_without_torch(fixtures_dir):
    graphs = [fixtures_dir / "graphs" / f"{name}.json" for name in ("dallas-austin-llamma", "capital-state-dallas")]
    assert in_a_new_process(RUN_ALL, [["show", str(path)] for path in graphs], HEAVY).strip()
