"""`train` and `harvest`: make dictionaries for a model, and store what they are trained on."""

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gearscope.cli import options
from gearscope.cli.progress import status_line, training_lines
from gearscope.errors import ConfigError
from gearscope.evaluation.report import DictionaryReport
from gearscope.recipes.config import RECIPES, Recipe, open_recipe, parse_grid, parse_settings

if TYPE_CHECKING:
    from gearscope.dictionaries.training.train import Progress
    from gearscope.recipes.train import Opening

Corpus = Annotated[
    str | None,
    typer.Option(
        "--corpus",
        help="Text to read: a .txt, .md, .jsonl or .parquet file, a folder of them, or `organism` for the bundled "
        "model's world.",
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A setting, for instance tokens=100000 or k=16; can be repeated.")
]


def _listed() -> str:
    """The recipes, one a line, in three groups: for any model, for the bundled one, for models of the hub."""
    groups: dict[str, list[str]] = {}
    for name, recipe in RECIPES.items():
        own = "FOR THE BUNDLED MODEL" if recipe.corpus else "FOR ANY MODEL, with --model and --corpus"
        where = "FOR MODELS OF THE HUB, with --corpus" if recipe.model else own
        groups.setdefault(where, []).append(f"{name}: {recipe.about}")
    paragraphs = [line for where, lines in groups.items() for line in (where, *lines)]
    return "".join(f"\n\n{paragraph}" for paragraph in paragraphs)  # a blank line in a help text is a new line


_LIST = _listed()


def train(
    recipe: Annotated[str, typer.Argument(help=f"A recipe or a .toml file. {_LIST}")],
    model: options.Model = None,
    corpus: Corpus = None,
    out: Annotated[Path, typer.Option("--out", help="The new folder of dictionaries.")] = Path("dictionaries"),
    settings: Settings = None,
    activations: Annotated[
        Path | None, typer.Option("--activations", help="Train on these, which `gearscope harvest` stored.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--start", help="Go on from the finished dictionaries in this folder.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", help="Values of a setting, for instance k=8,16,32; one run for each combination."),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option("--tensorboard", help="Write the figures into this folder for TensorBoard, too.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", help="Decides first weights and order of tokens.")] = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Train dictionaries (SAEs, transcoders, crosscoders, ...) for a model, measure and store them."""
    chosen = chosen_recipe(recipe, model, corpus, settings, seed)
    # Imported here so that --help never loads torch.
    from gearscope.recipes.train import Opening, train_recipe

    opening = Opening(device, dtype, revision)
    if grid:
        if start is not None:
            raise ConfigError("--grid or --start was expected: every point of a grid begins anew", found="both")
        if tensorboard is not None:
            raise ConfigError("--tensorboard goes with one run", found="it with --grid", hint="the grid has a table")
        _train_grid(chosen, grid, out, opening, activations, as_json)
        return
    with training_lines() as lines, _scalars(tensorboard) as scalars:

        def progress(at: "Progress") -> None:
            lines(at)
            scalars(at)

        done = train_recipe(
            chosen,
            out,
            opening=opening,
            activations=activations,
            start=start,
            progress=progress,
            resume=resume,
        )
    if os.environ.get("RANK", "0") != "0":  # of several processes that share the features, the first one speaks
        return
    if as_json:
        typer.echo(json.dumps({"dictionaries": str(out), **done.report.model_dump(mode="json")}))
        return
    typer.echo(table(done.report))
    typer.echo(f"written to {out}; look through it with --basis {out}")


def _scalars(folder: Path | None) -> "AbstractContextManager[Callable[[Progress], None]]":
    if folder is None:
        return nullcontext(lambda at: None)
    from gearscope.recipes.metrics import tensorboard

    return tensorboard(folder)


def _train_grid(
    recipe: Recipe, axes: list[str], out: Path, opening: "Opening", activations: Path | None, as_json: bool
) -> None:
    """Every point of a grid, then its table; what is finished is not trained again."""
    from gearscope.recipes.grid import CSV, FIGURES, grid_of, train_grid

    points = grid_of(parse_grid(axes))
    with training_lines() as lines:

        def begin(number: int, count: int, point: dict[str, Any]) -> "Callable[[Progress], None]":
            typer.echo(f"{number} of {count}: {', '.join(f'{k}={v}' for k, v in point.items())}", err=True)
            return lines

        rows = train_grid(recipe, points, out, opening=opening, activations=activations, begin=begin)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    names = list(rows[0])
    typer.echo("  ".join(f"{name:>14}" for name in names))
    for row in rows:
        cells = [f"{row[n]:.4g}" if n in FIGURES and row[n] is not None else str(row[n]) for n in names]
        typer.echo("  ".join(f"{cell:>14}" for cell in cells))
    typer.echo(f"written to {out / CSV}")


def harvest(
    recipe: Annotated[str, typer.Argument(help=f"What will be trained on them: a recipe or a .toml file. {_LIST}")],
    model: options.Model = None,
    corpus: Corpus = None,
    out: Annotated[Path, typer.Option("--out", help="The new folder of activations.")] = Path("activations"),
    tokens: Annotated[
        int, typer.Option("--tokens", min=1, help="Tokens to read, rounded up to whole blocks.")
    ] = 2_000_000,
    precision: Annotated[
        Literal["float32", "float16"], typer.Option("--precision", help="float16 takes half the space.")
    ] = "float32",
    settings: Settings = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a harvest that was interrupted.")] = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Store the activations that a recipe reads, so that many runs can train on them."""
    from gearscope.recipes.harvest import harvest as run
    from gearscope.recipes.train import Opening

    chosen, opening = chosen_recipe(recipe, model, corpus, settings, None), Opening(device, dtype, revision)
    with status_line("harvesting") as show:
        run(
            chosen,
            out,
            tokens=tokens,
            precision=precision,
            opening=opening,
            resume=resume,
            progress=lambda done, total: show(f"of {total:,} tokens", done),
        )
    typer.echo(f"written to {out}; train on it with --activations {out}")


def chosen_recipe(
    name: str, model: str | None, corpus: str | None, settings: list[str] | None, seed: int | None
) -> Recipe:
    """A recipe with the changes that the command line asks for. Raises ConfigError."""
    changes = parse_settings(settings or [])
    changes |= {name: value for name, value in {"model": model, "corpus": corpus}.items() if value is not None}
    if seed is not None:
        changes |= {"seed": seed, "shuffle_seed": seed}
    return open_recipe(name).changed(changes)


def table(report: DictionaryReport) -> str:
    """The figures as text, worst layer named."""
    lines = [f"{'writes':<18} {'NMSE':>8} {'shuffled':>9} {'L0':>6} {'dead':>7}"]
    for layer in report.layers:
        figures = f"{layer.nmse:8.2%} {layer.nmse_shuffled:9.0%} {layer.l0:6.1f} {layer.dead:7.2%}"
        lines.append(f"{layer.writes:<18} {figures}")
    plain, random = report.replaced, report.replaced_shuffled
    lines += [
        f"worst layer {report.worst.writes}: NMSE {report.worst.nmse:.2%} on {report.tokens:,} held-out tokens",
        f"all replaced at once: next token the same {plain.top1:.2%} (shuffled {random.top1:.2%}), "
        f"KL {plain.kl:.4f} nats (shuffled {random.kl:.2f}) on {report.replaced_tokens:,} tokens",
    ]
    if report.recovered is not None and report.recovered_shuffled is not None:
        lines.append(
            f"of the loss that constants in these places cost: {report.recovered:.2%} recovered "
            f"(shuffled {report.recovered_shuffled:.0%})"
        )
    return "\n".join(lines)
