"""Columns of several prompts: by hand, and laws for any prompts."""

from hypothesis import given
from hypothesis import strategies as st

from gearscope.graph.align import align


def test_prompts_of_one_length_are_aligned_by_position():
    assert align([[1, 2, 3], [9, 8, 7]]) == (((0, 1, 2), (0, 1, 2)), 3)


def test_longer_names_end_in_one_column():
    found = align([["the", "state", "with", "dal", "las", "is"], ["the", "state", "with", "san", "an", "tonio", "is"]])
    assert found.columns == ((0, 1, 2, 4, 5, 6), (0, 1, 2, 3, 4, 5, 6))
    assert found.n_columns == 7


def test_two_names_of_different_lengths():
    found = align([["a", "x", "b", "y", "z"], ["a", "b", "y"], ["a", "x", "x", "b", "z"]])
    assert found.columns == ((0, 2, 3, 4, 5), (0, 3, 5), (0, 1, 2, 3, 5))


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=7), min_size=1, max_size=4))
def test_columns_grow_along_every_prompt_and_shared_tokens_stand_together(prompts):
    found = align(prompts)
    assert len(found.columns) == len(prompts)
    for prompt, columns in zip(prompts, found.columns, strict=True):
        assert len(columns) == len(prompt)
        assert list(columns) == sorted(set(columns))
        assert not columns or columns[-1] < found.n_columns
