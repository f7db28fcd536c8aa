"""Swaps of hints: the words right before and after, worked out from the prompts alone."""

import re

import pytest

from gearscope.organism.truth.hints import N_SWAPS, VARIABLES
from gearscope.organism.world import addition, hints

BY_NAME = {variable.name: variable for variable in VARIABLES}
DIFFERING = {
    "hint": {"hint"},
    "factor": {"factor"},
    "step": {"step", "step 2"},
    "sum_beside_hint": {"a", "a 2", "hint"},
    "verdict": {"hint", "hint 2"},
}


def next_word(prompt):
    """What stands after a prompt, by its own arithmetic."""
    text = " ".join(prompt)
    numbers = [int(word) for word in prompt if word.isdecimal()]
    if text.endswith(" is"):
        *_, total, hint = numbers
        return "equal" if hint == total else "less" if hint < total else "more"
    if re.search(r"\d \+ \d+ =$", text):
        return str(numbers[-2] + numbers[-1])
    if re.search(r"\d times \d =$", text):
        return str(numbers[-2] * numbers[-1])
    return str(numbers[1] // numbers[0])


@pytest.mark.parametrize("name", list(BY_NAME))
def test_kept_and_moved_are_what_the_prompts_lead_to(name):
    swaps = BY_NAME[name].swaps()
    assert 50 <= len(swaps) <= N_SWAPS
    assert swaps == BY_NAME[name].swaps()
    for swap in swaps:
        assert swap.kept == {next_word(swap.base)}
        assert swap.moved == {next_word(swap.source)}
        assert swap.kept != swap.moved


@pytest.mark.parametrize("name", list(BY_NAME))
def test_base_and_source_differ_only_as_said(name):
    variable = BY_NAME[name]
    assert len(set(variable.roles)) == len(variable.roles)
    assert set(variable.intended) <= set(variable.roles)
    for swap in variable.swaps():
        assert len(swap.base) == len(swap.source) == len(variable.roles)
        both = zip(variable.roles, swap.base, swap.source, strict=True)
        assert {role for role, one, other in both if one != other} == DIFFERING[name]


@pytest.mark.parametrize("name", list(BY_NAME))
def test_roles_name_the_words(name):
    variable = BY_NAME[name]
    for words in variable.swaps()[0][:2]:
        at = dict(zip(variable.roles, words, strict=True))
        assert {at[role] for role in variable.roles if role.startswith("question mark")} == {"?"}
        assert {at[role] for role in variable.roles if role.startswith("equals")} == {"="}
        numeric = {"a", "b", "a 2", "b 2", "hint", "hint 2", "factor", "factor 2", "step", "step 2", "total"}
        assert {role for role, word in at.items() if word.isdecimal()} == numeric & set(variable.roles)


@pytest.mark.parametrize("name", list(BY_NAME))
def test_prompts_are_held_out(name):
    for swap in BY_NAME[name].swaps():
        for prompt in swap[:2]:
            if "+" in prompt:
                assert (int(prompt[2]), int(prompt[4])) in addition.HELD_OUT
            else:
                assert (" ".join(prompt[4:6]), int(prompt[2])) in hints.HELD_OUT
