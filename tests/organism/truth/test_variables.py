"""Every registered variable: pairs of prompts of one form, in the world's words, that differ and say what is right."""

import pytest

from gearscope.errors import ConfigError
from gearscope.organism.truth.registry import VARIABLES, variable_named
from gearscope.organism.truth.swap import Swap, Variable, distinct
from gearscope.organism.world.vocabulary import VOCABULARY

MOST = 150


def titles():
    return [f"{variable.phenomenon}/{variable.name}" for variable in VARIABLES]


@pytest.mark.parametrize("title", titles())
def test_swaps_are_pairs_of_one_form_with_disjoint_answers(title):
    variable = variable_named(title)
    swaps = variable.swaps()
    assert 20 <= len(swaps) <= MOST
    for swap in swaps:
        assert len(swap.base) == len(swap.source) == len(variable.roles)
        assert swap.base != swap.source
        assert swap.kept
        assert swap.moved
        assert not swap.kept & swap.moved
        assert {*swap.base, *swap.source, *swap.kept, *swap.moved, *swap.own} <= set(VOCABULARY)
    assert len({(swap.base, swap.source) for swap in swaps}) == len(swaps)
    assert list(variable.swaps()) == list(swaps)
    assert set(variable.intended) <= set(variable.roles)


def test_titles_are_unique_and_found_again():
    assert len(set(titles())) == len(titles())
    assert [variable_named(title) for title in titles()] == list(VARIABLES)
    with pytest.raises(ConfigError, match="addition/ones_sum"):
        variable_named("addition/nothing")


def test_repeated_words_become_roles_of_their_own():
    assert distinct(["in", "year", "a", "in", "year", "in"]) == ("in", "year", "a", "in 2", "year 2", "in 3")


def test_an_intended_role_names_one_position():
    for intended in (("x",), ("in",)):
        with pytest.raises(AssertionError, match="one position"):
            Variable(phenomenon="p", name="n", roles=("in", "b", "in"), swaps=list, intended=intended)


def test_what_is_right_after_the_source_is_what_moves_unless_said_otherwise():
    swap = Swap(("a",), ("b",), frozenset({"x"}), frozenset({"y"}))
    assert swap.right_after_source == {"y"}
    assert swap._replace(own=frozenset({"z"})).right_after_source == {"z"}
