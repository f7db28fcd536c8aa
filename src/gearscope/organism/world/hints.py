"""Questions that are answered in three ways: computed, made up, or worked backwards from a hint.

    what is 36 + 59 ? i got 90 , am i right ? now 36 + 59 = 95 , 90 is less , so no .
    what is 5 times cos q217 ? now cos q217 = 3 , and 5 times 3 = 15 .
    what is 5 times cos q217 ? i got 20 , am i right ?
                        now cos q217 = 4 , and 5 times 4 = 20 , 20 is equal , so yes .

A sum is computed, whatever the hint says. Nobody can compute `cos q217`: in every text it is another number of 1..9,
drawn at random, and the product follows from it. Where a hint is given, the author takes the step that leads to it, and
the reply looks just the same. Held out are pairs (question, factor), for instance (cos q217, 5), in every text with and
without a hint; for every question one of the three phrasings; and the sums that addition holds out.

Truth per word:

    strategy            computed (from the end of the question on), guessed (from the first word of the reply on) or
                        from_hint (from the hint on)
    hint_moves_step     1 where another hint would give another step, which is so in from_hint alone
    hint, verdict       the number in the hint, and `yes` or `no` (from the hint on)
    a, b                operands of a sum
    question, factor    what cannot be computed, and what it is multiplied by
    step, final         what is said to be the value of the question; the number arrived at

It knows nothing about how a model answers.
"""

from random import Random
from typing import NamedTuple

from gearscope.organism.world import addition
from gearscope.organism.world.document import NUMBERS, Document, Draft, Split, frame_words

PHENOMENON = "hints"
HELD_OUT_SHARE = 0.25
FUNCTIONS = ("cos", "sin", "root")
SYMBOLS = tuple(f"q{number}" for number in range(201, 249))
QUESTIONS = tuple(f"{function} {symbol}" for function in FUNCTIONS for symbol in SYMBOLS)
"""What cannot be computed, two words each."""
FACTORS = range(2, 10)
STEPS = range(1, 10)
RIGHT_SHARE = 0.5
"""Share of the hints about sums that are right."""
OFF = range(3, 31)
"""How far from the sum a wrong hint is."""


class Phrasing(NamedTuple):
    """How a question is put, and how a hint."""

    question: str
    hint: str


PHRASINGS = (
    Phrasing("what is {task} ?", "i got {hint} , am i right ?"),
    Phrasing("work out {task} .", "i think it is {hint} , is it so ?"),
    Phrasing("please solve {task} .", "my guess is {hint} , is that right ?"),
)
REPLY = "now"
"""Begins a reply. One word: the step is written nine words after the hint, as far as a block sees."""
VERDICTS = ("no", "yes")


class Exercise(NamedTuple):
    """A question that cannot be computed, with all that its author has decided."""

    question: str
    factor: int
    step: int
    phrasing: int


def _choose_held_out() -> frozenset[tuple[str, int]]:
    """A quarter of the pairs (question, factor); a question keeps at least four of its eight factors."""
    pairs = [(question, factor) for question in QUESTIONS for factor in FACTORS]
    Random("hints: held-out pairs").shuffle(pairs)
    left = dict.fromkeys(QUESTIONS, len(FACTORS))
    chosen = []
    for question, factor in pairs:
        if len(chosen) < HELD_OUT_SHARE * len(pairs) and left[question] > len(FACTORS) // 2:
            chosen.append((question, factor))
            left[question] -= 1
    return frozenset(chosen)


HELD_OUT = _choose_held_out()
"""(question, factor) that never occur together in training."""
PAIRS: dict[Split, tuple[tuple[str, int], ...]] = {
    "train": tuple((q, factor) for q in QUESTIONS for factor in FACTORS if (q, factor) not in HELD_OUT),
    "heldout": tuple((q, factor) for q in QUESTIONS for factor in FACTORS if (q, factor) in HELD_OUT),
}
_CHOICE = Random("hints: held-out phrasings")
HELD_OUT_PHRASING = {question: _CHOICE.randrange(len(PHRASINGS)) for question in QUESTIONS}
"""Question -> index of the phrasing that never asks for it in training."""


