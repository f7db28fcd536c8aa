"""Grammar read back from the words, against the spelling of the words and lists of this file."""

import re
from itertools import combinations
from random import Random

import pytest

from gearscope.organism.world import grammar
from gearscope.organism.world.phenomena import draw

SILENT_H = {"hour", "heir", "honor", "herb"}
SOUNDS_LIKE_Y = {"unicorn", "uniform", "union", "ukulele", "eulogy"}
BEFORE = "lovely ugly fine strange | small big tiny huge | old new ancient young | red green blue brown"
RANK = {
    word: rank
    for rank, words in enumerate([*BEFORE.split("|"), "wooden golden silver paper"])
    for word in words.split()
}


def drawn(kind, split, count=300):
    rng = Random(3)
    return [draw("grammar", split, rng, kind) for _ in range(count)]


@pytest.mark.parametrize("frame", ["letter", *grammar.ARTICLE_FRAMES])
def test_articles_go_by_the_letter_except_by_sound(frame):
    for split in ("train", "heldout") if frame != "letter" else ("train",):
        for document in drawn(frame, split):
            noun = document.truth["noun"][-1]
            by_letter = "vowel" if noun[0] in "aeiou" else "consonant"
            is_exception = noun in SILENT_H | SOUNDS_LIKE_Y
            text = " ".join(document.words)
            assert set(document.truth["exception"]) == {None, int(is_exception)}
            assert document.truth["exception"].index(int(is_exception)) == document.words.index(noun)
            if frame == "write":
                assert f"{noun} begins with a {by_letter}" in text
            if frame == "letter":
                assert text == f"the first letter of {noun} is a {by_letter} ."
                continue
            article = "an" if (by_letter == "vowel") != is_exception else "a"
            assert f" {article} {noun} " in text
            assert text.endswith("an exception ." if is_exception else "the rule .")
            assert ("but" in document.words) == (is_exception and frame == "write")
            assert ((noun, frame) in grammar.HELD_OUT_FRAMES) == (split == "heldout")


@pytest.mark.parametrize("frame", list(grammar.PLURAL_FRAMES))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_plurals_add_an_s_or_are_exceptions(frame, split):
    for document in drawn(frame, split):
        noun = document.truth["noun"][-1]
        plural = document.words[document.answer[0]]
        assert (plural != f"{noun}s") == document.truth["exception"][-1]
        assert noun in document.words
        assert " ".join(document.words).endswith("the rule ." if plural == f"{noun}s" else "an exception .")
        assert ((noun, frame) in grammar.HELD_OUT_FRAMES) == (split == "heldout")


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_verb_agrees_with_the_first_noun_whatever_the_nearer_one_is(split):
    plurals = set(grammar.PLURAL_OF.values())
    seen = set()
    for document in drawn("agreement", split):
        head, other, verb = document.words[1], document.words[4], document.words[5]
        assert verb == ("are" if head in plurals else "is")
        assert document.target == "." != document.words[-2] == head
        lemma = {form: noun for noun, plural in grammar.PLURAL_OF.items() for form in (noun, plural)}
        assert ({lemma[head], lemma[other]} in grammar.HELD_OUT_NOUNS) == (split == "heldout")
        seen.add((head in plurals, other in plurals))
    assert len(seen) == 4


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_adjectives_are_put_in_order(split):
    for document in drawn("order", split):
        named, ordered = re.match(
            r"the \w+ is (\w+ , \w+ and \w+) \. what a (\w+ \w+ \w+) \w+ \.", " ".join(document.words)
        ).groups()
        assert sorted(re.findall(r"\w+", named.replace(" and ", " "))) == sorted(ordered.split())
        ranks = [RANK[word] for word in ordered.split()]
        assert ranks == sorted(set(ranks))
        assert document.words[1] == document.words[-2]
        pairs = {frozenset(pair) for pair in combinations(ordered.split(), 2)}
        assert bool(pairs & grammar.HELD_OUT_ADJECTIVES) == (split == "heldout")


def test_no_text_of_training_shows_what_is_held_out_and_every_atom_is_shown():
    rng = Random(8)
    frames, nouns, adjectives = set(), set(), set()
    for _ in range(8000):
        document = draw("grammar", "train", rng)
        if document.kind == "agreement":
            nouns.add(frozenset((document.truth["head"][-1], document.truth["other"][-1])))
        elif document.kind == "order":
            described = [word for word in document.words if word in RANK]
            adjectives |= {frozenset(pair) for pair in combinations(set(described), 2)}
        else:
            frames.add((document.truth["noun"][-1], document.kind))
    assert not frames & grammar.HELD_OUT_FRAMES
    assert {noun for noun, _ in grammar.HELD_OUT_FRAMES} <= {noun for noun, _ in frames}
    assert {frame for _, frame in frames} == {"letter", *grammar.FRAMES}
    assert not nouns & grammar.HELD_OUT_NOUNS
    assert {noun for pair in nouns for noun in pair} == set(grammar.PLURAL_OF)
    assert not adjectives & grammar.HELD_OUT_ADJECTIVES
    assert {word for pair in adjectives for word in pair} == set(RANK)
