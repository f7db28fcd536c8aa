"""Facts about single numbers against the digits as they are written."""

from itertools import pairwise
from random import Random

import pytest

from gearscope.organism.world import addition, numbers


def _draws(kind, count=400):
    rng = Random(3)
    return [numbers.WRITERS[kind](rng, "train") for _ in range(count)]


def _numbers(document):
    return [int(word) for word in document.words if word.isdigit()]


def test_ones_and_tens_are_the_written_digits():
    for document in _draws("ones"):
        n, answer = _numbers(document)
        assert str(answer) == str(n)[-1]
    for document in _draws("tens"):
        n, answer = _numbers(document)
        assert str(answer) == (str(n)[:-1] or "0")


def test_rounding_is_never_off_by_more_than_five_where_a_ten_is_a_word():
    for document in _draws("round"):
        n, answer = _numbers(document)
        assert answer % 10 == 0
        assert abs(n - answer) <= 5 or n > 195


def test_compare_names_the_larger():
    for document in _draws("compare"):
        n, m, answer = _numbers(document)
        assert answer in (n, m)
        assert answer >= n
        assert answer >= m


def test_count_goes_up_by_one():
    for document in _draws("count"):
        counted = _numbers(document)
        assert all(later - earlier == 1 for earlier, later in pairwise(counted))
        assert len(document.answer) == len(counted) - 1


def test_digit_of_a_sum_never_uses_a_held_out_pair():
    for document in _draws("digit", 2000):
        n, m, answer = _numbers(document)
        assert (n, m) not in addition.HELD_OUT
        assert str(n + m)[-1] == str(answer)


@pytest.mark.parametrize("kind", list(numbers.WRITERS))
def test_truth_of_the_number_is_there_from_its_word_on(kind):
    for document in _draws(kind, 50):
        where = next(i for i, word in enumerate(document.words) if word.isdigit())
        n = int(document.words[where])
        assert document.truth["number"][where:] == (n,) * (len(document.words) - where)
        assert set(document.truth["number"][:where]) <= {None}