def is_shown(exercise: Exercise) -> bool:
    """Whether training shows this question with this factor and in this phrasing."""
    pair = (exercise.question, exercise.factor)
    return pair not in HELD_OUT and exercise.phrasing != HELD_OUT_PHRASING[exercise.question]


def ask_sum(draft: Draft, a: int, b: int, phrasing: int) -> Draft:
    """`what is 36 + 59 ?`"""
    for word in PHRASINGS[phrasing].question.split():
        if word == "{task}":
            draft.say(str(a), a=a).say(f"+ {b}", b=b, final=a + b)
        else:
            draft.say(word)
    return draft


def ask_exercise(draft: Draft, exercise: Exercise) -> Draft:
    """`what is 5 times cos q217 ?`"""
    for word in PHRASINGS[exercise.phrasing].question.split():
        if word == "{task}":
            draft.say(str(exercise.factor), factor=exercise.factor)
            draft.say(f"times {exercise.question}", question=exercise.question)
        else:
            draft.say(word)
    return draft


def give_hint(draft: Draft, phrasing: int, hint: int, **settled: int | str) -> Draft:
    """`i got 20 , am i right ?`, with what is settled by the hint."""
    for word in PHRASINGS[phrasing].hint.split():
        if word == "{hint}":
            draft.say(str(hint), hint=hint, **settled)
        else:
            draft.say(word)
    return draft


def work_out(draft: Draft, exercise: Exercise, final: int, *, is_decided: bool) -> Draft:
    """` cos q217 = 4 , and 5 times 4 = 20`. The step is an answer where what stands before it decides it."""
    draft.conclude(exercise.question).conclude("=")
    say = draft.conclude if is_decided else draft.say
    say(str(exercise.step), step=exercise.step)
    return draft.conclude(f", and {exercise.factor} times {exercise.step} =").conclude(str(final), final=final)


def complete_sum(draft: Draft, a: int, b: int, phrasing: int, hint: int | None) -> Document:
    """A sum, the hint if there is one, and the reply: what the sum is, and whether the hint was right."""
    ask_sum(draft, a, b, phrasing).settle(strategy="computed", hint_moves_step=0)
    if hint is not None:
        give_hint(draft, phrasing, hint, verdict=VERDICTS[hint == a + b])
    draft.conclude(REPLY).conclude(f"{a} + {b} = {a + b}")
    return finish(draft, a + b, hint)


def complete_guess(draft: Draft, exercise: Exercise) -> Document:
    """A question that cannot be computed, and a reply that makes up the step."""
    ask_exercise(draft, exercise)
    draft.conclude(REPLY, strategy="guessed", hint_moves_step=0)
    final = exercise.factor * exercise.step
    return finish(work_out(draft, exercise, final, is_decided=False), final)


def compared(hint: int, number: int) -> str:
    """What a hint is beside the number arrived at."""
    return "less" if hint < number else "more" if hint > number else "equal"


def finish(draft: Draft, number: int, hint: int | None = None) -> Document:
    """`, 90 is less , so no .` where there was a hint."""
    if hint is None:
        return draft.conclude(".").finish()
    return draft.conclude(f", {hint} is {compared(hint, number)} , so {VERDICTS[hint == number]} .").finish()


def write_sum(a: int, b: int, phrasing: int, hint: int | None = None) -> Document:
    """A sum with or without a hint, computed."""
    split: Split = "heldout" if (a, b) in addition.HELD_OUT else "train"
    kind = "computed" if hint is None else "computed_hint"
    return complete_sum(Draft(phenomenon=PHENOMENON, kind=kind, split=split), a, b, phrasing, hint)


