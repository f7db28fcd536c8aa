"""Variables of addition, read back from the words of their prompts."""

import re

import pytest

from gearscope.organism.truth.addition import N_SWAPS, VARIABLES
from gearscope.organism.world import addition


def numbers(words):
    return [int(text) for text in re.findall(r"\d+", " ".join(words))]


def digits(words):
    a, b = numbers(words)
    return f"{a:02d}{b:02d}"


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_both_sums_are_held_out_and_differ_only_in_the_variable(variable):
    name = re.sub("_(table|journal|story)$", "", variable.name)
    changing = {"a": "01", "b": "23", "ones_a": "1", "tens_a": "0", "ones_sum": "13", "tens_sum": "02"}[name]
    swaps = variable.swaps()
    assert len(swaps) == N_SWAPS
    for swap in swaps:
        base, source = digits(swap.base), digits(swap.source)
        assert all(base[i] == source[i] for i in range(4) if str(i) not in changing)
        assert numbers(swap.base) != numbers(swap.source)
        for words, right in ((swap.base, swap.kept), (swap.source, swap.moved)):
            a, b = numbers(words)
            assert (a, b) in addition.HELD_OUT
            assert right == {str(a + b)}


@pytest.mark.parametrize("name", ["ones_sum", "tens_sum"])
def test_no_single_operand_brings_the_answer_of_the_source_or_leaves_the_answer_of_the_base(name):
    (variable,) = (variable for variable in VARIABLES if variable.name == name)
    for swap in variable.swaps():
        (a, b), (c, d) = numbers(swap.base), numbers(swap.source)
        assert not {str(a + d), str(c + b)} & (swap.kept | swap.moved)


def test_roles_name_the_words_and_the_operands():
    by_name = {variable.name: variable for variable in VARIABLES}
    assert by_name["a"].roles == ("calc", ":", "first number", "+", "second number", "=")
    assert by_name["b"].intended == ("second number",)
    assert by_name["ones_sum_journal"].intended == ("year 2",)
    for variable in VARIABLES:
        base = variable.swaps()[0].base
        places = [variable.roles.index(role) for role in ("first number", "second number")]
        assert [base[place] for place in places] == [str(n) for n in numbers(base)]
