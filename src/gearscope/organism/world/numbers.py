"""Small tasks about single numbers, which shape how numbers are represented: digits, rounding, order, counting.

They hold nothing out and say nothing about sums of two operands, except `digit`, the last digit of a sum, which uses
only pairs that addition trains on. Numbers run to 198, so that the numbers which are only ever answers of sums have
digits and neighbours too. Truth per word: number, ones, tens; `second` where there are two numbers; and the answer,
but for counting, which has many.
"""

from random import Random

from gearscope.organism.world.addition import PAIRS
from gearscope.organism.world.document import NUMBERS, Document, Draft, Split, Writer, frame_words

PHENOMENON = "numbers"
FRAMES = {
    "ones": "the last digit of {n} is {answer}",
    "tens": "{n} has {answer} tens",
    "round": "{n} is close to {answer}",
    "compare": "between {n} and {m} the larger is {answer}",
    "count": "count : {n}",
    "digit": "the last digit of {n} + {m} is {answer}",
}
COUNTED = 4
"""Numbers that follow the first one when counting."""


def _fill(kind: str, n: int, answer: int, m: int | None = None) -> Document:
    draft = Draft(phenomenon=PHENOMENON, kind=kind)
    for word in FRAMES[kind].split():
        if word == "{n}":
            draft.say(str(n), number=n, ones=n % 10, tens=n // 10)
        elif word == "{m}":
            assert m is not None, f"{kind} needs a second number"
            draft.say(str(m), second=m, answer=answer)
        elif word == "{answer}":
            draft.conclude(str(answer), answer=answer)
        else:
            draft.say(word)
    return draft.finish()


def write_ones(rng: Random, split: Split) -> Document:
    """`the last digit of 36 is 6`."""
    n = rng.choice(NUMBERS)
    return _fill("ones", n, n % 10)


def write_tens(rng: Random, split: Split) -> Document:
    """`136 has 13 tens`."""
    n = rng.choice(NUMBERS)
    return _fill("tens", n, n // 10)


def write_round(rng: Random, split: Split) -> Document:
    """`36 is close to 40`: rounded to tens, halves upwards, 195 and more down to 190 (200 is no word)."""
    n = rng.choice(NUMBERS)
    return _fill("round", n, min((n + 5) // 10 * 10, 190))


def write_compare(rng: Random, split: Split) -> Document:
    """`between 36 and 59 the larger is 59`."""
    n, m = rng.choice(NUMBERS), rng.choice(NUMBERS)
    return _fill("compare", n, max(n, m), m)


def write_count(rng: Random, split: Split) -> Document:
    """`count : 36 37 38 39 40`."""
    n = rng.randrange(NUMBERS.stop - COUNTED)
    draft = Draft(phenomenon=PHENOMENON, kind="count").say("count :")
    draft.say(str(n), number=n, ones=n % 10, tens=n // 10)
    for later in range(n + 1, n + 1 + COUNTED):
        draft.conclude(str(later))
    return draft.finish()


def write_digit(rng: Random, split: Split) -> Document:
    """`the last digit of 36 + 58 is 4`, for pairs that addition trains on."""
    n, m = rng.choice(PAIRS["train"])
    return _fill("digit", n, (n + m) % 10, m)


WRITERS: dict[str, Writer] = {
    "ones": write_ones,
    "tens": write_tens,
    "round": write_round,
    "compare": write_compare,
    "count": write_count,
    "digit": write_digit,
}
SHARES = {"ones": 0.15, "tens": 0.15, "round": 0.15, "compare": 0.1, "count": 0.1, "digit": 0.35}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS: tuple[str, ...] = ()
WORDS = frame_words(*FRAMES.values())


def compositions(split: Split) -> list[Document]:
    """None: nothing about single numbers is held out."""
    return []
