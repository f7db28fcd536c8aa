"""`planted`: dictionaries trained where the truth is known, and how much of it they found."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.progress import training_lines
from gearscope.planted.config import PLANTED, planted_recipe
from gearscope.planted.report import PlantedReport, Scores, SeedScores, mean_of
from gearscope.recipes.config import parse_settings

_LIST = "; ".join(f"{name}: {recipe.about}" for name, recipe in PLANTED.items())
_COLUMNS: dict[str, tuple[Callable[[Scores], float | None], str]] = {
    "MCC": (lambda s: s.mean("mcc"), ".3f"),
    "found .9": (lambda s: s.found("0.9"), ".1%"),
    "F1": (lambda s: s.mean("f1"), ".3f"),
    "shuffled": (lambda s: s.mean("f1_shuffled"), ".3f"),
    "absorbed": (lambda s: s.mean("absorption"), ".1%"),
    "missed": (lambda s: s.mean("missed"), ".1%"),
    "split": (lambda s: s.mean("splitting"), ".2f"),
    "dead": (lambda s: s.mean("dead"), ".1%"),
    "NMSE": (lambda s: s.mean("nmse"), ".1%"),
    "L0": (lambda s: s.mean("l0"), ".2f"),
    "hops kept": (lambda s: None if s.hops is None else s.hops.kept, ".1%"),
}


def planted(
    recipe: Annotated[str, typer.Argument(help=f"What is trained, on which planted world. {_LIST}.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the world or the training, such as n_truths=256 or k=4; repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs, each with a world of its own.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The first run's seed: world, tokens and first weights.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the dictionaries are kept, a folder per seed.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Train dictionaries on activations with planted features, and score what they recover beside two references."""
    chosen = planted_recipe(recipe).changed(parse_settings(settings or []))
    # Imported here so that --help never loads torch.
    from gearscope.planted.run import run_seed

    rows = []
    for number in range(seed, seed + seeds):
        with training_lines() as progress:
            place = None if out is None else out / f"seed_{number}"
            rows.append(run_seed(chosen, number, out=place, progress=progress).scores)
    report = PlantedReport(recipe=chosen, seeds=tuple(rows))
    typer.echo(json.dumps(report.model_dump(mode="json")) if as_json else table(report))


def table(report: PlantedReport) -> str:
    """The figures as text; the mean over dictionaries, and over seeds where there are several."""
    lines = [f"{'':<16}" + "".join(f"{name:>10}" for name in _COLUMNS)]
    if len(report.seeds) > 1:
        lines += [_line(f"trained, seed {one.seed}", [one.trained]) for one in report.seeds]
    for name, pick in _ROWS.items():
        lines.append(_line(name, [pick(one) for one in report.seeds]))
    first = report.seeds[0].trained.dictionaries[0]
    overlap, tokens = mean_of([one.superposition for one in report.seeds]), report.recipe.training.held_out_tokens
    lines.append(
        f"{len(report.seeds)} seed(s), {tokens:,} held-out tokens; truths per dictionary {first.truths}, "
        f"latents {first.latents}, true L0 {first.l0_true:.2f}, nearest other truth at |cosine| {overlap:.2f}"
    )
    return "\n".join(lines)


_ROWS: dict[str, Callable[[SeedScores], Scores]] = {
    "trained": lambda one: one.trained,
    "random": lambda one: one.random,
    "planted": lambda one: one.planted,
}


def _line(name: str, scores: Sequence[Scores]) -> str:
    cells = []
    for figure, form in _COLUMNS.values():
        value = mean_of([figure(one) for one in scores])
        cells.append(f"{'-' if value is None else format(value, form):>10}")
    return f"{name:<16}" + "".join(cells)
