"""The names that others build on exist: rename one only with a deprecation."""

import inspect
import tomllib

import typer

from gearscope.cli.main import app
from gearscope.graph.graph import AttributionGraph
from gearscope.workbench import Workbench
from tests.house.tree import PACKAGE, REPOSITORY

TRACE_OPTIONS = {
    "--model", "--basis", "--target", "--against", "--target-feature", "--target-probe", "--position", "--max-features",
    "--chat", "--node-threshold", "--edge-threshold", "--all", "--out", "--json", "--device", "--dtype", "--revision",
}  # fmt: skip
COMMANDS = {
    ("demo",): {"--once", "--port", "--no-browser", "--json"},
    ("serve",): {
        "--port",
        "--host",
        "--model",
        "--basis",
        "--device",
        "--dtype",
        "--revision",
        "--no-browser",
        "--json",
    },
    ("trace",): TRACE_OPTIONS,
    ("show",): {"--json"},
    ("group",): {"--paraphrase", "--library", "--most", "--replace", "--out", "--json"},
    ("average",): {"--minus", "--sample", "--target", "--all", "--out", "--json"},
    ("weights",): {"--corpus", "--prompts", "--tokens", "--most", "--json"},
    ("organism", "supernodes"): {"--basis", "--model", "--prompts", "--split", "--json"},
    ("train",): {
        "--model",
        "--corpus",
        "--out",
        "--set",
        "--resume",
        "--seed",
        "--json",
        "--device",
        "--dtype",
        "--revision",
    },
    ("dictionary",): {"--model", "--corpus", "--json"},
    ("explain",): {
        "--provider",
        "--model",
        "--base-url",
        "--key-from",
        "--feature",
        "--features-of-list",
        "--all",
        "--most",
        "--method",
        "--score",
        "--budget",
        "--price-in",
        "--price-out",
        "--dry-run",
        "--yes-send-text",
        "--json",
    },
    ("features",): {"--model", "--dictionary", "--library", "--most", "--json", "--device", "--dtype", "--revision"},
    ("library", "build"): {
        "--out",
        "--model",
        "--dictionary",
        "--corpus",
        "--set",
        "--shards",
        "--ray",
        "--resume",
        "--json",
    },
    ("library", "show"): {"--json"},
    ("library", "search"): {"--text", "--token", "--promotes", "--near", "--rule", "--fires-in", "--not-in", "--json"},
    ("library", "list"): {"--add", "--export", "--import", "--json"},
    ("planted",): {"--set", "--seeds", "--seed", "--out", "--json"},
    ("organism", "train"): {"--seed", "--out", "--resume", "--only", "--json"},
    ("organism", "assemble"): {"--plt", "--clt", "--other-seed", "--sealed", "--out", "--replace", "--json"},
    ("organism", "verify"): {"--json"},
}


def test_commands_and_options():
    for path, options in COMMANDS.items():
        command = typer.main.get_command(app)
        for word in path:
            command = command.commands[word]
        assert command.help, path
        assert options <= {option for parameter in command.params for option in parameter.opts}, path
        silent = [parameter.name for parameter in command.params if not parameter.help]
        assert not silent, f"{path}: no help for {silent}"


def test_the_python_door():
    opening = inspect.signature(Workbench.open).parameters
    assert {"model", "basis", "device", "dtype", "revision"} <= set(opening)
    assert all(parameter.default is not inspect.Parameter.empty for parameter in opening.values())
    tracing = inspect.signature(Workbench.trace)
    assert list(tracing.parameters)[:2] == ["self", "prompt"]
    assert tracing.return_annotation in (AttributionGraph, "AttributionGraph")
    assert {"nodes", "adjacency", "layout", "scores"} <= set(dir(AttributionGraph)) | set(
        AttributionGraph.__annotations__
    )


def test_the_program_is_installed_under_its_name_and_is_typed():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"gearscope": "gearscope.cli.start:run"}
    assert (PACKAGE / "py.typed").is_file()
