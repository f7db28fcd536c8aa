"""`organism supernodes`: whether automatic supernodes contain the state between a city and its capital."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gearscope.cli import options
from gearscope.cli.progress import status_line

if TYPE_CHECKING:
    from gearscope.evaluation.report import StateReport

BY_HEART = "organism:twins/two_hops_by_heart"
"""Answers chains without a state between."""


def with_twin(model: str | None, bases: Sequence[str] | None) -> list[tuple[str | None, str]]:
    """What is asked: the bundled model in these bases, then its twin; or a model that was named, in its neurons."""
    if model is not None:
        return [(model, name) for name in bases or ["neurons"]]
    return [*((None, name) for name in bases or ["neurons", "plt", "clt"]), (BY_HEART, "neurons")]


def supernodes(
    basis: options.SomeBases = None,
    model: options.Model = None,
    prompts: Annotated[int, typer.Option("--prompts", min=2, max=300, help="Chains to trace and group.")] = 60,
    split: Annotated[
        Literal["heldout", "train"],
        typer.Option("--split", help="Cities that training never chained; or the others, to tune on."),
    ] = "heldout",
    seed: Annotated[int, typer.Option("--seed", help="Which chains, what they are exchanged with, the control.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Whether supernodes of two-step circuits contain the state, by exchanging them; and in the twin without states.

    With --model, that model alone, and its neurons unless a --basis is given.
    """
    from gearscope.evaluation.states import measure_states
    from gearscope.workbench import Workbench

    with status_line("grouping") as show:
        reports = [
            measure_states(Workbench.open(opened, name), prompts=prompts, seed=seed, split=split, progress=show)
            for opened, name in with_twin(model, basis)
        ]
    if as_json:
        typer.echo(json.dumps([report.model_dump(mode="json") for report in reports]))
        return
    typer.echo("\n".join(state_lines(reports)))


def state_lines(reports: Sequence["StateReport"]) -> list[str]:
    """A line for each model and basis, every share beside that of random groups."""
    lines = [
        f"{'model':<34} {'basis':<8} {'chains':>6} {'nodes':>6} {'groups':>6} {'most':>5} {'largest':>8} "
        f"{'has state':>9} {'random':>7} {'moved':>7} {'random':>7} {'complete':>8} {'strict':>7} {'whole':>7}"
    ]
    for row in reports:
        shares = [f"{share:7.1%}" for share in (row.contains_random, row.moved, row.moved_random)]
        scores = f"{row.completeness:8.3f} {row.completeness_strict:7.3f} {row.completeness_whole:7.3f}"
        lines.append(
            f"{row.model:<34} {row.basis:<8} {row.prompts:>6} {row.nodes:>6.0f} {row.groups:>6.1f} "
            f"{row.most_groups:>5} {row.largest:>8.1%} {row.contains:>9.1%} {' '.join(shares)} {scores}"
        )
    best = max((row for row in reports if row.model == "organism"), key=_rank, default=None)
    if best is not None and len(reports) > 1:
        lines.append(f"the basis whose supernodes contain the state most often: {best.basis}")
    return lines


def _rank(row: "StateReport") -> tuple[float, float]:
    return row.contains, row.moved
