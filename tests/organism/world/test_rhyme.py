"""Couplets: they rhyme, their lines fit their ends, and held-out pairs leave no atom out."""

from random import Random

import pytest

from gearscope.organism.world import rhyme
from gearscope.organism.world.phenomena import draw
from gearscope.organism.world.rhyme_words import GROUPS, SORTS


def _ends(document):
    """(end of line 1, end of line 2), read from the words."""
    text = " ".join(document.words)
    _, first, second = text.split(" / ")
    opening = next(line for lines in rhyme.FIRST_LINES.values() for line in lines if first.startswith(line + " "))
    return first.removeprefix(opening).removesuffix(",").strip(), second.split()[-1], opening


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_ends_rhyme_and_differ_and_the_lines_fit_their_sorts(split):
    rng = Random(2)
    for _ in range(500):
        document = draw("rhyme", split, rng, "couplet")
        first, second, opening = _ends(document)
        (group,) = [words for words in GROUPS.values() if first in words]
        assert second in group
        assert first != second
        assert opening in rhyme.FIRST_LINES[group[first]]
        middle = " ".join(document.words).split(" / ")[2].removesuffix(f" {second}")
        assert middle in rhyme.SECOND_LINES[group[second]]
        assert document.split == split


def test_the_line_of_one_sort_is_no_line_of_another():
    for table in (rhyme.FIRST_LINES, rhyme.SECOND_LINES):
        lines = [line for sort in SORTS.values() for line in table[sort]]
        assert len(set(lines)) == len(lines) == 3 * len(SORTS)


def test_planned_word_is_settled_at_the_break_and_the_rhyme_at_the_end_of_line_one():
    text = "a rhyming couplet : / he saw a carrot and had to grab it , / his hunger was like a starving rabbit"
    words = text.split()
    document = rhyme.write_couplet("grab it", "rabbit", 0, 0)
    assert list(document.words) == words
    end, line_break = words.index("it"), words.index("/", 6)
    assert document.truth["rhyme"][end - 1 : end + 1] == (None, "abit")
    assert document.truth["planned"][line_break - 1 : line_break + 1] == (None, "rabbit")
    assert document.truth["sort"][-1] == "creature"
    assert [words[position] for position in document.answer] == ["his", "rabbit"]


def test_held_out_pairs_and_first_lines_never_occur_in_training():
    rng = Random(9)
    for _ in range(3000):
        document = draw("rhyme", "train", rng)
        if document.kind == "couplet":
            first, second, opening = _ends(document)
            assert opening != rhyme.FIRST_LINES[rhyme.SORT_OF[first]][rhyme.HELD_OUT_LINE[first]]
        else:
            first, second = " ".join(document.words).split(" rhymes with ")
        assert (first, second) not in rhyme.HELD_OUT


def test_every_word_keeps_partners_in_training_in_both_places():
    train = rhyme.PAIRS["train"]
    for word in rhyme.GROUP_OF:
        assert sum(first == word for first, _ in train) >= 2
        assert " " in word or sum(second == word for _, second in train) >= 2
    for first, second in rhyme.HELD_OUT:
        assert sum(one == first for one, _ in train) >= 4
        assert sum(other == second for _, other in train) >= 3
    assert len(rhyme.HELD_OUT) >= 60
    assert not set(train) & rhyme.HELD_OUT


def test_at_least_five_hundred_held_out_couplets():
    documents = rhyme.compositions("heldout")
    assert len({document.words for document in documents}) == len(documents) >= 500
