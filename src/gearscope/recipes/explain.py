"""Features of a library explained by a language model: the library, the model that is asked, and its own are opened.

explain_library(folder, Chosen(features=("2/417",)), Wanted(source=..., explainer="examples", ...))

Nothing is sent before the user's word, or in a dry run, which needs no key and no SDK.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gearscope.errors import ConfigError
from gearscope.explainers.agent import Reader
from gearscope.explainers.answers import clean_label
from gearscope.explainers.budget import Meter
from gearscope.explainers.caller import Caller
from gearscope.explainers.clients.embedding_api import EmbeddingClient
from gearscope.explainers.clients.opening import Source, client_of, identity
from gearscope.explainers.config import ExplainConfig, Explainer, Prices, ScorerName
from gearscope.explainers.dry import DryCaller
from gearscope.explainers.evidence import Slice
from gearscope.explainers.explain import Found, explain_features
from gearscope.explainers.hosts import check_agreed, key_for
from gearscope.explainers.passages import Passage
from gearscope.explainers.prompts import VERSION
from gearscope.explainers.protocol import Client
from gearscope.explainers.replies import Replies
from gearscope.explainers.report import Calls, DryReport, ExplainReport
from gearscope.explainers.run import Run
from gearscope.explainers.storing import Provenance
from gearscope.features.lists import read_list
from gearscope.features.prompt import fires
from gearscope.features.reading import Subject
from gearscope.features.store import Library
from gearscope.ids import FeatureId
from gearscope.labels.firing import firing
from gearscope.recipes.library import subject_of
from gearscope.recipes.train import PLAIN, Opening
from gearscope.threads import one_thread

Report = Callable[[str, int], None]
REPLIES = "replies"


class Chosen(NamedTuple):
    """Which features: one of the three."""

    features: Sequence[str] = ()
    of_list: str | None = None
    all: bool = False
    most: int | None = None
    """Of `all`: so many, those that fire most."""


class Wanted(NamedTuple):
    """What is asked for."""

    source: Source
    explainer: Explainer
    scorers: tuple[ScorerName, ...] = ()
    config: ExplainConfig = ExplainConfig()
    prices: Prices | None = None
    budget: float | None = None
    agreed: bool = False
    """Whether the user said that text may be sent."""
    embedding: Source | None = None
    cache: Path | None = None
    """Where replies are kept; None for the library's own folder."""


def explain_library(
    folder: Path, chosen: Chosen, wanted: Wanted, *, opening: Opening = PLAIN, progress: Report | None = None
) -> ExplainReport:
    """Explain and score. Raises ConfigError, TargetError, ArtifactError, ModelError."""
    tell = progress or (lambda _, __: None)
    with Library.open(folder) as library:
        numbers, meter = numbers_of(library, chosen), _meter(wanted)
        _check(wanted)
        for source in (wanted.source, wanted.embedding):
            if source is not None and source.host is not None:
                what = f"excerpts of the corpus of {folder} for {len(numbers):,} features"
                check_agreed(source.host, agreed=wanted.agreed, what=what)
        clients = client_of(wanted.source, wanted.config.call, device=opening.device), _embedding_client(wanted)
        asking, embedding = (
            None if client is None or source is None else _caller(library, wanted, client, source, meter, tell)
            for client, source in zip(clients, (wanted.source, wanted.embedding), strict=True)
        )
        assert asking is not None
        part, read = _model_parts(library, wanted, opening, tell)
        with library.write_notes() as notes:
            run = Run(
                library, wanted.config, _made(wanted), wanted.scorers, asking, embedding, part, read, notes, tell
            )  # fmt: skip
            found = explain_features(run, numbers)
    return _report(wanted, len(numbers), found, [one for one in (asking, embedding) if one is not None])


def estimate_library(
    folder: Path, chosen: Chosen, wanted: Wanted, *, opening: Opening = PLAIN, progress: Report | None = None
) -> DryReport:
    """Count what `explain_library` would ask, and send nothing. Raises ConfigError, TargetError, ArtifactError."""
    tell = progress or (lambda _, __: None)
    with Library.open(folder) as library:
        numbers, meter = numbers_of(library, chosen), _meter(wanted)
        _check(wanted)
        asking, embedding = (
            None if source is None else DryCaller(_replies(library, wanted, source), meter, wanted.config.call)
            for source in (wanted.source, wanted.embedding)
        )
        assert asking is not None
        part, read = _model_parts(library, wanted, opening, tell)
        run = Run(library, wanted.config, _made(wanted), wanted.scorers, asking, embedding, part, read, None, tell)
        found = explain_features(run, numbers)
    estimates = [one.estimate for one in (asking, embedding) if one is not None]
    priced = meter.prices is not None
    return DryReport(
        explainer=wanted.explainer,
        provider=wanted.source.provider,
        model=wanted.source.model,
        host=wanted.source.where,
        features=len(numbers),
        without_evidence=found.without_evidence,
        calls=sum(one.calls for one in estimates),
        from_cache=sum(one.cached for one in estimates),
        input_tokens=sum(one.input for one in estimates),
        output_tokens=sum(one.output for one in estimates),
        dollars=sum(one.dollars for one in estimates) if priced else None,
        most_dollars=sum(one.most_dollars for one in estimates) if priced else None,
        budget=wanted.budget,
    )


