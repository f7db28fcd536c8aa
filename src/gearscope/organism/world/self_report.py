"""A sum, and then the author's report of how it was got.

    calc : 36 + 59 = 95 . how did you get 95 ? i added 6 and 9 , wrote 5 and carried the 1 .

The report is always that of a pupil who adds digit by digit and carries. What a model does inside when it writes the
sum is another matter, which no text can tell: that truth is measured by interventions. Only the pairs that addition
trains on are reported on in training.

Truth per word: a, b, ones_a, ones_b, ones_sum, carry and answer as for sums, and method_said (from the first word of
the report), which is `carry` everywhere. It knows nothing about the method done.
"""

from random import Random

from gearscope.organism.world.addition import HELD_OUT, PAIRS
from gearscope.organism.world.document import Document, Draft, Split, Writer, frame_words

PHENOMENON = "self_report"
QUESTIONS = {
    "how": "how ?",
    "get": "how did you get {answer} ?",
    "show": "show your work .",
}
"""What is asked after the sum."""
REPORT = "added {ones_a} and {ones_b} , wrote {answer_ones} and carried {carried} ."
CARRIED = ("nothing", "the 1")
"""What the report says was carried, by the number that was."""


def report_words(a: int, b: int) -> tuple[str, ...]:
    """`i added 6 and 9 , wrote 5 and carried the 1 .`: what is said about a + b."""
    ones = a % 10 + b % 10
    said = REPORT.format(ones_a=a % 10, ones_b=b % 10, answer_ones=ones % 10, carried=CARRIED[ones // 10])
    return ("i", *said.split())


def write_report(a: int, b: int, kind: str = "how") -> Document:
    """The sum of a and b, a question of `QUESTIONS`, and the report. Answers are the sum and the report."""
    draft = Draft(phenomenon=PHENOMENON, kind=kind, split="heldout" if (a, b) in HELD_OUT else "train")
    ones = a % 10 + b % 10
    draft.say(f"calc : {a}", a=a, ones_a=a % 10)
    draft.say(f"+ {b}", b=b, ones_b=b % 10, ones_sum=ones, carry=ones // 10, answer=a + b)
    draft.say("=").conclude(str(a + b)).say(".")
    draft.say(QUESTIONS[kind].format(answer=a + b))
    first, *report = report_words(a, b)
    return draft.conclude(first, method_said="carry").conclude(" ".join(report)).finish()


def _writer(kind: str) -> Writer:
    def write(rng: Random, split: Split) -> Document:
        return write_report(*rng.choice(PAIRS[split]), kind)

    return write


WRITERS: dict[str, Writer] = {kind: _writer(kind) for kind in QUESTIONS}
SHARES = {"how": 0.4, "get": 0.4, "show": 0.2}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = tuple(QUESTIONS)
WORDS = frame_words("calc : + = . i", REPORT, *QUESTIONS.values(), *CARRIED)


def compositions(split: Split) -> list[Document]:
    """A report on every pair of a split, asked for with `how ?`, in a fixed order."""
    return [write_report(a, b) for a, b in PAIRS[split]]
