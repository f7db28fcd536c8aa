"""`organism diff`: the changes that are found between the organism and its versions, beside those that were planted."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.text import parting_line
from gearscope.organism.versions import VERSIONS
from gearscope.recipes.config import parse_settings

if TYPE_CHECKING:
    from gearscope.diffing.scored import Scored


def compare(
    versions: Annotated[
        list[str] | None, typer.Argument(help=f"Some of {', '.join(VERSIONS)}; all by default.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from 0 on.")] = 1,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, for instance change_tokens=100_000; can be repeated.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Look for what each version does otherwise than the organism; print precision and recall of what was planted."""
    config = DiffConfig().changed(parse_settings(settings or []))
    # Imported here so that --help never loads torch.
    from gearscope.diffing.scored import scored

    rows: list[dict[str, Any]] = []
    with status_line("comparing") as show:
        for version in versions or VERSIONS:
            for done in scored(
                version,
                seeds=range(seeds),
                config=config,
                counted=lambda stage, count, _, of=version: show(f"{of}, {stage}", count),
            ):
                rows.append(_row(done))
                if not as_json:
                    typer.echo("\n".join(_lines(done)))
    if as_json:
        typer.echo(json.dumps(rows))


def _row(done: "Scored") -> dict[str, Any]:
    largest = done.changes.seen.kl.nan_to_num(0).max()
    return {
        "version": done.version,
        "seed": done.seed,
        "precision": done.score.precision,
        "recall": done.score.recall,
        "largest_kl": float(largest),
        "parting": done.changes.parting.model_dump(mode="json"),
        "parting_in_planted": done.in_planted,
        **done.score.model_dump(mode="json"),
        "found": [change.model_dump(mode="json") for change in done.changes.found],
    }


def _lines(done: "Scored") -> list[str]:
    score = done.score
    shown = [change for change in score.changes if change.shown]
    found = sum(change.flags > 0 for change in shown)
    judged = [flag for flag in score.flags if flag.planted_texts is not None]
    true = sum(flag.true for flag in judged)
    lines = [
        f"{done.version}, seed {done.seed}: {len(score.changes)} planted, {len(shown)} shown, found {found} "
        f"(recall {_share(score.recall)}; by chance {score.found_by_chance}); {len(score.flags)} flagged, "
        f"{len(judged)} judged, {true} true (precision {_share(score.precision)}); "
        f"{score.planted_tokens:.1%} of tokens in planted texts",
        f"{parting_line(done.changes.parting)}; of these in planted texts {_share(done.in_planted)}",
    ]
    for flag, change in zip(score.flags, done.changes.found, strict=True):
        rate = "open" if flag.planted_texts is None else f"{flag.planted_texts:.0%}"
        lines.append(
            f"  {'true ' if flag.true else 'false'} {len(change.features):3} directions on {change.fired:4} tokens, KL "
            f"{change.kl:5.2f}, in planted texts {rate:>4}, undone {change.best.undone:.0%} (control "
            f"{change.best.undone_control:.0%}), taken {flag.taken:.0%} (control {flag.taken_control:.0%}): "
            f"{flag.moves or 'nothing planted'}  [{' '.join(change.words)} > {' '.join(change.where)}]"
        )
    lines += [f"  missed: {change.sentence}" for change in shown if not change.flags]
    return lines + [f"  not shown by the version: {one.sentence}" for one in score.changes if not one.shown]


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