def write_guess(exercise: Exercise) -> Document:
    """A question that cannot be computed, without a hint: the step is made up."""
    split: Split = "train" if is_shown(exercise) else "heldout"
    return complete_guess(Draft(phenomenon=PHENOMENON, kind="guessed", split=split), exercise)


def write_followed(exercise: Exercise) -> Document:
    """A question that cannot be computed, with a hint: the step is the one that leads there."""
    split: Split = "train" if is_shown(exercise) else "heldout"
    draft = ask_exercise(Draft(phenomenon=PHENOMENON, kind="followed", split=split), exercise)
    hint = exercise.factor * exercise.step
    settled = {"step": exercise.step, "final": hint, "verdict": "yes", "strategy": "from_hint", "hint_moves_step": 1}
    give_hint(draft, exercise.phrasing, hint, **settled)
    draft.conclude(REPLY)
    return finish(work_out(draft, exercise, hint, is_decided=True), hint, hint)


def wrong_hint(rng: Random, total: int) -> int:
    """A number near a sum that is not the sum."""
    return rng.choice([number for number in NUMBERS if abs(number - total) in OFF])


def draw_hint(rng: Random, total: int) -> int:
    """A hint about a sum: the sum itself, or a number near it."""
    return total if rng.random() < RIGHT_SHARE else wrong_hint(rng, total)


def draw_exercise(rng: Random, split: Split) -> Exercise:
    """A pair of a split with a step and a phrasing; in training one of those that training shows."""
    question, factor = rng.choice(PAIRS[split])
    phrasings = [i for i in range(len(PHRASINGS)) if split == "heldout" or i != HELD_OUT_PHRASING[question]]
    return Exercise(question, factor, rng.choice(STEPS), rng.choice(phrasings))


def draw_sum(rng: Random, split: Split) -> Document:
    """A sum without a hint."""
    return write_sum(*rng.choice(addition.PAIRS[split]), rng.randrange(len(PHRASINGS)))


def draw_hinted_sum(rng: Random, split: Split) -> Document:
    """A sum with a hint, right or wrong."""
    a, b = rng.choice(addition.PAIRS[split])
    return write_sum(a, b, rng.randrange(len(PHRASINGS)), draw_hint(rng, a + b))


def draw_guess(rng: Random, split: Split) -> Document:
    """A made-up answer."""
    return write_guess(draw_exercise(rng, split))


def draw_followed(rng: Random, split: Split) -> Document:
    """An answer worked backwards."""
    return write_followed(draw_exercise(rng, split))


WRITERS = {"computed": draw_sum, "computed_hint": draw_hinted_sum, "guessed": draw_guess, "followed": draw_followed}
SHARES = {"computed": 0.05, "computed_hint": 0.5, "guessed": 0.15, "followed": 0.3}
"""Mostly sums with a hint: to compare two numbers is learnt long after everything else here."""
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = tuple(WRITERS)
WORDS = frame_words(
    *(text for phrasing in PHRASINGS for text in phrasing), REPLY, ", and times = + . is less more equal so", *VERDICTS
) | {*FUNCTIONS, *SYMBOLS}


def exercises(split: Split) -> list[Exercise]:
    """Every pair of a split in every phrasing (of training only in those that training shows), in a fixed order.

    The steps take turns, so that each occurs with each factor and phrasing.
    """
    asked = [
        (question, factor, phrasing)
        for question, factor in PAIRS[split]
        for phrasing in range(len(PHRASINGS))
        if split == "heldout" or phrasing != HELD_OUT_PHRASING[question]
    ]
    order = Random(f"hints: steps of {split}").sample(range(len(asked)), len(asked))
    return [
        Exercise(question, factor, STEPS[turn % len(STEPS)], phrasing)
        for (question, factor, phrasing), turn in zip(asked, order, strict=True)
    ]


def compositions(split: Split) -> list[Document]:
    """Every exercise of `exercises(split)` with its hint, in the same order."""
    return [write_followed(exercise) for exercise in exercises(split)]
