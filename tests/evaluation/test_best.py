"""The best feature is chosen on one half and measured on the other; silence tells as well; parts tell together."""

import pytest
import torch

from gearscope.evaluation.best import Plane, best, sides, together
from gearscope.evaluation.places import Labelled
from gearscope.evaluation.probe import best_probe

N = 80


def planes(*columns):
    """Features as functions of the document's number."""
    scores = torch.tensor([[float(column(number)) for column in columns] for number in range(N)])
    return Plane(scores, {(number, 0): number for number in range(N)})


def value(number):
    """Three values, in both halves."""
    return number // 2 % 3


@pytest.fixture
def at():
    return sides({"settled": tuple(Labelled(number, 0, value(number)) for number in range(N))}, (0, 1, 2))


def test_a_feature_that_is_silent_for_a_value_tells_it(at):
    found = best(at, planes(lambda n: value(n) == 0, lambda n: value(n) != 1, lambda n: value(n) == 2))
    assert found == (1.0, "settled", (0, 1, 2), (False, True, False))


def test_what_is_true_of_the_first_half_alone_is_not_told(at):
    found = best(at, planes(*(lambda n, v=v: n % 2 == 0 and value(n) == v for v in range(3))))
    assert found.columns == (0, 1, 2)
    assert found.area == 0.5


def test_three_parts_of_a_value_tell_it_together(at):
    parts = [lambda n, v=v, part=part: value(n) == v and n // 6 % 3 == part for v in range(3) for part in range(3)]
    plane = planes(*parts)
    assert best(at, plane).area < 0.75
    assert together(at, "settled", plane, most=3) == 1.0
    assert together(at, "settled", plane, most=2) < 1.0


def test_a_place_where_a_value_is_missing_is_left_out(at):
    tokens = tuple(Labelled(number, 0, value(number)) for number in range(N))
    some = tuple(token for token in tokens if token.value != 2)
    assert set(sides({"settled": tokens, "there": some}, (0, 1, 2))) == {"settled"}


def test_few_documents_are_enough_only_where_there_are_not_more(at):
    few = at["settled"][0].tokens[:9] + at["settled"][1].tokens[:9]
    assert set(sides({"settled": few, "there": few}, (0, 1, 2))) == {"settled", "there"}
    every = at["settled"][0].tokens + at["settled"][1].tokens
    assert set(sides({"settled": every, "there": few}, (0, 1, 2))) == {"settled"}


def test_the_probe_reads_a_value_that_no_feature_has(at):
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(3, 6, generator=generator)
    noise = torch.randn(N, 6, generator=generator)
    scores = torch.stack([mixed[value(number)] for number in range(N)]) + 0.02 * noise
    row = {(number, 0): number for number in range(N)}
    assert best_probe(at, [Plane(noise, row), Plane(scores, row)]) == 1.0
    assert best_probe(at, [Plane(noise, row)]) < 0.75
