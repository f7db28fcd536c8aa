"""Larger sums: right, with an operand of 100 or more, and no held-out pair among them, not even a hundred higher."""

from random import Random

from gearscope.organism.world import addition, larger_sums
from gearscope.organism.world.vocabulary import VOCABULARY


def drawn(count=2000):
    rng = Random(3)
    writers = list(larger_sums.WRITERS.values())
    return [rng.choice(writers)(rng, "train") for _ in range(count)]


def numbers_of(document):
    return [int(word) for word in document.words if word.isdecimal()]


def test_answers_are_right_and_every_word_is_known():
    for document in drawn():
        a, b, answer = numbers_of(document)
        assert max(a, b) >= 100
        assert answer == ((a + b) % 10 if document.kind == "digit" else a + b)
        assert set(document.words) <= set(VOCABULARY)


def test_no_held_out_pair_is_given_away():
    pairs = {(a % 100, b % 100) for a, b in larger_sums.PAIRS}
    assert not pairs & addition.HELD_OUT
    assert {tuple(n % 100 for n in numbers_of(document)[:2]) for document in drawn()} <= pairs


def test_annotations_hold_the_ones():
    for document in drawn(200):
        a, b, _ = numbers_of(document)
        known = {name: values[-1] for name, values in document.truth.items()}
        assert known["ones_sum"] == a % 10 + b % 10
        assert (known["a"], known["b"]) == (a, b)
