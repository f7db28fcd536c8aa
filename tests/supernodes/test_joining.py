"""Joining: hand-worked groups, and laws that hold for any likeness."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.supernodes.joining import join


def test_two_blocks_are_two_groups():
    likeness = np.full((5, 5), -0.2)
    likeness[:2, :2] = likeness[2:, 2:] = 0.9
    assert [group.tolist() for group in join(likeness, alike=0.5, largest=5, most=5)] == [[0, 1], [2, 3, 4]]


def test_average_linkage_worked_out_by_hand():
    """0 and 1 join first (.9); 2 is .8 from 0 and .1 from 1: .45 on average, below the bar."""
    likeness = np.array([[1, 0.9, 0.8], [0.9, 1, 0.1], [0.8, 0.1, 1]])
    assert [group.tolist() for group in join(likeness, alike=0.5, largest=3, most=3)] == [[0, 1], [2]]
    assert [group.tolist() for group in join(likeness, alike=0.4, largest=3, most=3)] == [[0, 1, 2]]


def test_too_many_groups_are_joined_further_but_never_what_is_unlike():
    likeness = np.array([[1, 0.1, -0.5], [0.1, 1, -0.5], [-0.5, -0.5, 1]])
    assert [group.tolist() for group in join(likeness, alike=0.5, largest=3, most=1)] == [[0, 1], [2]]


def test_nothing_and_one():
    assert join(np.zeros((0, 0)), alike=0.5, largest=1, most=1) == []
    assert [group.tolist() for group in join(np.ones((1, 1)), alike=0.5, largest=1, most=1)] == [[0]]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 14), largest=st.integers(1, 6), alike=st.floats(-0.5, 0.9))
def test_every_row_is_in_one_group_none_too_large_and_all_alike(seed, count, largest, alike):
    values = np.random.default_rng(seed).uniform(-1, 1, (count, count))
    likeness = (values + values.T) / 2
    groups = join(likeness, alike=alike, largest=largest, most=count)
    assert sorted(np.concatenate(groups).tolist()) == list(range(count))
    assert max(len(group) for group in groups) <= largest
    for i, one in enumerate(groups):
        for two in groups[:i]:
            assert likeness[np.ix_(one, two)].mean() < alike or len(one) + len(two) > largest
