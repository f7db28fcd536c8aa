"""Label every feature of a library by a rule, with no model to ask and no key.

    slice       windows of the library's own corpus
    firing      model -> codes -> where each feature is strong        firing.py
    rules       a rule for each feature, scored on other windows      ruling.py
    baselines   the same scores of exchanged rules; rules for directions drawn at random
    notes       one label a feature, in place of its earlier rule; what people wrote stays, and is shown first

A library that is labelled again gets the same labels.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Integer

from gearscope.features.reading import Subject
from gearscope.features.records import NewLabel
from gearscope.features.store import Library
from gearscope.labels.columns import words
from gearscope.labels.config import RuleConfig
from gearscope.labels.control import Asked, drawn, of_library
from gearscope.labels.firing import Firing, firing
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
    """Strong ones."""
    any: Firing
    """All of them, on `some` of the windows."""
    some: Integer[np.ndarray, " J"]
    """The tokens of these windows."""
    windows: Integer[np.ndarray, "W P"]

    def f1_any(self, rule: Rule | None, number: int) -> float | None:
        """F1 of a rule for every firing of a feature, on windows that chose nothing; 0 for no rule."""
        if rule is None:
            return 0.0 if len(self.any.tokens(number)) else None
        return self.ruler.score(rule, self.any.tokens(number), self.some).f1


def slice_of(library: Library, config: RuleConfig) -> Integer[np.ndarray, "W P"]:
    """The windows of a library's corpus from which rules are made."""
    return np.asarray(library.windows[: max(1, config.tokens // (library.contents.context - 1))])


def read_slice(library: Library, asked: Asked, config: RuleConfig, tell: Report) -> Slice:
    """Run the slice of a library's corpus. Raises ModelError."""
    windows = slice_of(library, config)
    context, every = windows.shape[1], config.held_out_every * config.weak_every
    held_out = np.arange(config.held_out_every - 1, len(windows), every)
    some = (held_out[:, None] * context + np.arange(1, context)).ravel()
    with one_thread():
        strong = firing(asked.subject, windows, lambda more: tell("tokens read", more), least=asked.least)
        weak = _anywhere(asked.subject, windows, held_out)
    return Slice(Ruler(windows, words(library.text.tokens), config), strong, weak, some, windows)


def _anywhere(subject: Subject, windows: np.ndarray, chosen: np.ndarray) -> Firing:
    """Every firing in some of the windows, by their tokens' numbers among all."""
    if not len(chosen):
        return Firing(np.zeros(subject.n_features + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    found, context = firing(subject, windows[chosen]), windows.shape[1]
    window, position = np.divmod(found.token, context)
    return Firing(found.begin, (chosen[window] * context + position).astype(np.int32), found.value)


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
    asked, n_own = of_library(library, subject, config), library.n_features
    if config.control:
        asked = asked.beside(drawn(subject, slice_of(library, config), config, most=config.control))
    read = read_slice(library, asked, config, tell)
    numbers = list(range(n_own) if only is None else only)
    ruled = [_ruled(read, number, tell, "features labelled") for number in numbers]
    others = exchanged(ruled, np.random.default_rng(config.seed))
    labels = [
        _label(library, number, one, other, read, config)
        for number, one, other in zip(numbers, ruled, others, strict=True)
        if len(read.firing.tokens(number)) or library.columns["fired"][number]
    ]
    with library.write_notes() as notes:
        for start in range(0, len(labels), _AT_ONCE):
            notes.add_labels(labels[start : start + _AT_ONCE], replace=True)
    shuffled = [_f1(read, other, number) for number, other in zip(numbers, others, strict=True)]
    report = summary(ruled, read, numbers)
    return RuleReport(
        tokens=int(read.windows.shape[0] * (read.windows.shape[1] - 1)),
        level=config.level,
        labelled=len(labels),
        rules=report,
        shuffled_f1=_mean(shuffled),
        random=_control(read, range(n_own, asked.subject.n_features), tell),
    )


def _ruled(read: Slice, number: int, tell: Report, what: str) -> Ruled:
    found = read.ruler.rule(read.firing.tokens(number))
    tell(what, 1)
    return found


def _control(read: Slice, numbers: Sequence[int], tell: Report) -> Summary | None:
    """The same for directions drawn at random, which fire as often as features do."""
    ruled = [_ruled(read, number, tell, "controls labelled") for number in numbers]
    return summary(ruled, read, numbers) if ruled else None


def summary(ruled: Sequence[Ruled], read: Slice, numbers: Sequence[int]) -> Summary:
    """Means over the features that fire strongly."""
    fires = [len(read.firing.tokens(number)) for number in numbers]
    live = [one for one, fired in zip(ruled, fires, strict=True) if fired]
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
        f1_any=_mean([read.f1_any(one.rule, number) for one, number in zip(ruled, numbers, strict=True)]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _f1(read: Slice, rule: Rule | None, number: int) -> float | None:
    return None if rule is None else read.ruler.score(rule, read.firing.tokens(number)).f1


def _label(library: Library, number: int, one: Ruled, other: Rule | None, read: Slice, config: RuleConfig) -> NewLabel:
    details: dict[str, Any] = {"kind": _kind(library, number, one), "chosen_f1": round(one.chosen_at, 4)}
    if one.rule is None or one.score is None:
        examples = library.examples(number)
        shown = obscure(examples[0].tokens, examples[0].position) if examples else "obscure: no rule and no example"
        return NewLabel(number, shown, "rule", details=details)
    score = one.score
    details |= {"rule": str(one.rule), "precision": score.precision, "recall": score.recall, "fired": score.fired}
    details |= {"level": config.level, "f1_any": read.f1_any(one.rule, number)}
    text, f1 = in_words(one.rule), _f1(read, other, number)
    return NewLabel(number, text, "rule", score=score.f1, baseline=f1, scored_by="token_f1", details=details)


def _kind(library: Library, number: int, one: Ruled) -> str:
    """What the rule asks; `both` too where it asks what stands before, and what the feature promotes does come next."""
    score, base = (float(library.columns[name][number]) for name in ("output_score", "output_base"))
    return "both" if one.kind == "input" and score >= 0.5 and score >= 2 * base else one.kind
