"""Intruder: four stretches make the feature fire, one does not; which, by its label? The share right; chance is .2."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from gearscope.explainers.caller import Outcome
from gearscope.explainers.passages import block
from gearscope.explainers.prompts import DATA
from gearscope.explainers.protocol import Answer, Ask, Message
from gearscope.explainers.scorers.figures import Figure, share
from gearscope.explainers.scorers.material import Material

_TASK = (
    "A feature of a language model fires on some tokens of a text and is zero on all others. You are given a "
    "description of it, and five texts. It fires in four of them, and in one it does not: say which one, by the "
    f"description. {DATA}"
)
_FORM = 'Answer with JSON alone: {"intruder": 0}, the id of that text'
_OTHERS = 4


class Intruder(Answer):
    """The odd one out."""

    intruder: int


class Question(NamedTuple):
    """Five texts, and which does not make it fire."""

    texts: tuple[str, ...]
    intruder: int


def questions(of: Material) -> list[Question]:
    """As many as are wanted; none where there are fewer than four positives."""
    rng, quiet = of.rng("intruder"), [*of.hard, *of.drawn]
    if len(of.positives) < _OTHERS or not quiet:
        return []
    found = []
    for number in range(of.config.intruders):
        others = rng.choice(len(of.positives), _OTHERS, replace=False).tolist()
        texts, at = [of.positives[other].text for other in others], int(rng.integers(_OTHERS + 1))
        texts.insert(at, quiet[number % len(quiet)].text)
        found.append(Question(tuple(texts), at))
    return found


def asks(of: Material, label: str) -> list[Ask]:
    """One call for each question."""
    return [_ask(question, label) for question in questions(of)]


def _ask(question: Question, label: str) -> Ask:
    rows: list[object] = [{"id": at, "text": text} for at, text in enumerate(question.texts)]
    told = "\n\n".join([block("description", label), block("texts", rows), _FORM])
    check = partial(_none_of, len(rows))
    return Ask((Message("system", _TASK), Message("user", told)), Intruder, Intruder(intruder=0), check)


def _none_of(n: int, answer: Intruder) -> str | None:
    return None if 0 <= answer.intruder < n else f"an id below {n} was expected"


def figure(of: Material, outcomes: Sequence[Outcome]) -> Figure:
    """The share of questions that were answered rightly, of those that were answered."""
    pairs = zip(questions(of), outcomes, strict=True)
    right = [o.answer.intruder == question.intruder for question, o in pairs if isinstance(o.answer, Intruder)]
    return Figure(share(right), len(right), {"failed_calls": len(outcomes) - len(right)})
