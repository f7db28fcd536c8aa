"""`trace --basis all`: prompts in every basis of the bundled model, side by side."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from gearscope.artifact import write_text
from gearscope.cli.progress import status_line
from gearscope.cli.prove import read_prompts
from gearscope.errors import ConfigError, PromptError
from gearscope.interventions.text import share, table

if TYPE_CHECKING:
    from gearscope.evaluation.basis_report import BasisPrompt, BasisReport, BasisRow

BASES = ("neurons", "plt", "clt")


class Bases(NamedTuple):
    """What was asked for."""

    prompt: str | None
    prompts: Path | None
    model: str | None
    device: str
    dtype: str
    revision: str | None
    out: Path | None
    as_json: bool


def compare(asked: Bases, unused: Sequence[str]) -> None:
    """Trace and validate every prompt in every basis; print and store the table."""
    if unused:
        raise ConfigError("options that --basis all uses were expected", found=", ".join(unused))
    if asked.model is not None:
        hint = "leave out --model, or trace in one basis after the other"
        raise ConfigError("--basis all compares the bundled model's bases", found=f"--model {asked.model}", hint=hint)
    if (asked.prompt is None) == (asked.prompts is None):
        raise PromptError("either PROMPT or --prompts was expected", found="both" if asked.prompt else "neither")
    prompts = [asked.prompt] if asked.prompts is None else read_prompts(asked.prompts)
    # Imported here so that --help never loads torch.
    from gearscope.evaluation.bases import compare_bases
    from gearscope.workbench import Workbench

    with status_line("tracing") as progress:
        benches = []
        for name in BASES:
            progress(f"opening {name}", len(benches))
            benches.append(Workbench.open(basis=name, device=asked.device, dtype=asked.dtype, revision=asked.revision))
        report = compare_bases(benches, [text for text in prompts if text is not None], progress=progress)
    if asked.out is not None:
        write_text(asked.out, report.to_json() + "\n")
    typer.echo(report.to_json() if asked.as_json else "\n".join(basis_lines(report)))


def basis_lines(report: "BasisReport") -> list[str]:
    """A column for each basis."""
    rows: list[tuple[str, Callable[[BasisRow], str]]] = [
        ("active features", _mean(lambda one: one.active, "{:.0f}")),
        ("kept by the default pruning", _mean(lambda one: one.features, "{:.0f}")),
        ("errors kept", _mean(lambda one: one.errors, "{:.1f}")),
        ("replacement", _interval(lambda one: one.replacement)),
        ("completeness", _interval(lambda one: one.completeness)),
        ("predicted and measured, norms held", _mean(lambda one: one.held)),
        ("  control", _mean(lambda one: one.held_control)),
        ("predicted and measured, norms live", _mean(lambda one: one.live)),
        ("  control", _mean(lambda one: one.live_control)),
        ("cosine of the stream, 1 layer on", _mean(lambda one: one.cosine)),
    ]
    chains = sum(one.hop is not None for one in report.rows[0].prompts)
    if chains:
        rows += [
            (
                "nodes that stand for the state",
                _mean(lambda one: None if one.hop is None else one.hop.features, "{:.1f}"),
            ),
            ("hop: influence through them", _mean(lambda one: None if one.hop is None else one.hop.through, "{:.1%}")),
            ("  random nodes", _mean(lambda one: None if one.hop is None else one.hop.through_random, "{:.1%}")),
            ("  through no feature", _mean(lambda one: None if one.hop is None else one.hop.direct, "{:.1%}")),
        ]
    lines = [["", *(row.basis for row in report.rows)]]
    lines += [[said, *(of(row) for row in report.rows)] for said, of in rows]
    prompts = report.rows[0].prompts
    whose = f"{len(prompts)} prompts (means)" if len(prompts) > 1 else prompts[0].prompt
    note = f"up to {report.top} features of each circuit set to 0, resampled and doubled (seed {report.seed})"
    hops = f"; {chains} of them ask for two facts" if chains and len(prompts) > 1 else ""
    return [f"model    {report.model}", f"prompt   {whose}{hops}", f"edits    {note}", table(lines)]


def _mean(of: "Callable[[BasisPrompt], float | None]", form: str = "") -> "Callable[[BasisRow], str]":
    def said(row: "BasisRow") -> str:
        value = row.mean(of)
        return share(value) if value is None or not form else form.format(value)

    return said


def _interval(of: "Callable[[BasisPrompt], tuple[float, float]]") -> "Callable[[BasisRow], str]":
    def said(row: "BasisRow") -> str:
        low, high = (share(row.mean(lambda one, end=end: of(one)[end])) for end in (0, 1))
        return low if low == high else f"{low} to {high}"

    return said
