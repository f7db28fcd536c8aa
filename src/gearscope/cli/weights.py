"""`weights`: the strongest inputs and outputs of one feature over all prompts."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gearscope.attribution.prompts import read_prompts
from gearscope.attribution.weights import describe_weights
from gearscope.cli import options
from gearscope.cli.progress import status_line


def weights(
    feature: Annotated[str, typer.Argument(help="A feature, LAYER/INDEX.")],
    model: options.Model = None,
    basis: Annotated[
        str, typer.Option("--basis", help="Transcoders: plt, clt, a folder in any known format, or hub:OWNER/NAME.")
    ] = "clt",
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="Text to read: a file, a folder, hub:OWNER/NAME, or `organism` (its world)."),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", help="A file of prompts or a template instead, as `average` reads them.")
    ] = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="So many of these prompts at random.")] = None,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Tokens of a corpus that are read.")] = 20_000,
    most: Annotated[int, typer.Option("--most", min=1, help="Inputs and outputs that are shown.")] = 15,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """What FEATURE reads and what reads it, whatever the prompt: virtual weights, used (TWERA) or interference."""
    texts = () if prompts is None else read_prompts(prompts, most=sample)
    # Imported here so that --help never loads torch.
    from gearscope.recipes.train import Opening
    from gearscope.recipes.weights import weigh_named

    with status_line("reading") as progress:
        report = weigh_named(
            feature,
            model=model,
            basis=basis,
            corpus=corpus,
            prompts=texts,
            tokens=tokens,
            most=most,
            opening=Opening(device=device, dtype=dtype, revision=revision),
            progress=progress,
        )
    typer.echo(json.dumps(report.model_dump(mode="json")) if as_json else describe_weights(report))
