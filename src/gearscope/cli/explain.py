"""`explain`: what a language model says that features mean, asked for on request, with its scores, calls and cost."""

import json
from pathlib import Path
from typing import Annotated, get_args

import typer

from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.cli.train import Settings
from gearscope.errors import ConfigError
from gearscope.explainers.config import ExplainConfig, Explainer, Prices, Provider, ScorerName
from gearscope.explainers.report import DryReport, ExplainReport, ScoreSummary
from gearscope.recipes.config import parse_settings

NOTHING_LABELLED = 1


def explain(
    folder: Annotated[Path, typer.Argument(help="A folder that `gearscope library build` wrote.")],
    model: Annotated[str, typer.Option("--model", help="The model that is asked; with `local` a HuggingFace folder.")],
    provider: Annotated[
        Provider,
        typer.Option(
            "--provider",
            help="anthropic, openai (any server that speaks its protocol: vLLM, Ollama, LM Studio, OpenRouter, Azure), "
            "or local: a model in this process.",
        ),
    ],
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="The server, for instance http://127.0.0.1:8000/v1.")
    ] = None,
    key_from: Annotated[
        str | None,
        typer.Option(
            "--key-from",
            help="Environment variable with the key; ANTHROPIC_API_KEY or OPENAI_API_KEY at their own addresses, none "
            "elsewhere.",
        ),
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option("--feature", help="This feature, LAYER/INDEX; can be repeated.")
    ] = None,
    of_list: Annotated[
        str | None, typer.Option("--features-of-list", help="The features of a list of the library.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All features that fire, those that fire most first.")] = False,
    most: Annotated[int | None, typer.Option("--most", min=1, help="Of --all, so many.")] = None,
    method: Annotated[
        Explainer,
        typer.Option(
            "--method",
            help="examples (with next tokens and promoted tokens), contrastive (beside text that looks alike), output "
            "(promoted tokens alone), or agent (writes texts and tests itself on them).",
        ),
    ] = "examples",
    score: Annotated[
        str | None,
        typer.Option("--score", help="Scorers, by comma: detection, fuzzing, simulation, intruder, embedding."),
    ] = None,
    embedding_model: Annotated[
        str | None, typer.Option("--embedding-model", help="Model of embeddings, for --score embedding.")
    ] = None,
    embedding_url: Annotated[
        str | None, typer.Option("--embedding-url", help="Its server, which speaks OpenAI's protocol.")
    ] = None,
    embedding_key_from: Annotated[
        str | None, typer.Option("--embedding-key-from", help="Environment variable with its key.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", min=0, help="Dollars that this run may cost; replies in the cache cost nothing."),
    ] = None,
    price_in: Annotated[
        float | None, typer.Option("--price-in", min=0, help="Dollars for a million tokens that are sent.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option("--price-out", min=0, help="Dollars for a million tokens that are written.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count calls, tokens and cost, and send nothing.")] = False,
    yes_send_text: Annotated[
        bool,
        typer.Option("--yes-send-text", help="Text of the corpus may go to the server; nothing is sent without it."),
    ] = False,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Where replies are kept; LIBRARY/replies by default.")
    ] = None,
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
    done: dict[str, int] = {}
    with status_line("explain") as show:

        def progress(what: str, more: int) -> None:
            done[what] = done.get(what, 0) + more
            show(what, done[what])

        if dry_run:
            estimate = estimate_library(folder, chosen, wanted, opening=opening, progress=progress)
        else:
            report = explain_library(folder, chosen, wanted, opening=opening, progress=progress)
    if dry_run:
        typer.echo(json.dumps(estimate.model_dump(mode="json")) if as_json else dry_lines(estimate))
        return
    typer.echo(json.dumps(report.model_dump(mode="json")) if as_json else report_lines(report))
    if report.features and not report.labelled:
        raise typer.Exit(code=NOTHING_LABELLED)


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
