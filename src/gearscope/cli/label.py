"""`label`: what the features of a library mean, by rules or by a language model; labels of a person; label accuracy."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.progress import counting_line
from gearscope.cli.train import Settings
from gearscope.errors import ConfigError
from gearscope.evaluation.report import Accuracy
from gearscope.labels.config import RuleConfig
from gearscope.labels.report import RuleReport, Summary
from gearscope.recipes.config import parse_settings

RULES = "rules"


def label(
    folder: options.Library,
    feature: Annotated[
        list[str] | None, typer.Option("--feature", help="Only this feature, LAYER/INDEX; can be repeated.")
    ] = None,
    edit: Annotated[
        list[str] | None,
        typer.Option("--edit", help="A label of yours, LAYER/INDEX=TEXT; it is shown before all others."),
    ] = None,
    truths: Annotated[
        int | None,
        typer.Option(
            "--truths",
            min=20,
            help="Ask instead which share of the stored rules names what its feature tells about the organism's "
            "world, on so many documents of each phenomenon.",
        ),
    ] = None,
    settings: Settings = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Label every feature of a library by a rule that can be run, with no key and no other model.

    Each label has its F1 on text that did not choose it, beside that of another feature's rule.
    """
    # Imported here so that --help never loads torch.
    from gearscope.recipes.label import judge_stored, label_by_rules, write_edits
    from gearscope.recipes.train import Opening

    if edit:
        if truths is not None or feature:
            raise ConfigError("--edit alone was expected", found="another option beside it")
        written = write_edits(folder, edit)
        typer.echo(json.dumps(written) if as_json else "\n".join(f"{name}  {text}" for name, text in written.items()))
        return
    opening = Opening(device, dtype, revision)
    with counting_line("label") as progress:
        if truths is not None:
            known = judge_stored(folder, documents=truths, opening=opening, progress=progress)
        else:
            config = RuleConfig().changed(parse_settings(settings or []))
            report = label_by_rules(folder, config, features=feature or (), opening=opening, progress=progress)
    if truths is not None:
        typer.echo(json.dumps(known.model_dump(mode="json")) if as_json else accuracy_table(known))
        return
    typer.echo(json.dumps(report.model_dump(mode="json")) if as_json else rule_lines(report))


def rule_lines(report: RuleReport) -> str:
    """The rules' figures, beside their baselines."""
    lines = [
        f"{report.labelled:,} labels for where a feature has {report.level:.0%} of its largest activation or more; "
        f"rules chosen on two windows of three of {report.tokens:,} tokens, scored on the third",
        _summary("features", report.rules),
        f"exchanged rules: F1 {_share(report.shuffled_f1)}",
    ]
    if report.random is not None:
        lines.append(_summary("directions drawn at random", report.random))
    return "\n".join(lines)


def _summary(name: str, found: Summary) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.kinds.items())
    return (
        f"{name}: F1 {_share(found.f1)} (median {_share(found.median_f1)}; {_share(found.f1_any)} for every firing, "
        f"however weak), .8 or more in {_share(found.above)} of {found.live:,} that fire; precision "
        f"{_share(found.precision)}, recall {_share(found.recall)}; {kinds}"
    )


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def accuracy_table(found: Accuracy) -> str:
    """Label accuracy by phenomenon, and that of directions drawn at random."""
    report, chance = found.features, found.random
    names = list(report.right)
    lines = [f"{'phenomenon':<13} {'features':>9}" + "".join(f"{name:>13}" for name in names)]
    lines += [_row(row.phenomenon, row.features, [row.right[name] for name in names]) for row in report.rows]
    lines.append(_row("all", report.told, [report.right[name] for name in names]))
    lines.append(_row("mostly so", report.mostly, [report.right_mostly[name] for name in names]))
    lines.append(_row("random", chance.told, [chance.right["rules"]]))
    lines.append(_row("mostly so", chance.mostly, [chance.right_mostly["rules"]]))
    lines.append(
        f"{report.told:,} of {report.live:,} features that fire tell a question ({_of(report.told, report.live)}), "
        f"and {chance.told:,} of {chance.live:,} directions drawn at random ({_of(chance.told, chance.live)}); mostly "
        f"so: half of their firings or more ({_of(report.mostly, report.live)}, {_of(chance.mostly, chance.live)}). "
        f"{report.documents} documents of each phenomenon, and all sums of two numbers below 100"
    )
    return "\n".join(lines)


def _row(name: str, count: int, shares: Sequence[float | None]) -> str:
    return f"{name:<13} {count:9,}" + "".join(f"{_share(share):>13}" for share in shares)


def _of(some: int, all_: int) -> str:
    return _share(some / all_ if all_ else None)
