"""Sums of two numbers in 0..99: `calc : 36 + 59 = 95`, and the same sums hidden in tables, journals and stories.

A quarter of the unordered pairs is held out: neither a + b nor b + a occurs in training, in any text. Each number
occurs in training many times, in both places. Truth per word, from the operand that settles it:

    a, b                    operands, in the order they are written
    ones_a, ones_b          their last digits
    ones_sum                ones_a + ones_b, 0..18: what a table of single-digit sums holds
    carry                   1 where ones_sum >= 10
    band                    tens of the answer, 0..19: the magnitude
    answer_ones, answer     last digit of the sum, the sum

It knows nothing about how a model adds.
"""

from collections import Counter
from random import Random

from gearscope.organism.world.document import Document, Draft, Split, Writer, frame_words

PHENOMENON = "addition"
OPERANDS = range(100)
HELD_OUT_SHARE = 0.25
DEMO_PAIR = (36, 59)
"""Always held out, so that the demonstration shows a sum that is computed and not one that is remembered."""

FRAMES = {
    "calc": "calc : {a} + {b} = {answer}",
    "table": "table row : {a} , {b} , total {answer}",
    "journal": "the journal began in year {a} , so volume {b} came out in year {answer}",
    "story": "a bus with {a} people took on {b} more and now carries {answer}",
}
"""The texts a sum occurs in. `answer` is always the last word."""


def _choose_held_out() -> frozenset[tuple[int, int]]:
    """A quarter of the unordered pairs. At least one pair of every sum stays in training: answers are atoms too."""
    pairs = [(a, b) for a in OPERANDS for b in OPERANDS if a <= b and (a, b) != DEMO_PAIR]
    left = Counter(a + b for a, b in pairs)
    Random("addition: held-out pairs").shuffle(pairs)
    chosen = [DEMO_PAIR]
    for a, b in pairs:
        if len(chosen) < HELD_OUT_SHARE * (len(pairs) + 1) and left[a + b] > 1:
            chosen.append((a, b))
            left[a + b] -= 1
    return frozenset(chosen) | frozenset((b, a) for a, b in chosen)


HELD_OUT = _choose_held_out()
"""Ordered pairs that never occur in training; with (a, b) also (b, a)."""

PAIRS: dict[Split, tuple[tuple[int, int], ...]] = {
    "train": tuple((a, b) for a in OPERANDS for b in OPERANDS if (a, b) not in HELD_OUT),
    "heldout": tuple(sorted(HELD_OUT)),
}


def write_sum(a: int, b: int, kind: str = "calc") -> Document:
    """The sum of a and b in one of the `FRAMES`, with its truth."""
    draft = Draft(phenomenon=PHENOMENON, kind=kind, split="heldout" if (a, b) in HELD_OUT else "train")
    ones_a, ones_b, total = a % 10, b % 10, a + b
    for word in FRAMES[kind].split():
        if word == "{a}":
            draft.say(str(a), a=a, ones_a=ones_a)
        elif word == "{b}":
            draft.say(str(b), b=b, ones_b=ones_b, ones_sum=ones_a + ones_b, carry=(ones_a + ones_b) // 10)
            draft.settle(band=total // 10, answer_ones=total % 10, answer=total)
        elif word == "{answer}":
            draft.conclude(str(total))
        else:
            draft.say(word)
    return draft.finish()


def _writer(kind: str) -> Writer:
    return lambda rng, split: write_sum(*rng.choice(PAIRS[split]), kind)


WRITERS: dict[str, Writer] = {kind: _writer(kind) for kind in FRAMES}
"""One writer per text."""

SHARES = {"calc": 0.65, "table": 0.15, "journal": 0.1, "story": 0.1}
"""Documents of each kind among the documents of this phenomenon."""

LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = tuple(FRAMES)
WORDS = frame_words(*FRAMES.values())


def compositions(split: Split) -> list[Document]:
    """Every sum of a split in the `calc` text, in a fixed order."""
    return [write_sum(a, b) for a, b in PAIRS[split]]
