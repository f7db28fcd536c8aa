"""`group`: supernodes of a stored graph, proposed by evidence."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gearscope.cli import options
from gearscope.cli.progress import counting_line
from gearscope.errors import ConfigError
from gearscope.graph.store import read_graph, write_graph
from gearscope.supernodes.config import GroupConfig
from gearscope.supernodes.result import read_grouping
from gearscope.supernodes.text import describe_grouping

if TYPE_CHECKING:
    from gearscope.graph.graph import AttributionGraph
    from gearscope.supernodes.likeness import Known


def group(
    graph: Annotated[Path, typer.Argument(help="A graph file, as `gearscope trace --out` writes it.")],
    paraphrase: Annotated[
        list[str] | None,
        typer.Option(
            "--paraphrase",
            help="The prompt said otherwise, or its template with other words: traced and grouped too, to see which "
            "groups are found again. Repeatable; without it, stability is over resampled evidence.",
        ),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            "--library", help=f"A feature library of the graph's basis, for labels and co-firing; `{options.BUNDLED}`."
        ),
    ] = None,
    most: Annotated[int, typer.Option("--most", help="Supernodes at most.")] = 30,
    largest: Annotated[float, typer.Option("--largest", help="Share of the nodes that one holds at most.")] = 0.2,
    alike: Annotated[float, typer.Option("--alike", help="Mean likeness from which on groups are one.")] = 0.4,
    again: Annotated[bool, typer.Option("--replace", help="Groups that are in the file go; without it they stay.")] = (
        False
    ),
    seed: Annotated[int, typer.Option("--seed", help="Seed of random groups and resampled evidence.")] = 0,
    model: options.OtherModel = None,
    basis: options.OtherBasis = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the graph is written with its groups; may be GRAPH itself.")
    ] = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Put the nodes of GRAPH into supernodes that do the same, and say what speaks for each."""
    circuit = read_graph(graph)
    settings: dict[str, Any] = {"most": most, "largest": largest, "alike": alike, "seed": seed}
    GroupConfig.of(**settings)  # before the model is opened
    with counting_line("grouping") as progress:
        opening = options.BenchOptions(model=model, basis=basis, device=device, dtype=dtype, revision=revision)
        bench = opening.open_for(circuit)
        known = None if library is None else _known(circuit, options.library_folder(library))
        grouped = bench.group(
            circuit, paraphrases=paraphrase or (), known=known, again=again, progress=progress, **settings
        )
    if out is not None:
        write_graph(out, grouped)
    facts = read_grouping(grouped)
    if facts is None:
        raise ConfigError("a graph that was grouped was expected", found="none")
    typer.echo(json.dumps(facts.model_dump(mode="json")) if as_json else describe_grouping(grouped, facts))


def _known(circuit: "AttributionGraph", folder: Path) -> "Known":
    from gearscope.features.store import Library
    from gearscope.supernodes.known import known_features

    with Library.open(folder) as opened:
        return known_features(circuit, opened)
