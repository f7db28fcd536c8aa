"""`explain`: what a language model says that features mean, asked for on request, with its scores, calls and cost."""

import json
from typing import get_args

import typer

from gearscope.cli import explain_options as asked
from gearscope.cli import options
from gearscope.cli.progress import counting_line
from gearscope.cli.train import Settings
from gearscope.errors import ConfigError
from gearscope.explainers.config import ExplainConfig, Prices, ScorerName
from gearscope.explainers.report import DryReport, ExplainReport, ScoreSummary
from gearscope.recipes.config import parse_settings

NOTHING_EXPLAINED = 3
"""The exit code when no feature that was asked for got a label."""


def explain(
    folder: options.Library,
    model: asked.Model,
    provider: asked.ProviderName,
    base_url: asked.BaseUrl = None,
    key_from: asked.KeyFrom = None,
    feature: asked.Features = None,
    of_list: asked.OfList = None,
    every: asked.Every = False,
    most: asked.Most = None,
    method: asked.Method = "examples",
    score: asked.Scorers = None,
    embedding_model: asked.EmbeddingModel = None,
    embedding_url: asked.EmbeddingUrl = None,
    embedding_key_from: asked.EmbeddingKeyFrom = None,
    budget: asked.Budget = None,
    price_in: asked.PriceIn = None,
    price_out: asked.PriceOut = None,
    dry_run: asked.DryRun = False,
    yes_send_text: asked.YesSendText = False,
    cache: asked.Cache = None,
    settings: Settings = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Ask a language model what features mean, and score what it says beside another feature's label.

    Labels stand beside rules and people's labels. A run that ended early goes on when it is started again: what was
    answered is not asked, or paid for, twice. Calls that fail are counted and never scored.
    """
    # Imported here so that --help never loads torch.
    from gearscope.explainers.clients.opening import source_of
    from gearscope.recipes.explain import Chosen, Wanted, estimate_library, explain_library
    from gearscope.recipes.train import Opening

    embedding = None
    if embedding_model is not None:
        embedding = source_of("openai", embedding_model, embedding_url, embedding_key_from)
    wanted = Wanted(
        source=source_of(provider, model, base_url, key_from),
        explainer=method,
        scorers=scorers_of(score),
        config=ExplainConfig().changed(parse_settings(settings or [])),
        prices=prices_of(price_in, price_out),
        budget=budget,
        agreed=yes_send_text,
        embedding=embedding,
        cache=cache,
    )
    chosen, opening = Chosen(feature or (), of_list, every, most), Opening(device, dtype, revision)
    work = estimate_library if dry_run else explain_library
    with counting_line("explain") as progress:
        told = work(folder, chosen, wanted, opening=opening, progress=progress)
    typer.echo(json.dumps(told.model_dump(mode="json")) if as_json else lines_of(told))
    if isinstance(told, ExplainReport) and told.features and not told.labelled:
        raise typer.Exit(code=NOTHING_EXPLAINED)


def scorers_of(text: str | None) -> tuple[ScorerName, ...]:
    """Scorers by name. Raises ConfigError."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    known: tuple[ScorerName, ...] = get_args(ScorerName)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"scorers were expected in --score ({', '.join(known)})", found=repr(unknown[0]))
    return tuple(name for name in known if name in names)


def prices_of(price_in: float | None, price_out: float | None) -> Prices | None:
    """Both prices, or none. Raises ConfigError."""
    if (price_in is None) != (price_out is None):
        raise ConfigError("--price-in and --price-out go together", found="one of them", hint="give both")
    return None if price_in is None or price_out is None else Prices.of(input=price_in, output=price_out)


def lines_of(report: ExplainReport | DryReport) -> str:
    """What a run came to, or would take, for a terminal."""
    return report_lines(report) if isinstance(report, ExplainReport) else dry_lines(report)


def report_lines(report: ExplainReport) -> str:
    """What a run came to, for a terminal."""
    calls = report.calls
    lines = [
        f"{report.labelled:,} of {report.features:,} features labelled by {report.model} at {report.host} "
        f"({report.explainer})",
        *(f"{name}: {_score(found)}" for name, found in report.scores.items()),
        f"{calls.sent:,} requests and {calls.from_cache:,} replies from the cache; {calls.input_tokens:,} tokens sent, "
        f"{calls.output_tokens:,} written, {_dollars(calls.dollars)}",
    ]
    if calls.usage_unknown:
        lines.append(
            f"{calls.usage_unknown:,} calls did not say what they took: the most that they can cost is counted"
        )
    lines += [f"failed {count:,}, not scored: {calls.said.get(kind, kind)}" for kind, count in calls.failures.items()]
    if calls.not_asked:
        lines.append(
            f"the budget is spent: {calls.not_asked:,} questions were not asked; a further run goes on from here"
        )
    if report.without_evidence:
        lines.append(f"nothing to show of {_some(report.without_evidence)}")
    return "\n".join(lines)


def dry_lines(report: DryReport) -> str:
    """What a run would take, for a terminal."""
    lines = [
        f"nothing was sent; {report.explainer} for {report.features:,} features would ask {report.model} at "
        f"{report.host}",
        f"{report.calls:,} calls ({report.from_cache:,} more are in the cache), about {report.input_tokens:,} tokens "
        f"sent and {report.output_tokens:,} written, without what the model thinks",
    ]
    if report.dollars is not None and report.most_dollars is not None:
        lines.append(f"about ${report.dollars:.4f}, at most ${report.most_dollars:.4f} where each call needs one try")
    if report.budget is not None:
        lines.append(f"budget ${report.budget:.4f}")
    if report.without_evidence:
        lines.append(f"nothing to show of {_some(report.without_evidence)}")
    return "\n".join(lines)


def _score(found: ScoreSummary) -> str:
    if found.mean is None:
        return f"not measured on any of {found.unmeasured:,} features"
    base = "no other label" if found.baseline is None else f"{found.baseline:.3f} with the label of another feature"
    left = f"; {found.unmeasured:,} not measured" if found.unmeasured else ""
    return f"{found.mean:.3f} over {found.features:,} features, {base}{left}"


def _dollars(value: float | None) -> str:
    return "no prices given" if value is None else f"${value:.4f}"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