def numbers_of(library: Library, chosen: Chosen) -> list[int]:
    """The features that are chosen, each once. Raises ConfigError, TargetError."""
    ways = [bool(chosen.features), chosen.of_list is not None, chosen.all]
    if sum(ways) != 1 or (chosen.most is not None and not chosen.all):
        hint = "--most N goes with --all"
        raise ConfigError(
            "one of --feature, --features-of-list and --all was expected", found=f"{sum(ways)} of them", hint=hint
        )
    if chosen.of_list is not None:
        return list(dict.fromkeys(library.number(one.feature) for one in read_list(library, chosen.of_list).features))
    if chosen.features:
        return list(dict.fromkeys(library.number(FeatureId.parse(name)) for name in chosen.features))
    fired = np.asarray(library.columns["fired"]).astype(np.int64)
    live = np.argsort(-fired, kind="stable")[: int((fired > 0).sum())]
    return [int(number) for number in live[: chosen.most]]


def _check(wanted: Wanted) -> None:
    if ("embedding" in wanted.scorers) != (wanted.embedding is not None):
        raise ConfigError("--score embedding and --embedding-model go together", found="one of them", hint="give both")


def _meter(wanted: Wanted) -> Meter:
    prices = Prices(input=0.0, output=0.0) if wanted.source.provider == "local" else wanted.prices
    return Meter(prices, wanted.budget)


def _replies(library: Library, wanted: Wanted, source: Source) -> Replies:
    return Replies(wanted.cache or library.folder / REPLIES, identity(source, wanted.config.call))


def _caller(library: Library, wanted: Wanted, client: Client, source: Source, meter: Meter, tell: Report) -> Caller:
    return Caller(client, _replies(library, wanted, source), meter, wanted.config.call, tell)


def _embedding_client(wanted: Wanted) -> EmbeddingClient | None:
    source = wanted.embedding
    if source is None:
        return None
    assert source.host is not None
    key = key_for(source.provider, source.host, source.key_from)
    return EmbeddingClient(source.model, source.host, key, wanted.config.call)


def _made(wanted: Wanted) -> Provenance:
    source = wanted.source
    name = clean_label(Path(source.model).name if source.host is None else source.model)
    return Provenance(
        wanted.explainer, source.provider, source.where, name, VERSION, wanted.config.evidence.fingerprint()
    )


def _model_parts(
    library: Library, wanted: Wanted, opening: Opening, tell: Report
) -> tuple[Slice | None, Reader | None]:
    """What needs the library's own model: a slice with all firings, and a reader of new text."""
    needs_part = bool(wanted.scorers) or wanted.explainer == "contrastive"
    if not needs_part and wanted.explainer != "agent":
        return None, None
    subject = subject_of(library, opening)
    part = slice_of(library, subject, wanted.config.evidence.slice_tokens, tell) if needs_part else None
    return part, reader_of(library, subject) if wanted.explainer == "agent" else None


def slice_of(library: Library, subject: Subject, tokens: int, tell: Report) -> Slice:
    """Windows from all over the corpus, so many tokens in all, with all firings. Raises ModelError."""
    per_window, n_windows = library.contents.context - 1, library.contents.n_windows
    n = min(n_windows, max(2, -(-tokens // per_window)))
    windows = np.asarray(library.windows)[np.linspace(0, n_windows - 1, n).astype(np.int64)]
    with one_thread():
        return Slice(windows, firing(subject, windows, lambda more: tell("tokens read", more)))


def reader_of(library: Library, subject: Subject) -> Reader:
    """What one feature does on a text."""

    def read(number: int, text: str) -> Passage:
        tokens = subject.model.tokens(text)
        found = {one.position: one.activation for one in fires(subject, tokens.ids) if one.number == number}
        strings = library.strings(tokens.ids.tolist())
        return Passage(strings, tuple(found.get(at, 0.0) for at in range(len(strings))))

    return read


def _report(wanted: Wanted, n_features: int, found: Found, callers: Sequence[Caller]) -> ExplainReport:
    tallies, spent = [caller.tally for caller in callers], callers[0].meter.spent
    kinds = sorted({kind for tally in tallies for kind in tally.failures})
    calls = Calls(
        sent=sum(tally.asked for tally in tallies),
        from_cache=sum(tally.cached for tally in tallies),
        failures={kind: sum(tally.failures.get(kind, 0) for tally in tallies) for kind in kinds},
        said={kind: said for tally in tallies for kind, said in tally.told.items()},
        not_asked=sum(tally.not_asked for tally in tallies),
        input_tokens=spent.input,
        output_tokens=spent.output,
        dollars=spent.dollars if callers[0].meter.prices is not None else None,
        usage_unknown=spent.unknown,
    )
    return ExplainReport(
        explainer=wanted.explainer,
        provider=wanted.source.provider,
        model=wanted.source.model,
        host=wanted.source.where,
        features=n_features,
        labelled=len(found.labels),
        failed=found.failed,
        without_evidence=found.without_evidence,
        not_asked=found.not_asked,
        scores=found.scores,
        calls=calls,
    )
