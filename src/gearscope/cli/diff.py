"""`diff`: what changed between two models."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.progress import reading_lines, training_lines
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.text import text_of
from gearscope.recipes.config import WORLD, parse_settings

_NAMED = "HuggingFace name or directory, organism, or organism:versions/NAME."


def diff(
    a: Annotated[str, typer.Argument(help=f"The model before: {_NAMED}")],
    b: Annotated[str, typer.Argument(help="The model after, a fine-tune of it.")],
    corpus: Annotated[
        str,
        typer.Option("--corpus", help=f"Text file, folder of them, or `{WORLD}` for the bundled model's world."),
    ] = WORLD,
    out: Annotated[Path, typer.Option("--out", help="The new folder: report and crosscoder.")] = Path("diff"),
    layers: Annotated[
        list[int] | None,
        typer.Option(
            "--layer", min=0, help="A layer the crosscoder compares; can be repeated. Two thirds of the way if none."
        ),
    ] = None,
    site: Annotated[str, typer.Option("--site", help="What is compared there.")] = "resid_post",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, for instance tokens=500000, k=16 or planes=models; can be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was interrupted.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Decides first weights and order of tokens.")] = 0,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Compare two models: what B does otherwise, features gained, lost, changed or shared; what turning each does."""
    changes = {"site": site, "seed": seed, "shuffle_seed": seed, **parse_settings(settings or [])}
    if layers:
        changes["layers"] = sorted(set(layers))
    config = DiffConfig().changed(changes)
    # Imported here so that --help never loads torch.
    from gearscope.diffing.diff import diff as run
    from gearscope.recipes.train import Opening

    opening = Opening(device, dtype, revision)
    with training_lines() as lines, reading_lines() as counted:
        done = run(a, b, corpus, out, config=config, opening=opening, progress=lines, counted=counted, resume=resume)
    if as_json:
        typer.echo(json.dumps({"diff": str(out), **done.report.model_dump(mode="json")}))
        return
    typer.echo(text_of(done.report))
    typer.echo(f"written to {out}")
