"""Swaps of couplets: prompts differ in one word, and what counts as kept and moved is what the world would write."""

from random import Random

import pytest

from gearscope.organism.truth.rhyme import VARIABLES
from gearscope.organism.world.phenomena import draw
from gearscope.organism.world.rhyme import FIRST_LINES, FIRST_RHYME, HELD_OUT, HELD_OUT_LINE, SECOND_LINES
from gearscope.organism.world.rhyme_words import GROUPS
from gearscope.organism.world.vocabulary import VOCABULARY

BY_NAME = {variable.name: variable for variable in VARIABLES}
SORT = {word: sort for words in GROUPS.values() for word, sort in words.items()}


def _lines(prompt):
    """(line 1 without its end, its end, line 2 so far), read from the words."""
    start, stop = (i for i, word in enumerate(prompt) if word == "/")
    *opening, end = prompt[start + 1 : prompt.index(",")]
    return " ".join(opening), end, " ".join(prompt[stop + 1 :])


def _rhymes(word):
    return set(next(words for words in GROUPS.values() if word in words)) - {word, "grab it"}


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_prompts_differ_in_the_end_of_line_one_alone(variable):
    swaps = variable.swaps()
    assert 50 <= len(swaps) <= 150
    assert len(set(swaps)) == len(swaps)
    assert swaps == variable.swaps()
    place = variable.roles.index("end of line 1")
    for swap in swaps:
        assert len(swap.base) == len(swap.source) == len(variable.roles)
        assert [i for i, (a, b) in enumerate(zip(swap.base, swap.source, strict=True)) if a != b] == [place]
        assert swap.base[variable.roles.index("break")] == "/"
        assert swap.kept
        assert swap.moved
        assert not swap.kept & swap.moved
        assert {*swap.base, *swap.source, *swap.kept, *swap.moved} <= set(VOCABULARY)
        opening, end, _ = _lines(swap.base)
        assert opening in FIRST_LINES[SORT[end]]


def test_another_group_moves_the_last_word_to_its_own_rhymes():
    for swap in BY_NAME["rhyme"].swaps():
        for prompt, right in ((swap.base, swap.kept), (swap.source, swap.moved)):
            _, end, line = _lines(prompt)
            (sort,) = [sort for sort, lines in SECOND_LINES.items() if line in lines]
            assert right == {word for word in _rhymes(end) if SORT[word] == sort}
            assert (end, sort) in HELD_OUT


def test_another_first_rhyme_moves_the_line_or_the_word():
    for name in ("sort", "planned"):
        for swap in BY_NAME[name].swaps():
            (opening, base, line), (_, source, _) = _lines(swap.base), _lines(swap.source)
            assert source in _rhymes(base)
            assert opening == FIRST_LINES[SORT[base]][HELD_OUT_LINE[base]]
            kept, moved = FIRST_RHYME[base], FIRST_RHYME[source]
            if name == "planned":
                assert (swap.kept, swap.moved) == ({kept}, {moved})
                assert line in SECOND_LINES[SORT[kept]]
                assert SORT[kept] == SORT[moved]
            else:
                assert swap.kept == {line.split()[0] for line in SECOND_LINES[SORT[kept]]}
                assert swap.moved == {line.split()[0] for line in SECOND_LINES[SORT[moved]]}


def test_no_prompt_occurs_in_training():
    rng = Random(3)
    shown = {draw("rhyme", "train", rng, "couplet").words for _ in range(2000)}
    for variable in VARIABLES:
        for swap in variable.swaps():
            assert all(words[: len(swap.base)] != swap.base for words in shown)
