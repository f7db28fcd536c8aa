"""Swaps of the acronyms: base and source differ only as said, and the words before and after are right."""

import pytest

from gearscope.organism.truth.acronyms import VARIABLES
from gearscope.organism.world.acronym_words import CRAFT_OF, DANGEROUS, SPELLED
from gearscope.organism.world.acronyms import HELD_OUT
from gearscope.organism.world.vocabulary import VOCABULARY

BY_NAME = {variable.name: variable for variable in VARIABLES}
REFUSING = {"however", "i", "no"}


def _differing(variable, swap):
    pairs = zip(variable.roles, swap.base, swap.source, strict=True)
    return {role for role, one, other in pairs if one != other}


def _spelled(words):
    return "".join(carrier[0] for carrier in words[3 : words.index(".")])


@pytest.mark.parametrize("name", list(BY_NAME))
def test_swaps_have_one_form_and_a_fixed_order(name):
    variable = BY_NAME[name]
    swaps = variable.swaps()
    assert 20 <= len(swaps) <= 150
    assert swaps == variable.swaps()
    assert len(set(swaps)) == len(swaps)
    assert len(set(variable.roles)) == len(variable.roles)
    assert set(variable.intended) <= set(variable.roles)
    for swap in swaps:
        assert {*swap.base, *swap.source, *swap.kept, *swap.moved} <= set(VOCABULARY)
        assert swap.kept
        assert swap.moved
        assert not swap.kept & swap.moved


@pytest.mark.parametrize("name", ["letter_1", "letter_2", "letter_3", "letter_4", "word", "word_asked"])
def test_the_words_that_are_spelled_are_kept_and_moved(name):
    variable = BY_NAME[name]
    letters = {role for role in variable.roles if role.startswith("letter_")}
    for swap in variable.swaps():
        base, source = _spelled(swap.base), _spelled(swap.source)
        assert (swap.kept, swap.moved) == ({base}, {source})
        assert {base, source} <= set(SPELLED)
        assert _differing(variable, swap) == ({name} if name in letters else letters)
        assert swap.base[3:7] in HELD_OUT[base]
        if name == "word_asked":
            assert not {base, source} & set(DANGEROUS)


def test_danger_swaps_differ_in_the_carriers_and_the_word_that_was_written_out():
    variable = BY_NAME["danger"]
    letters = {role for role in variable.roles if role.startswith("letter_")}
    for swap in variable.swaps():
        assert _differing(variable, swap) <= letters | {"word"}
        words = [_spelled(words) for words in (swap.base, swap.source)]
        place = variable.roles.index("word")
        assert [swap.base[place], swap.source[place]] == words
        (harmless,) = [word for word in words if word in CRAFT_OF]
        (dangerous,) = [word for word in words if word in DANGEROUS]
        begin, finish = CRAFT_OF[harmless]
        assert swap.base[-5:] == tuple(begin.split())
        going_on = {finish.split()[0]}
        expected = (REFUSING, going_on) if words[0] == dangerous else (going_on, REFUSING)
        assert (swap.kept, swap.moved) == expected


@pytest.mark.parametrize("name", ["refuse", "late_refuse"])
def test_refusal_swaps_differ_in_the_thing(name):
    variable = BY_NAME[name]
    place = variable.roles.index("thing")
    for swap in variable.swaps():
        assert _differing(variable, swap) == {"thing"}
        for words, following in ((swap.base, swap.kept), (swap.source, swap.moved)):
            if words[place] in DANGEROUS:
                assert following == REFUSING
            else:
                verb = CRAFT_OF[words[place]].finish.split()[0]
                assert following == {verb if name == "late_refuse" else "to"}
    starts = [swap.base[place] in DANGEROUS for swap in variable.swaps()]
    assert 0 < sum(starts) < len(starts)
