"""Sums against Python's own arithmetic, and what is held out."""

import re
from random import Random

import pytest

from gearscope.organism.world import addition

DRAWS = 300


@pytest.mark.parametrize("kind", list(addition.FRAMES))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_text_holds_a_true_sum_and_the_truth_agrees_with_it(kind, split):
    rng = Random(1)
    for _ in range(DRAWS):
        document = addition.WRITERS[kind](rng, split)
        a, b, total = (int(n) for n in re.findall(r"\d+", " ".join(document.words)))
        assert a + b == total
        assert document.split == split
        assert document.target == str(total)
        assert document.words[-1] == document.target
        last = {name: values[-1] for name, values in document.truth.items()}
        carried = 1 if str(a + b)[-1] != str(int(str(a)[-1]) + int(str(b)[-1])) else 0
        assert last == {
            "a": a,
            "b": b,
            "ones_a": int(str(a)[-1]),
            "ones_b": int(str(b)[-1]),
            "ones_sum": int(str(a)[-1]) + int(str(b)[-1]),
            "carry": carried,
            "band": int(str(total)[:-1] or 0),
            "answer_ones": int(str(total)[-1]),
            "answer": total,
        }


def test_truth_starts_at_the_word_that_settles_it():
    document = addition.write_sum(36, 59)
    assert document.words == ("calc", ":", "36", "+", "59", "=", "95")
    assert document.prompt == ("calc", ":", "36", "+", "59", "=")
    assert document.truth["a"] == (None, None, 36, 36, 36, 36, 36)
    assert document.truth["ones_sum"] == (None, None, None, None, 15, 15, 15)
    assert document.truth["answer"][3:5] == (None, 95)


def test_a_quarter_of_the_pairs_is_held_out_in_both_orders_with_the_demonstration_among_them():
    assert {(36, 59), (59, 36)} <= addition.HELD_OUT
    assert {(b, a) for a, b in addition.HELD_OUT} == addition.HELD_OUT
    assert 0.24 < len(addition.HELD_OUT) / 100**2 < 0.26
    train, heldout = (set(addition.PAIRS[split]) for split in ("train", "heldout"))
    assert not train & heldout
    assert len(train | heldout) == 100**2


def test_every_operand_is_trained_in_both_places_and_every_answer_is_trained():
    train = addition.PAIRS["train"]
    assert {a for a, _ in train} == set(range(100)) == {b for _, b in train}
    assert {a + b for a, b in train} == set(range(199))


def test_compositions_are_all_held_out_sums_once():
    documents = addition.compositions("heldout")
    assert len({document.words for document in documents}) == len(documents) == len(addition.HELD_OUT)
