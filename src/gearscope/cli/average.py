"""`average`: one circuit for many prompts, or the difference between two sets of them."""

from pathlib import Path
from typing import Annotated

import typer

from gearscope.attribution.prompts import read_prompts
from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.cli.trace import open_bench, report
from gearscope.graph.spread import describe_spread


def average(
    prompts: Annotated[
        Path,
        typer.Argument(
            help="A text file with a prompt on each line; or a template, `calc : {a} + {b} =`, followed by a line "
            "`a: 0..99` or `a: one | two` for each name."
        ),
    ],
    minus: Annotated[
        Path | None, typer.Option("--minus", help="Another such file: what the first has more than this one.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="So many prompts of each file, drawn at random; all without.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the sample.")] = 0,
    model: options.Model = None,
    basis: options.Basis = "neurons",
    target: Annotated[
        str | None, typer.Option("--target", help="A token to explain in every prompt, instead of the likely ones.")
    ] = None,
    against: Annotated[str | None, typer.Option("--against", help="Explain --target minus this token.")] = None,
    max_features: Annotated[
        int | None, typer.Option("--max-features", help="Expand at most so many features of a prompt.")
    ] = None,
    node_threshold: Annotated[
        float, typer.Option("--node-threshold", help="Of every prompt, and again of the mean: share of the influence.")
    ] = 0.8,
    edge_threshold: Annotated[float, typer.Option("--edge-threshold", help="The same for edges.")] = 0.98,
    everything: Annotated[bool, typer.Option("--all", help="Prune neither prompts nor the mean.")] = False,
    out: options.Out = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Trace many prompts and average their circuits: mean edges, their errors, and how many prompts have them."""
    first = read_prompts(prompts, most=sample, seed=seed)
    second = () if minus is None else read_prompts(minus, most=sample, seed=seed)
    bench = open_bench(model, basis, device, dtype, revision)
    with status_line(f"averaging {len(first) + len(second):,} prompts") as progress:
        graph = bench.average(
            first,
            second,
            everything=everything,
            node_threshold=node_threshold,
            edge_threshold=edge_threshold,
            progress=progress,
            target=target,
            against=against,
            max_features=max_features,
        )
    report(graph, out, as_json, describe_spread)
