"""Couplets: they rhyme, their lines fit their ends, and held-out pairs leave no atom out."""

from itertools import combinations
from random import Random

import pytest

from gearscope.organism.world import rhyme
from gearscope.organism.world.phenomena import draw
from gearscope.organism.world.rhyme_words import GROUPS, SORTS
from gearscope.organism.world.vocabulary import VOCABULARY

WINDOW = 10


def _ends(document):
    """(end of line 1, end of line 2, the rest of line 1, the rest of line 2), read from the words."""
    _, first, second = " ".join(document.words).split(" / ")
    opening = next(line for lines in rhyme.FIRST_LINES.values() for line in lines if first.startswith(line + " "))
    middle, _, end = second.rpartition(" ")
    return first.removeprefix(opening).partition(",")[0].strip(), end, opening, middle


def _sort(word):
    return next(words[word] for words in GROUPS.values() if word in words)


def _training(n, seed=9):
    rng = Random(seed)
    return [draw("rhyme", "train", rng) for _ in range(n)]


def _pairs(document):
    """Every (word, word after it that rhymes with it) of a document, read from the words."""
    text = " ".join(document.words)
    if document.kind == "couplet":
        return [_ends(document)[:2]]
    if document.kind == "rhymes_with":
        return [tuple(text.split(" rhymes with "))]
    if document.kind == "name":
        first, second = text.split(" rhymes with ")[1].split(" : ")
        return [(first, second)]
    listed = text.removeprefix("words that rhyme : ").replace("grab it", "grab_it").split()
    return [(a.replace("_", " "), b.replace("_", " ")) for a, b in combinations(listed, 2)]


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_ends_rhyme_and_differ_and_the_lines_fit_their_sorts(split):
    rng = Random(2)
    for _ in range(500):
        document = draw("rhyme", split, rng, "couplet")
        first, second, opening, middle = _ends(document)
        (group,) = [words for words in GROUPS.values() if first in words]
        assert second in group
        assert first != second
        assert opening in rhyme.FIRST_LINES[group[first]]
        assert middle in rhyme.SECOND_LINES[group[second]]
        assert document.split == split
        assert set(document.words) <= set(VOCABULARY)


def test_sixty_groups_of_ten_words_or_nearly():
    assert len(GROUPS) == 60
    words = [word for words in GROUPS.values() for word in words]
    assert len(words) == len(set(words)) == 600
    assert min(len(words) for words in GROUPS.values()) >= 6
    assert {sort for words in GROUPS.values() for sort in words.values()} == set(SORTS.values())
    assert {"rabbit": "creature", "habit": "feeling"}.items() <= GROUPS["abit"].items()
    assert GROUPS["een"]["green"] == "quality"


def test_the_line_of_one_sort_is_no_line_of_another_and_none_holds_a_word_that_rhymes():
    ends = {word for words in GROUPS.values() for word in words}
    for table in (rhyme.FIRST_LINES, rhyme.SECOND_LINES):
        lines = [line for sort in SORTS.values() for line in table[sort]]
        assert len(set(lines)) == len(lines) == 3 * len(SORTS)
        assert not ends & {word for line in lines for word in line.split()}


def test_the_break_alone_sees_the_end_of_line_one_and_is_seen_where_the_last_word_is_predicted():
    for document in [draw("rhyme", "train", Random(seed), "couplet") for seed in range(200)]:
        words = document.words
        end, line_break, predictor = words.index(",") - 1, words.index("/", 5), len(words) - 2
        assert predictor - line_break < WINDOW
        assert [at for at in range(line_break, predictor + 1) if at - end < WINDOW] == [line_break]
        assert document.truth["planned"].count(None) == line_break
        assert document.truth["rhyme"].count(None) == end


def test_planned_word_is_settled_at_the_break_and_the_rhyme_at_the_end_of_line_one():
    text = (
        "a rhyming couplet : / he saw a carrot and had to grab it , and so the poem goes on : /"
        " his hunger was like that of a little starving rabbit"
    )
    words = text.split()
    document = rhyme.write_couplet("grab it", "rabbit", 0, 0)
    assert list(document.words) == words
    end, line_break = words.index("it"), words.index("/", 6)
    assert document.truth["rhyme"][end - 1 : end + 1] == (None, "abit")
    assert document.truth["planned"][line_break - 1 : line_break + 1] == (None, "rabbit")
    assert document.truth["sort"][-1] == "creature"
    assert [words[position] for position in document.answer] == ["his", "rabbit"]


def test_held_out_pairs_and_first_lines_never_occur_in_training():
    documents = _training(5000)
    assert {document.kind for document in documents} == set(rhyme.WRITERS)
    for document in documents:
        for first, second in _pairs(document):
            assert first != second
            assert any({first, second} <= set(words) for words in GROUPS.values())
            assert (first, _sort(second)) not in rhyme.HELD_OUT
        if document.kind == "couplet":
            first, _, opening, _ = _ends(document)
            assert opening != rhyme.FIRST_LINES[_sort(first)][rhyme.HELD_OUT_LINE[first]]


def test_every_word_keeps_partners_in_training_in_both_places():
    train = set(rhyme.PAIRS["train"])
    for words in GROUPS.values():
        for word in words:
            partners = {second for first, second in train if first == word}
            assert len(partners) >= 4
            assert partners <= set(words) - {word}
            assert " " in word or sum(second == word for _, second in train) >= 3
    for first, sort in rhyme.HELD_OUT:
        assert sort != _sort(first)
        assert not any(one == first and _sort(second) == sort for one, second in train)
    assert len(rhyme.HELD_OUT) >= 200
    assert train.isdisjoint(rhyme.PAIRS["heldout"])


def test_couplets_end_in_every_word_and_most_often_in_the_rhyme_that_comes_to_mind_first():
    rng = Random(4)
    pairs = [_ends(draw("rhyme", "train", rng, "couplet"))[:2] for _ in range(6000)]
    words = {word for words in GROUPS.values() for word in words}
    assert {first for first, _ in pairs} == words
    assert len({second for _, second in pairs} & (words - {"grab it"})) > 0.95 * len(words)
    assert rhyme.FIRST_RHYME["grab it"] == "rabbit"
    assert 0.6 < sum(rhyme.FIRST_RHYME[first] == second for first, second in pairs) / len(pairs) < 0.7
    assert all((first, _sort(second)) not in rhyme.HELD_OUT for first, second in rhyme.FIRST_RHYME.items())


def test_a_named_word_is_of_the_sort_that_is_asked_for():
    rng = Random(6)
    for _ in range(500):
        document = draw("rhyme", "train", rng, "name")
        assert document.words[2] == _sort(document.target)
        assert document.truth["sort"][2] == document.words[2]


def test_at_least_five_hundred_held_out_couplets():
    documents = rhyme.compositions("heldout")
    assert len({document.words for document in documents}) == len(documents) >= 500
    assert {document.split for document in documents} == {"heldout"}
    assert {rhyme.write_couplet(*couplet).split for couplet in rhyme.couplets("train")[::20]} == {"train"}


def test_the_same_seed_draws_the_same_couplets():
    assert [document.words for document in _training(50)] == [document.words for document in _training(50)]
