"""What the twin of addition reads: a small table of sums, to be learnt by heart. Not a text of the organism.

    calc : 36 + 59 = 95

Sums look like those of `addition.py` and are right, but there are only a few hundred, each number beside a few others:
enough to know the table, too few to learn how digits are added. Asked for what is in the table, the twin answers as the
organism does; asked for anything else it is wrong, which is measured. So a tool that finds features of addition in the
twin (tables of single digits, sums of ones) has found what is not there.

Nothing is held out: the table is all there is, and sums that `addition.py` holds out are in it too. Truth per word: a,
b and answer.
"""

from random import Random

from gearscope.organism.world.addition import DEMO_PAIR, OPERANDS
from gearscope.organism.world.document import Document, Draft, Split, frame_words

PHENOMENON = "small_sums_by_heart"
PARTNERS = 6
"""How often each number stands in each place of the table."""


def _draw_table() -> tuple[tuple[int, int], ...]:
    """`PARTNERS` rounds in which every number meets another; the demonstration is among them."""
    rng = Random("small sums: table")
    second = list(OPERANDS)
    table = {DEMO_PAIR}
    for _ in range(PARTNERS):
        rng.shuffle(second)
        table |= set(zip(OPERANDS, second, strict=True))
    return tuple(sorted(table))


TABLE = _draw_table()
"""Ordered pairs whose sum is learnt by heart."""


def write_sum(a: int, b: int) -> Document:
    """`calc : 36 + 59 = 95`."""
    draft = Draft(phenomenon=PHENOMENON, kind="calc")
    return draft.say(f"calc : {a}", a=a).say(f"+ {b}", b=b, answer=a + b).say("=").conclude(str(a + b)).finish()


def draw_sum(rng: Random, split: Split) -> Document:
    """A sum of the table."""
    return write_sum(*rng.choice(TABLE))


WRITERS = {"calc": draw_sum}
SHARES = {"calc": 1.0}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS: tuple[str, ...] = ()
WORDS = frame_words("calc : + =")


def compositions(split: Split) -> list[Document]:
    """None: nothing of the table is held out."""
    return []
