"""Sums with an operand of 100 or more, which no model of this size can learn by heart beside the small ones.

    calc : 120 + 36 = 156                    totals up to 198
    the last digit of 136 + 58 is 4          any total

They share their tables of digits with the sums of `addition.py` and none of its held-out pairs, not even by a hundred:
a pair whose last two digits are a held-out pair does not occur. Nothing of their own is held out. Truth per word as for
small sums: a, b, ones_a, ones_b, ones_sum, and the answer.
"""

from random import Random

from gearscope.organism.world.addition import HELD_OUT, OPERANDS
from gearscope.organism.world.document import NUMBERS, Document, Draft, Split, Writer, frame_words

PHENOMENON = "larger_sums"
FRAMES = {"calc": "calc : {a} + {b} = {answer}", "digit": "the last digit of {a} + {b} is {answer}"}


def _is_allowed(a: int, b: int) -> bool:
    return (a not in OPERANDS or b not in OPERANDS) and (a % 100, b % 100) not in HELD_OUT


PAIRS = tuple((a, b) for a in NUMBERS for b in NUMBERS if _is_allowed(a, b))
"""Operands of which at least one is 100 or more."""
SMALL_TOTALS = tuple((a, b) for a, b in PAIRS if a + b in NUMBERS)
"""Those whose total is a word."""


def _write(kind: str, a: int, b: int, answer: int) -> Document:
    draft = Draft(phenomenon=PHENOMENON, kind=kind)
    for word in FRAMES[kind].split():
        if word == "{a}":
            draft.say(str(a), a=a, ones_a=a % 10)
        elif word == "{b}":
            draft.say(str(b), b=b, ones_b=b % 10, ones_sum=a % 10 + b % 10, answer=answer)
        elif word == "{answer}":
            draft.conclude(str(answer))
        else:
            draft.say(word)
    return draft.finish()


def write_sum(rng: Random, split: Split) -> Document:
    """`calc : 120 + 36 = 156`."""
    a, b = rng.choice(SMALL_TOTALS)
    return _write("calc", a, b, a + b)


def write_digit(rng: Random, split: Split) -> Document:
    """`the last digit of 136 + 58 is 4`."""
    a, b = rng.choice(PAIRS)
    return _write("digit", a, b, (a + b) % 10)


WRITERS: dict[str, Writer] = {"calc": write_sum, "digit": write_digit}
SHARES = {"calc": 0.6, "digit": 0.4}
HELD_OUT_KINDS: tuple[str, ...] = ()
LATER_KINDS: tuple[str, ...] = ()
WORDS = frame_words(*FRAMES.values())


def compositions(split: Split) -> list[Document]:
    """None: nothing about larger sums is held out."""
    return []
