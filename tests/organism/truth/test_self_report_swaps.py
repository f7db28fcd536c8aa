"""Swaps of self-report: the words right before and after, read off the digits of the prompts."""

import pytest

from gearscope.organism.truth.self_report import N_SWAPS, VARIABLES
from gearscope.organism.world import addition

BY_NAME = {variable.name: variable for variable in VARIABLES}
DIFFERING = {"ones_a": "a", "ones_b": "b", "digit_written": "b", "carry": "b"}


def next_word(name, prompt):
    """What the report says next, from the operands as they are written."""
    a, b = prompt[2], prompt[4]
    ones = int(a[-1]) + int(b[-1])
    carried = "the" if ones > 9 else "nothing"
    return {"ones_a": a[-1], "ones_b": b[-1], "digit_written": str(ones)[-1], "carry": carried}[name]


@pytest.mark.parametrize("name", list(BY_NAME))
def test_kept_and_moved_follow_from_the_digits(name):
    swaps = BY_NAME[name].swaps()
    assert len(swaps) == N_SWAPS
    assert swaps == BY_NAME[name].swaps()
    for swap in swaps:
        assert swap.kept == {next_word(name, swap.base)}
        assert swap.moved == {next_word(name, swap.source)}
        assert swap.kept != swap.moved


@pytest.mark.parametrize("name", list(BY_NAME))
def test_base_and_source_differ_in_one_last_digit_and_what_follows_from_it(name):
    variable = BY_NAME[name]
    assert len(set(variable.roles)) == len(variable.roles)
    assert set(variable.intended) <= set(variable.roles)
    changed = DIFFERING[name]
    for swap in variable.swaps():
        base, source = (dict(zip(variable.roles, words, strict=True)) for words in swap[:2])
        differing = {role for role in variable.roles if base[role] != source[role]}
        assert {changed, "total"} <= differing <= {changed, "total", f"said {changed}", "digit"}
        assert base[changed][:-1] == source[changed][:-1]
        for at in (base, source):
            assert (int(at["a"]), int(at["b"])) in addition.HELD_OUT
            assert int(at["a"]) + int(at["b"]) == int(at["total"])
            assert at.get("said a", at["a"][-1]) == at["a"][-1]
            assert at.get("said b", at["b"][-1]) == at["b"][-1]
