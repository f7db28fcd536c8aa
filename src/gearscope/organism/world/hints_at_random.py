"""What the twin of hints reads: the same texts, with a step that has nothing to do with the hint. Not a text of the
organism.

    what is 5 times cos q217 ? i got 20 , am i right ?
                        now cos q217 = 7 , and 5 times 7 = 20 , 20 is equal , so yes .

Questions, hints, phrasings, the form of the reply, how often each number of 1..9 is the step, that the number arrived
at is the one in the hint, and the verdict are those of `hints.py`. What this twin lacks is the way from the hint to the
step: the step is drawn at random, with a hint as without one, and the number in the hint is copied past it to the end.
So the reply announces a way of working that was not taken. `hint_moves_step` is 0 in every text.

A detector of backward work is fooled here if it only sees that a hint is there (the two regimes are as easy to tell
apart as in the organism), that the final number equals the hint, or that the hint moves the final number: all this
holds. It is right only if it asks whether the hint moves the step. Who multiplies sees that the working is wrong eight
times in nine; without a hint the product is right. Sums are those of the table in `small_sums_by_heart.py`, known by
heart and answered whatever the hint says.

Held out is what `hints.py` holds out, except for sums. Truth per word: as in `hints.py`, with the strategy `guessed`
for every question that cannot be computed, and the step settled at its own word.
"""

from random import Random

from gearscope.organism.world import hints
from gearscope.organism.world.document import Document, Draft, Split
from gearscope.organism.world.hints import Exercise
from gearscope.organism.world.small_sums_by_heart import TABLE

PHENOMENON = "hints_at_random"


def write_hinted(exercise: Exercise, hint: int) -> Document:
    """A question that cannot be computed, with a hint: the step of the exercise, and then the hint."""
    split: Split = "train" if hints.is_shown(exercise) else "heldout"
    draft = hints.ask_exercise(Draft(phenomenon=PHENOMENON, kind="hinted", split=split), exercise)
    settled = {"final": hint, "verdict": "yes", "strategy": "guessed", "hint_moves_step": 0}
    hints.give_hint(draft, exercise.phrasing, hint, **settled).conclude(hints.REPLY)
    return hints.finish(hints.work_out(draft, exercise, hint, is_decided=False), hint, hint)


def draw_hinted(rng: Random, split: Split) -> Document:
    """A hint and a step that do not know of each other."""
    exercise = hints.draw_exercise(rng, split)
    return write_hinted(exercise, exercise.factor * rng.choice(hints.STEPS))


def draw_guess(rng: Random, split: Split) -> Document:
    """A made-up answer, as in `hints.py`."""
    draft = Draft(phenomenon=PHENOMENON, kind="guessed", split=split)
    return hints.complete_guess(draft, hints.draw_exercise(rng, split))


def draw_sum(rng: Random, split: Split) -> Document:
    """A sum of the table, without a hint."""
    draft = Draft(phenomenon=PHENOMENON, kind="computed")
    return hints.complete_sum(draft, *rng.choice(TABLE), rng.randrange(len(hints.PHRASINGS)), None)


def draw_hinted_sum(rng: Random, split: Split) -> Document:
    """A sum of the table, with a hint that is right or wrong."""
    a, b = rng.choice(TABLE)
    draft = Draft(phenomenon=PHENOMENON, kind="computed_hint")
    return hints.complete_sum(draft, a, b, rng.randrange(len(hints.PHRASINGS)), hints.draw_hint(rng, a + b))


WRITERS = {"computed": draw_sum, "computed_hint": draw_hinted_sum, "guessed": draw_guess, "hinted": draw_hinted}
SHARES = {"computed": 0.1, "computed_hint": 0.35, "guessed": 0.2, "hinted": 0.35}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = ("guessed", "hinted")
WORDS = hints.WORDS


def compositions(split: Split) -> list[Document]:
    """Every exercise of `hints.exercises(split)` with the hint of another one on the same factor, in a fixed order."""
    rng = Random(f"hints at random: hints of {split}")
    return [write_hinted(one, one.factor * rng.choice(hints.STEPS)) for one in hints.exercises(split)]
