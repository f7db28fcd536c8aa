"""Simulation: how strongly does the feature fire on each token, by its label alone? Pearson's correlation; chance is 0.

Over the tokens of all stretches that were answered, half of them examples. What is true is told to 1/255 of the largest
activation; what is said, to a tenth.
"""

from collections.abc import Sequence
from functools import partial

from gearscope.explainers.caller import Outcome
from gearscope.explainers.passages import LEVELS, Passage, block
from gearscope.explainers.prompts import DATA
from gearscope.explainers.protocol import Answer, Ask, Message
from gearscope.explainers.scorers.figures import Figure, correlation
from gearscope.explainers.scorers.material import Material

_TASK = (
    "A feature of a language model fires on some tokens of a text and is zero on all others. You are given a "
    "description of it, and the tokens of a text with their numbers. Name the tokens on which the feature fires if "
    "the description is right, and how strongly, from 1 to 10; every token that you do not name counts as 0. Most "
    f"tokens of most texts are 0, and a text may have none. {DATA}"
)
_FORM = 'Answer with JSON alone: {"firing": [{"token": 4, "level": 10}, …]}, or {"firing": []}'


class Level(Answer):
    """Of one token."""

    token: int
    level: int


class Levels(Answer):
    """Of a text; tokens that are not named have 0."""

    firing: tuple[Level, ...]


def passages(of: Material) -> list[Passage]:
    """Examples, and as many stretches without a firing."""
    half = of.config.simulated // 2
    return [*of.positives[:half], *[*of.drawn, *of.hard][: of.config.simulated - half]]


def asks(of: Material, label: str) -> list[Ask]:
    """One question for each stretch."""
    return [_ask(passage, label) for passage in passages(of)]


def _ask(passage: Passage, label: str) -> Ask:
    rows: list[object] = [{"token": at, "text": token} for at, token in enumerate(passage.tokens)]
    told = "\n\n".join([block("description", label), block("tokens", rows), _FORM])
    check = partial(_beyond, len(passage.tokens))
    sample = Levels(firing=(Level(token=0, level=LEVELS),))
    return Ask((Message("system", _TASK), Message("user", told)), Levels, sample, check)


def _beyond(n: int, answer: Levels) -> str | None:
    named = [one.token for one in answer.firing]
    fits = len(set(named)) == len(named) and all(0 <= at < n for at in named)
    if fits and all(0 <= one.level <= LEVELS for one in answer.firing):
        return None
    return f"levels of 0 to {LEVELS} for some of {n} tokens were expected, each once"


def figure(of: Material, outcomes: Sequence[Outcome]) -> Figure:
    """The correlation over all tokens of the stretches that were answered."""
    said, true, failed, answered = list[float](), list[float](), 0, 0
    for passage, outcome in zip(passages(of), outcomes, strict=True):
        if not isinstance(outcome.answer, Levels):
            failed += 1
            continue
        answered += 1
        levels = {one.token: one.level for one in outcome.answer.firing}
        said += [float(levels.get(at, 0)) for at in range(len(passage.tokens))]
        true += passage.activations
    return Figure(correlation(said, true), answered, {"failed_calls": failed, "n_tokens": len(true)})
