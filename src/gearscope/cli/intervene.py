"""`intervene`: edits of a stored graph's nodes, predicted, measured, beside a control."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gearscope.artifact import write_text
from gearscope.cli import options, reopening
from gearscope.cli.progress import status_line
from gearscope.cli.reopening import reopened
from gearscope.graph.store import read_graph
from gearscope.interventions.config import InterventionConfig
from gearscope.interventions.edits import parse_edits
from gearscope.interventions.text import describe_intervention


def intervene(
    graph: Annotated[Path, typer.Argument(help="A graph file, as `gearscope trace --out` writes it.")],
    edit: Annotated[
        list[str],
        typer.Option(
            "--edit",
            help="'L/F@P*0' (ablate), '*2', '=3.1', '=2max', '+1.5', the same with 'supernode:NAME', or "
            "'swap:NAME<-other.json:NAME'. Repeatable: all edits are made together.",
        ),
    ],
    mode: Annotated[
        str, typer.Option("--mode", help="direct (all frozen), constrained (MLPs held up to a layer), or free.")
    ] = "constrained",
    freeze_to: Annotated[
        int | None,
        typer.Option("--freeze-to", help="constrained: the last layer held; the last edited one by default."),
    ] = None,
    hold_norms: Annotated[
        bool, typer.Option("--hold-norms", help="constrained: hold norm scales too, as the graph does.")
    ] = False,
    generate: Annotated[int, typer.Option("--generate", help="Also write so many tokens, before and after.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random control.")] = 0,
    controls: Annotated[int, typer.Option("--controls", help="Random draws that the control is averaged over.")] = 8,
    model: reopening.Model = None,
    basis: reopening.Basis = None,
    out: options.Out = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Edit nodes of GRAPH and compare what it predicts with what the model does."""
    circuit = read_graph(graph)
    edits = parse_edits(edit)
    settings: dict[str, Any] = {
        "mode": mode,
        "freeze_to": freeze_to,
        "hold_norms": hold_norms,
        "generate": generate,
        "seed": seed,
        "controls": controls,
    }
    InterventionConfig.of(**settings)  # before the model is opened
    with status_line("intervening") as progress:
        progress("opening the model", 0)
        bench = reopened(circuit, model, basis, device=device, dtype=dtype, revision=revision)
        result = bench.intervene(circuit, edits, **settings)
    if out is not None:
        write_text(out, result.to_json() + "\n")
    typer.echo(result.to_json() if as_json else describe_intervention(result))
