"""Labels scored on text that no explainer saw, each beside the label of another feature. numpy alone."""

from collections.abc import Mapping, Sequence

import numpy as np

from gearscope.explainers.caller import NOT_ASKED, Asking
from gearscope.explainers.config import ScorerName
from gearscope.explainers.evidence import Evidence
from gearscope.explainers.report import ScoreSummary
from gearscope.explainers.run import Run
from gearscope.explainers.scorers.figures import Figure
from gearscope.explainers.scorers.material import Material, material
from gearscope.explainers.scorers.registry import SCORERS
from gearscope.explainers.storing import Scored, store_scores

_OTHERS = 2_000


def score_features(
    run: Run, useful: Sequence[Evidence], labels: Mapping[int, str], ids: Mapping[int, int]
) -> list[dict[ScorerName, Scored]]:
    """Score the labels of these features, and store that. Raises ConfigError, ModelError."""
    if not run.scorers:
        return []
    others, scored = _others(run, labels), list[dict[ScorerName, Scored]]()
    for found in useful:
        negatives = run.config.score.negatives
        quiet = run.quiet(found, negatives, negatives, scores=True)
        of = material(found, quiet, run.config.score, run.config.seed)
        scored.append(_scored_one(run, of, labels[found.number], others.get(found.number)))
        if run.notes is not None:
            store_scores(run.notes, ids[found.number], scored[-1])
        run.tell("features scored", 1)
    return scored


def _scored_one(run: Run, of: Material, label: str, other: tuple[str, str] | None) -> dict[ScorerName, Scored]:
    """Every scorer on one feature; a scorer whose questions were not all asked is left out."""
    names = [name for name in SCORERS if name in run.scorers]
    if of.lacks is not None:
        return {name: Scored(Figure(None, 0, {"lacks": of.lacks}), None, None) for name in names}
    texts = [label] if other is None else [label, other[1]]
    found: dict[ScorerName, Scored] = {}
    for asking in dict.fromkeys(_asking(run, name) for name in names):
        mine = [name for name in names if _asking(run, name) is asking]
        asks = [[SCORERS[name].asks(of, text) for text in texts] for name in mine]
        flat = asking.all([ask for by_text in asks for some in by_text for ask in some])
        outcomes = iter(flat)
        for name, by_text in zip(mine, asks, strict=True):
            parts = [[next(outcomes) for _ in some] for some in by_text]
            if any(outcome.failure == NOT_ASKED for part in parts for outcome in part):
                continue
            figures = [SCORERS[name].figure(of, part) for part in parts]
            found[name] = Scored(figures[0], *((figures[1], other[0]) if other else (None, None)))
    return {name: found[name] for name in names if name in found}


def _asking(run: Run, name: ScorerName) -> Asking:
    if name != "embedding":
        return run.asking
    assert run.embedding is not None
    return run.embedding


def _others(run: Run, labels: Mapping[int, str]) -> dict[int, tuple[str, str]]:
    """For each feature another one whose label says something else: the next of the run, or one of the library."""
    order, found = list(labels), {}
    for at, number in enumerate(order):
        turned = [*order[at + 1 :], *order[:at]]
        other = next((one for one in turned if labels[one] != labels[number]), None)
        text = labels[other] if other is not None else None
        if other is None:
            other, text = _of_library(run, number, labels[number])
        if other is not None and text is not None:
            found[number] = (str(run.library.feature(other)), text)
    return found


def _of_library(run: Run, number: int, label: str) -> tuple[int | None, str | None]:
    """A feature of the library whose label is known and says something else, drawn by lot."""
    rng = np.random.default_rng([run.config.seed, number])
    drawn = rng.choice(run.library.n_features, min(_OTHERS, run.library.n_features), replace=False).tolist()
    shown = run.library.notes.shown(drawn)
    for other in drawn:
        if other != number and other in shown and shown[other].text != label:
            return other, shown[other].text
    return None, None


def summary(scored: Sequence[Scored | None]) -> ScoreSummary:
    """Means over the features that were measured."""
    measured = [one for one in scored if one is not None and one.label.value is not None]
    values = [one.label.value for one in measured if one.label.value is not None]
    bases = [one.other.value for one in measured if one.other is not None and one.other.value is not None]
    return ScoreSummary(
        features=len(values),
        unmeasured=len(scored) - len(values),
        mean=sum(values) / len(values) if values else None,
        baseline=sum(bases) / len(bases) if bases else None,
        baselines=len(bases),
    )
