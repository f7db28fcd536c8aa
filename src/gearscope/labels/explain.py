"""Label every feature of a library by a rule, with no model to ask and no key.

    slice       windows of the library's own corpus
    firing      model -> codes -> all firings there                   firing.py
    rules       a rule for each feature, scored on other windows      ruling.py
    baselines   the same scores of exchanged rules; rules for directions drawn at random
    notes       one label a feature, in place of its earlier rule; what people wrote stays, and is shown first

A library that is labelled again gets the same labels.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gearscope.features.reading import Subject
from gearscope.features.records import NewLabel
from gearscope.features.store import Library
from gearscope.labels.columns import words
from gearscope.labels.config import RuleConfig
from gearscope.labels.firing import Firing, firing, random_subject
from gearscope.labels.report import RuleReport, Summary
from gearscope.labels.rules import Rule
from gearscope.labels.ruling import Ruled, Ruler, exchanged
from gearscope.labels.wording import in_words, obscure
from gearscope.threads import one_thread

Report = Callable[[str, int], None]
"""Called with what is being done, and how much more of it is done."""
_AT_ONCE = 500


class Slice(NamedTuple):
    """What rules are made from."""

    ruler: Ruler
    firing: Firing
    windows: np.ndarray


def read_slice(library: Library, subject: Subject, config: RuleConfig, tell: Report) -> Slice:
    """Run the slice of a library's corpus. Raises ModelError."""
    per_window = library.contents.context - 1
    windows = np.asarray(library.windows[: max(1, config.tokens // per_window)])
    with one_thread():
        found = firing(subject, windows, lambda more: tell("tokens read", more))
    return Slice(Ruler(windows, words(library.text.tokens), config), found, windows)


def explain(
    library: Library,
    subject: Subject,
    config: RuleConfig,
    *,
    only: Sequence[int] | None = None,
    progress: Report | None = None,
) -> RuleReport:
    """Label these features, or all, and store that. Raises ModelError, and ArtifactError for notes that stay shut."""
    tell = progress or (lambda _, __: None)
    read = read_slice(library, subject, config, tell)
    numbers = list(range(library.n_features) if only is None else only)
    ruled = [_ruled(read, number, tell, "features labelled") for number in numbers]
    others = exchanged(ruled, np.random.default_rng(config.seed))
    labels = [
        _label(library, number, one, other, read)
        for number, one, other in zip(numbers, ruled, others, strict=True)
        if len(read.firing.tokens(number)) or library.columns["fired"][number]
    ]
    with library.write_notes() as notes:
        for start in range(0, len(labels), _AT_ONCE):
            notes.add_labels(labels[start : start + _AT_ONCE], replace=True)
    shuffled = [_f1(read, other, number) for number, other in zip(numbers, others, strict=True)]
    report = summary(ruled, [read.firing.tokens(number) for number in numbers])
    return RuleReport(
        tokens=int(read.windows.shape[0] * (read.windows.shape[1] - 1)),
        labelled=len(labels),
        rules=report,
        shuffled_f1=_mean(shuffled),
        random=_control(subject, read, config, tell),
    )


def _ruled(read: Slice, number: int, tell: Report, what: str) -> Ruled:
    found = read.ruler.rule(read.firing.tokens(number))
    tell(what, 1)
    return found


def _control(subject: Subject, read: Slice, config: RuleConfig, tell: Report) -> Summary | None:
    """The same for directions drawn at random, which fire as often as features do."""
    if not config.control:
        return None
    chance = random_subject(subject, read.windows, read.firing, most=config.control, seed=config.seed)
    with one_thread():
        fires = firing(chance, read.windows, lambda more: tell("tokens read for the control", more))
    numbers = range(fires.n_features)
    ruled = [_ruled(Slice(read.ruler, fires, read.windows), n, tell, "controls labelled") for n in numbers]
    return summary(ruled, [fires.tokens(number) for number in numbers])


def summary(ruled: Sequence[Ruled], fires: Sequence[np.ndarray]) -> Summary:
    """Means over the features that fire."""
    live = [one for one, tokens in zip(ruled, fires, strict=True) if len(tokens)]
    kinds = {kind: sum(one.kind == kind for one in live) for kind in ("input", "output", "both", "obscure")}
    scores = [one.score for one in live if one.score is not None]
    f1 = [0.0 if one.score is None else one.score.f1 or 0.0 for one in live]
    return Summary(
        features=len(ruled),
        live=len(live),
        kinds=kinds,
        f1=_mean(f1),
        median_f1=float(np.median(f1)) if f1 else None,
        precision=_mean([score.precision for score in scores]),
        recall=_mean([score.recall for score in scores]),
        above=sum(value >= 0.8 for value in f1) / len(f1) if f1 else None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _f1(read: Slice, rule: Rule | None, number: int) -> float | None:
    return None if rule is None else read.ruler.score(rule, read.firing.tokens(number)).f1


def _label(library: Library, number: int, one: Ruled, other: Rule | None, read: Slice) -> NewLabel:
    details: dict[str, Any] = {"kind": _kind(library, number, one), "chosen_f1": round(one.chosen_at, 4)}
    if one.rule is None or one.score is None:
        examples = library.examples(number)
        shown = obscure(examples[0].tokens, examples[0].position) if examples else "obscure: no rule and no example"
        return NewLabel(number, shown, "rule", details=details)
    score = one.score
    details |= {"rule": str(one.rule), "precision": score.precision, "recall": score.recall, "fired": score.fired}
    text, f1 = in_words(one.rule), _f1(read, other, number)
    return NewLabel(number, text, "rule", score=score.f1, baseline=f1, scored_by="token_f1", details=details)


def _kind(library: Library, number: int, one: Ruled) -> str:
    """What the rule asks; `both` too where it asks what stands before, and what the feature promotes does come next."""
    score, base = (float(library.columns[name][number]) for name in ("output_score", "output_base"))
    return "both" if one.kind == "input" and score >= 0.5 and score >= 2 * base else one.kind
