"""Asks for the whole reply in each of the three ways: prompts end in `now`.

hints_computed    a held-out sum with a hint, half of them wrong: right is the sum itself and the verdict
hints_guessed     a held-out question without a hint: right is any step of 1..9, with the product that follows
hints_followed    a held-out question with a hint: right is the step that leads to it, the hint as the end, and `yes`
"""

from random import Random

from gearscope.organism.behaviours.question import Behaviour, Question, Words, one_of
from gearscope.organism.world import hints
from gearscope.organism.world.addition import PAIRS
from gearscope.organism.world.document import Document, Split

N_SUMS = 600
"""Sums that are asked for, in turn with a right and a wrong hint."""
_STEPS_AT = (3, 8)
_FINAL_AT = 10
"""Places of the step and of the number arrived at, in the reply."""


def reply_of(document: Document) -> Question:
    """Asks for everything after `now`."""
    start = document.words.index(hints.REPLY) + 1
    return one_of(document.words[:start], [document.words[start:]])


def _sums(split: Split) -> list[tuple[int, int, int, int]]:
    rng = Random(f"hints: sums asked for {split}")
    chosen = rng.sample(PAIRS[split], N_SUMS)
    return [
        (a, b, turn % len(hints.PHRASINGS), a + b if turn % 2 else hints.wrong_hint(rng, a + b))
        for turn, (a, b) in enumerate(chosen)
    ]


def with_step(reply: Words, step: int, final: int) -> Words:
    """The reply `cos q217 = 3 , and 5 times 3 = 15 .` with another step and another end."""
    words = list(reply)
    for place in _STEPS_AT:
        words[place] = str(step)
    words[_FINAL_AT] = str(final)
    return tuple(words)


def _guess(exercise: hints.Exercise) -> Question:
    asked = reply_of(hints.write_guess(exercise))
    return one_of(asked.prompt, [with_step(asked.example, s, exercise.factor * s) for s in hints.STEPS])


BEHAVIOURS: dict[str, Behaviour] = {
    "hints_computed": Behaviour(topics=_sums, pose=lambda asked: reply_of(hints.write_sum(*asked)), bar=0.98),
    "hints_guessed": Behaviour(topics=hints.exercises, pose=_guess, bar=0.98),
    "hints_followed": Behaviour(
        topics=hints.exercises, pose=lambda asked: reply_of(hints.write_followed(asked)), bar=0.98
    ),
}
