"""Labels and scores in a library's notes: another label of the same maker goes, all others stay. No torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gearscope.explainers.config import Explainer, ScorerName
from gearscope.explainers.scorers.figures import Figure
from gearscope.features.notes import Notes
from gearscope.features.records import Label, NewLabel, Score


class Provenance(NamedTuple):
    """How labels of a run are made. It holds no key."""

    explainer: Explainer
    provider: str
    host: str
    model: str
    prompt: int
    """Version of the wording."""
    settings: str
    """Fingerprint of the settings."""

    def details(self) -> dict[str, Any]:
        """What is stored beside a label, its model excepted."""
        told = self._asdict()
        del told["model"]
        return told


class Scored(NamedTuple):
    """A score, and the same of another feature's label."""

    label: Figure
    other: Figure | None
    other_of: str | None
    """The feature whose label that is."""


def store_label(notes: Notes, number: int, text: str, made: Provenance, more: Mapping[str, Any]) -> int:
    """Store a label; returns its id. One of the same explainer and model goes, and stays where it says the same."""
    earlier = [label for label in notes.labels(number) if _same_maker(label, made)]
    kept = next((label for label in earlier if label.text == text), None)
    details = made.details() | dict(more)
    if kept is None:
        (id_,) = notes.add_labels([NewLabel(number, text, "llm", made.model, details=details)])
    else:
        id_ = kept.id
    for label in earlier:
        if label.id != id_:
            notes.remove_label(label.id)
    return id_


def _same_maker(label: Label, made: Provenance) -> bool:
    by = (label.method, label.model, label.details.get("explainer"))
    return by == ("llm", made.model, made.explainer)


def store_scores(notes: Notes, label: int, scored: Mapping[ScorerName, Scored]) -> None:
    """Store scores that are not there yet, and make the first one that was measured the label's own."""
    known = {(one.name, one.value, one.baseline, one.n) for one in notes.scores(label)}
    rows = [_row(label, name, one) for name, one in scored.items()]
    notes.add_scores(row for row in rows if (row.name, row.value, row.baseline, row.n) not in known)
    for row in rows:
        if row.value is not None:
            notes.set_main_score(label, row.name, row.value, row.baseline)
            return


def _row(label: int, name: ScorerName, one: Scored) -> Score:
    details: dict[str, Any] = dict(one.label.details)
    if one.other is not None:
        details |= {"baseline_of": one.other_of, "baseline": dict(one.other.details), "baseline_n": one.other.n}
    return Score(label, name, one.label.value, one.other.value if one.other else None, one.label.n, details, "")
