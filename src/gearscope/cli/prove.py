"""What `intervene` does with a whole graph: `--validate`, `--redundancy`, `--gates`."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from gearscope.artifact import write_text
from gearscope.attribution.prompts import lines_of
from gearscope.cli.options import BenchOptions
from gearscope.cli.progress import status_line
from gearscope.errors import ArtifactError, ConfigError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.store import write_detail, write_graph
from gearscope.interventions.config import ValidationConfig
from gearscope.interventions.proof_text import describe_gates, describe_survival
from gearscope.interventions.survival_picture import draw_survival
from gearscope.interventions.validation import KEY, read_validation
from gearscope.interventions.validation_text import describe_validation

if TYPE_CHECKING:
    from gearscope.workbench import Workbench

ACTIONS = ("--validate", "--redundancy", "--gates")


class Proof(NamedTuple):
    """What was asked for."""

    action: str
    path: Path
    graph: AttributionGraph
    settings: dict[str, int]
    reference: Path | None
    svg: Path | None
    out: Path | None
    as_json: bool


def prove(asked: Proof, bench: BenchOptions) -> None:
    """Do it, print it, store it."""
    if asked.graph.supernodes and "top" in asked.settings:
        found = f"{len(asked.graph.supernodes)} supernodes, which are what is edited"
        raise ConfigError("--top is for graphs without supernodes", found=found, hint="leave it out")
    references = [] if asked.reference is None else read_prompts(asked.reference)
    if asked.action == "--validate":
        ValidationConfig.of(**asked.settings)  # before the model is opened
    if asked.svg is not None and (asked.svg.is_dir() or not asked.svg.name):
        raise ArtifactError("--svg should name the file to draw into", found=f"a folder ({asked.svg})")
    if asked.svg is not None and asked.svg.exists() and asked.svg.samefile(asked.path):
        raise ArtifactError("--svg should name another file than the graph", found=str(asked.svg))
    if asked.action == "--validate":
        _validate(asked, bench, references)
        return
    with status_line("ablating") as progress:
        progress("opening the model", 0)
        opened = bench.open_for(asked.graph)
        progress("running", 0)
        text, stored = (_redundancy if asked.action == "--redundancy" else _gates)(asked, opened)
    if asked.out is not None:
        write_text(asked.out, stored + "\n")
    typer.echo(stored if asked.as_json else text)


def _validate(asked: Proof, bench: BenchOptions, references: list[str]) -> None:
    """The plan is written before anything is measured, then the whole."""

    def store(graph: AttributionGraph) -> None:
        if asked.out is None:
            write_detail(asked.path, KEY, graph.details[KEY])
        else:
            write_graph(asked.out, graph)

    with status_line("validating") as progress:
        progress("opening the model", 0)
        opened = bench.open_for(asked.graph)
        graph = opened.validate(
            asked.graph, references=references, registered=store, progress=progress, **asked.settings
        )
    store(graph)
    found = read_validation(graph)
    assert found is not None, "it was just made"
    if asked.as_json:
        typer.echo(found.to_json())
        return
    typer.echo(describe_validation(found))
    typer.echo(f"\nwritten to {asked.path if asked.out is None else asked.out}")


def _redundancy(asked: Proof, bench: "Workbench") -> tuple[str, str]:
    from gearscope.interventions.redundancy import sweep

    found = sweep(bench.scene(asked.graph), seed=asked.settings["seed"])
    text = describe_survival(found)
    if asked.svg is not None:
        write_text(asked.svg, draw_survival(found))
        text += f"\ndrawn into {asked.svg}"
    return text, found.to_json()


def _gates(asked: Proof, bench: "Workbench") -> tuple[str, str]:
    from gearscope.interventions.gates import find_gates

    found = find_gates(bench.scene(asked.graph), seed=asked.settings["seed"])
    return describe_gates(found), found.to_json()


def read_prompts(path: Path) -> list[str]:
    """The prompts of a text file, one a line, as they are; empty lines are left out. Raises ConfigError."""
    expected = f"{path} should be a text file with a prompt a line"
    prompts = lines_of(path, expected)
    if not prompts:
        raise ConfigError(expected, found="an empty file")
    return prompts
