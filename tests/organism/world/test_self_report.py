"""Reports against a pupil's addition in columns, done on the written digits."""

from random import Random

import pytest

from gearscope.organism.world import addition, self_report
from gearscope.organism.world.phenomena import draw

DRAWS = 400


def numbers_of(document):
    return [int(word) for word in document.words if word.isdecimal()]


def add_in_columns(a: str, b: str) -> tuple[str, bool]:
    """The last digit of a sum and whether there is a carry, by counting on the fingers."""
    digits, carried = "0123456789", False
    place = digits.index(a[-1])
    for _ in range(digits.index(b[-1])):
        place += 1
        if place == len(digits):
            place, carried = 0, True
    return digits[place], carried


@pytest.mark.parametrize("kind", list(self_report.QUESTIONS))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_the_report_is_what_a_pupil_does_and_the_truth_agrees_with_it(kind, split):
    rng = Random(1)
    for _ in range(DRAWS):
        document = self_report.WRITERS[kind](rng, split)
        text = " ".join(document.words)
        a, b, total, *_ = numbers_of(document)
        assert a + b == total
        digit, carried = add_in_columns(str(a), str(b))
        told = (
            f"i added {str(a)[-1]} and {str(b)[-1]} , wrote {digit} and carried {'the 1' if carried else 'nothing'} ."
        )
        assert text.endswith(told)
        last = {name: values[-1] for name, values in document.truth.items()}
        assert last == {
            "a": a, "b": b, "ones_a": int(str(a)[-1]), "ones_b": int(str(b)[-1]), "carry": int(carried),
            "ones_sum": int(str(a)[-1]) + int(str(b)[-1]), "answer": total, "method_said": "carry",
        }  # fmt: skip
        answered = " ".join(document.words[i] for i in document.answer)
        assert answered == f"{total} {told}"
        assert document.split == split


def test_the_example_of_the_design_and_where_the_method_is_said():
    document = self_report.write_report(36, 59, "get")
    text = "calc : 36 + 59 = 95 . how did you get 95 ? i added 6 and 9 , wrote 5 and carried the 1 ."
    assert " ".join(document.words) == text
    at = document.words.index("i")
    assert document.truth["method_said"] == (None,) * at + ("carry",) * (len(document.words) - at)


def test_no_sum_that_addition_holds_out_is_reported_on_in_training():
    rng = Random(2)
    for _ in range(6000):
        a, b, *_ = numbers_of(draw("self_report", "train", rng))
        assert (a, b) not in addition.HELD_OUT


def test_every_pair_of_digits_and_every_operand_is_in_training():
    train = addition.PAIRS["train"]
    assert len({(a % 10, b % 10) for a, b in train}) == 100


def test_compositions_are_one_report_on_every_pair_of_the_split():
    for split in ("train", "heldout"):
        pairs = {tuple(numbers_of(document)[:2]) for document in self_report.compositions(split)}
        assert pairs == set(addition.PAIRS[split])
