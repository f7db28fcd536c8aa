"""The best feature is chosen on one half and measured on the other; silence tells as well; parts tell together."""

import pytest
import torch

from gearscope.dictionaries.selection import Codes
from gearscope.evaluation.best import Dense, Sparse, best, sides, together
from gearscope.evaluation.places import Labelled
from gearscope.evaluation.probe import best_probe

N = 80


def planes(*columns):
    """Features as functions of the document's number."""
    scores = torch.tensor([[float(column(number)) for column in columns] for number in range(N)])
    return Dense(scores, {(number, 0): number for number in range(N)})


def test_codes_are_the_plane_of_their_matrix(at):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(N, 7, generator=generator).clamp_min(0)
    scores[:, 3] = 0
    row = {(number, 0): (7 * number) % N for number in range(N)}
    rows, columns = scores.nonzero().unbind(1)
    sparse, dense = Sparse(Codes(rows, columns, scores[rows, columns], N), 7, row), Dense(scores, row)
    found, wanted = best(at, sparse), best(at, dense)
    assert found[1:] == wanted[1:]
    assert found.area == pytest.approx(wanted.area)
    assert together(at, "settled", sparse, most=3) == pytest.approx(together(at, "settled", dense, most=3))
    tokens = at["settled"][1].tokens
    assert torch.equal(sparse.scores(tokens), dense.scores(tokens))
    assert torch.equal(sparse.scores(tokens, (5, 3, 0, 5)), dense.scores(tokens, (5, 3, 0, 5)))


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
    assert best_probe(at, [Dense(noise, row), Dense(scores, row)]) == 1.0
    assert best_probe(at, [Dense(noise, row)]) < 0.75
