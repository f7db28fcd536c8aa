"""`organism train | verify`: make the bundled organism again, and measure what it says of itself."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.organism.bundle import shipped_bundle
from gearscope.organism.config import OrganismConfig

app = typer.Typer(
    help="The model whose inside is known: train it from its seed, or measure it again.", no_args_is_help=True
)


@app.command("train")
def train(
    seed: Annotated[int, typer.Option("--seed", help="Decides the initial weights and every document.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    out: Annotated[Path, typer.Option("--out", help="The bundle's new folder.")] = Path("organism"),
    as_json: options.Json = False,
) -> None:
    """Train an organism (about 45 minutes on one core) and write it if its behaviours reach their bars."""
    # Imported here so that --help never loads torch.
    from gearscope.organism.train import train as run

    with status_line("training") as show:
        table = run(
            OrganismConfig.of(seed=seed),
            out,
            progress=lambda at: show(f"loss {at.loss:.3f}, of {at.steps:,} steps", at.steps_done),
            resume=resume,
        )
    if as_json:
        typer.echo(json.dumps({"bundle": str(out), "held_out": {k: v.held_out.accuracy for k, v in table.items()}}))
        return
    for name, behaviour in table.items():
        typer.echo(f"{name:<16} {behaviour.held_out.accuracy:7.2%} on {behaviour.held_out.count:,} held out")
    typer.echo(f"written to {out}")


@app.command("verify")
def verify(
    folder: Annotated[Path | None, typer.Argument(help="A bundle; the shipped one by default.")] = None,
    as_json: options.Json = False,
) -> None:
    """Measure every behaviour of a bundle again and compare it with the table stored in it."""
    from gearscope.organism.verify import verify_bundle

    checks = verify_bundle(shipped_bundle() if folder is None else folder)
    if as_json:
        rows = {
            check.name: {
                "held_out": check.measured.held_out.accuracy,
                "stored": check.stored.held_out.accuracy,
                "bar": check.bar,
                "holds": check.holds,
            }
            for check in checks
        }
        typer.echo(json.dumps(rows))
    else:
        typer.echo(f"{'behaviour':<16} {'held out':>9} {'shown':>8} {'chance':>8} {'stored':>8} {'bar':>7}")
        for check in checks:
            now = check.measured
            bar = "-" if check.bar is None else f"{check.bar:.1%}"
            figures = (now.held_out.accuracy, now.train.accuracy, now.chance.accuracy, check.stored.held_out.accuracy)
            line = " ".join(f"{figure:8.2%}" for figure in figures)
            typer.echo(f"{check.name:<16} {line} {bar:>7} {'' if check.holds else '  MISSED'}".rstrip())
    if not all(check.holds for check in checks):
        raise typer.Exit(code=2)
