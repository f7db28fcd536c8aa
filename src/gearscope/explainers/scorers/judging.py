"""Stretches judged one by one, in batches: what detection and fuzzing share. numpy alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gearscope.explainers.caller import Outcome
from gearscope.explainers.passages import block
from gearscope.explainers.protocol import Answer, Ask, Message
from gearscope.explainers.scorers.figures import Figure, balanced_accuracy, share
from gearscope.explainers.scorers.material import Kind

FORM = 'Answer with JSON alone, with a verdict for every id: {"verdicts": [{"id": 0, "holds": true}, …]}'


class Verdict(Answer):
    """Of one stretch."""

    id: int
    holds: bool


class Verdicts(Answer):
    """Of a batch."""

    verdicts: tuple[Verdict, ...]


class Judged(NamedTuple):
    """A stretch as it is shown, and what is true of it."""

    text: str
    kind: Kind
    holds: bool


def in_batches(judged: Sequence[Judged], size: int, rng: np.random.Generator) -> list[list[Judged]]:
    """In random order, in batches of nearly equal size."""
    mixed = [judged[at] for at in rng.permutation(len(judged)).tolist()]
    n_batches = max(1, -(-len(mixed) // size))
    return [mixed[start::n_batches] for start in range(n_batches)]


def verdict_ask(system: str, label: str, batch: Sequence[Judged]) -> Ask:
    """The question about a batch."""
    rows: list[Any] = [{"id": at, "text": one.text} for at, one in enumerate(batch)]
    told = "\n\n".join([block("description", label), block("texts", rows), FORM])
    sample = Verdicts(verdicts=tuple(Verdict(id=at, holds=False) for at in range(len(batch))))
    return Ask((Message("system", system), Message("user", told)), Verdicts, sample, partial(_incomplete, len(batch)))


def _incomplete(n: int, answer: Verdicts) -> str | None:
    found = sorted(verdict.id for verdict in answer.verdicts)
    return None if found == list(range(n)) else f"one verdict for each of {n} texts was expected"


def judged_figure(batches: Sequence[Sequence[Judged]], outcomes: Sequence[Outcome]) -> Figure:
    """Balanced accuracy over the batches that were answered; the others are counted."""
    said, known, failed = [], list[Judged](), 0
    for batch, outcome in zip(batches, outcomes, strict=True):
        if not isinstance(outcome.answer, Verdicts):
            failed += 1
            continue
        holds = {verdict.id: verdict.holds for verdict in outcome.answer.verdicts}
        said += [holds[at] for at in range(len(batch))]
        known += batch
    right: dict[str, list[bool]] = {"example": [], "random": [], "hard": []}
    for told, one in zip(said, known, strict=True):
        right[one.kind].append(told == one.holds)
    details: dict[str, float | int | str | None] = {"failed_calls": failed}
    for kind, held in right.items():
        details |= {f"n_{kind}": len(held), f"right_{kind}": share(held)}
    return Figure(balanced_accuracy(said, [one.holds for one in known]), len(known), details)
