"""`library import` and `library export`: feature libraries in other programs' formats."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.progress import counting_line
from gearscope.features.foreign.give import Form, give
from gearscope.features.foreign.take import import_library
from gearscope.features.store import Library


def take(
    path: Annotated[
        Path,
        typer.Argument(help="SAEDashboard's batch-N.json or a folder of them, or a Neuronpedia source (or above it)."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The new folder.")],
    as_json: options.Json = False,
) -> None:
    """Make a library of what another program measured; what it does not say is absent."""
    with counting_line("import") as progress:
        taken = import_library(path, out, progress=progress)
    if as_json:
        typer.echo(json.dumps({"library": str(out)} | taken._asdict()))
        return
    directions = "with" if taken.vectors else "without"
    typer.echo(f"{taken.features:,} features of {taken.format}, {directions} directions; written to {out}")
    if taken.left_out:
        typer.echo(f"{taken.left_out:,} examples and labels left out: no row describes their features")


def export(
    folder: options.Library,
    form: Annotated[
        Form,
        typer.Option("--to", help="Neuronpedia's dump form or upload batches, files for graph pages, or Parquet."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The new folder.")],
    model: Annotated[str | None, typer.Option("--model-id", help="What the model is called there.")] = None,
    source_set: Annotated[
        str | None, typer.Option("--source-set", help="What the dictionaries are called there, without the layer.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write a library for other programs."""
    with Library.open(folder) as library:
        left_out = give(library, form, out, model=model, source_set=source_set)
        told = {"out": str(out), "features": library.n_features - left_out, "left_out": left_out}
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{told['features']:,} features written to {out}")
    if left_out:
        typer.echo(f"{left_out:,} left out: without an example, or with an index that {form} does not take")
