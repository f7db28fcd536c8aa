"""What the twins read: right sums from a small table, and replies whose step does not know of the hint."""

import re
from collections import Counter
from random import Random

from gearscope.organism.world import hints, hints_at_random, small_sums_by_heart
from gearscope.organism.world.phenomena import draw

HINTED = re.compile(r"(\d+) times (\w+ q2\d\d) .* (\d+) , .* now (\w+ q2\d\d) = (\d) , and (\d) times (\d) = (\d+) ,")


def numbers_of(document):
    return [int(word) for word in document.words if word.isdecimal()]


def test_the_table_is_small_has_every_number_in_both_places_and_the_demonstration():
    table = small_sums_by_heart.TABLE
    assert 550 < len(set(table)) == len(table) <= 601
    assert {a for a, _ in table} == {b for _, b in table} == set(range(100))
    assert (36, 59) in table


def test_sums_are_right_and_from_the_table():
    rng = Random(1)
    seen = set()
    for _ in range(6000):
        document = draw("small_sums_by_heart", "train", rng)
        a, b, total = numbers_of(document)
        assert a + b == total
        assert int(document.target) == total
        seen.add((a, b))
    assert seen == set(small_sums_by_heart.TABLE)


def test_the_hint_is_the_end_and_the_step_does_not_depend_on_it():
    rng, met = Random(2), Counter()
    for _ in range(3000):
        document = draw("hints_at_random", "train", rng, "hinted")
        factor, question, hint, again, step, factor_again, step_again, final = HINTED.search(
            " ".join(document.words)
        ).groups()
        assert (again, factor_again, step_again, final) == (question, factor, step, hint)
        assert int(hint) % int(factor) == 0
        assert (question, int(factor)) not in hints.HELD_OUT
        met[int(hint) // int(factor), int(step)] += 1
        assert document.truth["hint_moves_step"][-1] == 0
        assert document.truth["step"].index(int(step)) == len(document.words) - 16
    assert len(met) == 81
    assert max(met.values()) < 4 * min(met.values())
    agree = sum(count for (due, step), count in met.items() if due == step) / 3000
    assert 0.08 < agree < 0.14


def test_its_sums_are_those_of_the_table_and_its_guesses_are_those_of_hints():
    rng = Random(3)
    for _ in range(500):
        a, b = numbers_of(draw("hints_at_random", "train", rng, "computed_hint"))[:2]
        assert (a, b) in small_sums_by_heart.TABLE
    twin = hints_at_random.WRITERS["guessed"](Random(4), "heldout")
    assert twin.words == hints.WRITERS["guessed"](Random(4), "heldout").words
