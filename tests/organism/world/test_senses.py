"""Senses and sizes read back from the words, against tables of this file, and what is held out."""

import re
from random import Random

import pytest

from gearscope.organism.world import senses
from gearscope.organism.world.phenomena import draw
from gearscope.organism.world.sense_words import BIG, CAN, PLACES, SENSES, SMALL

IN_TRUTH_SMALL = {"thimble", "needle", "mouse", "ant", "bee", "pin", "key", "ring", "button", "token"}
PLACE_OF = {line: (place, index) for place, lines in PLACES.items() for index, line in enumerate(lines)}
NEEDS_A_SMALL_WORD = {"plain": True, "beside": False, "feel": False, "pocket": True}


def drawn(kind, split, count=400):
    rng = Random(3)
    return [draw("senses", split, rng, kind) for _ in range(count)]


@pytest.mark.parametrize("tail", list(senses.TAILS))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_word_means_in_a_line_what_it_means_in_that_place(tail, split):
    for document in drawn(tail, split):
        line, word = " ".join(document.words[:6]), document.words[6]
        place, index = PLACE_OF[line]
        meaning = SENSES[word][place]
        assert (document.truth["sense"][5], document.truth["sense"][6]) == (None, meaning)
        assert document.truth["place"][4:6] == (None, place)
        told = " ".join(document.words[document.answer[0] : -1])
        assert told == (CAN[meaning] if tail == "can" else meaning)
        assert ((word, place, index) in senses.HELD_OUT_LINES) == (split == "heldout") == (document.split == "heldout")


def test_what_a_thing_can_do_tells_its_sense_by_the_first_word():
    assert len({can.split()[0] for can in CAN.values()}) == len(CAN)
    assert {meaning for own in SENSES.values() for meaning in own.values()} == set(CAN)


def test_every_word_has_two_senses_and_thimble_is_small_sewing_and_a_game():
    assert all(len(set(own.values())) >= 2 for own in SENSES.values())
    assert set(SENSES["thimble"]) == {"sewing", "game"}
    assert "thimble" in SMALL
    assert " ".join(senses.write_both("iron").words) == "the word iron can mean tool or token or metal ."


@pytest.mark.parametrize("frame", list(senses.SIZE_FRAMES))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_small_things_are_called_small_and_others_look_big_beside_them(frame, split):
    for document in drawn(frame, split):
        (thing,) = {word for word in document.words if word in (*SMALL, *BIG) and word != "box"}
        is_small = thing in IN_TRUTH_SMALL
        assert document.truth["smallness"][-1] == ("small" if is_small else "big")
        text = " ".join(document.words)
        says_small = bool(re.search(r"\b(tiny|small|little)\b", text))
        assert says_small != bool(re.search(r"\b(huge|big|giant)\b", text))
        if frame == "adjective":
            assert says_small == is_small == text.endswith("it fits in a box .")
        else:
            assert (says_small == is_small) == NEEDS_A_SMALL_WORD[frame]
        if frame == "pocket":
            assert ("yes" in document.words) == is_small
        assert ((thing, frame) in senses.HELD_OUT_SIZES) == (split == "heldout")


@pytest.mark.parametrize("asked", list(senses.COMPARISONS))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_the_larger_of_two_is_the_big_one(asked, split):
    for document in drawn(asked, split):
        first, second = document.words[2], document.words[5]
        assert (first in IN_TRUTH_SMALL) != (second in IN_TRUTH_SMALL)
        small = first if first in IN_TRUTH_SMALL else second
        assert document.target == (small if asked == "smaller" else ({first, second} - {small}).pop())
        assert ({first, second} in senses.HELD_OUT_COMPARED) == (split == "heldout")
        assert document.truth["answer"][-1] == document.target


def test_no_text_of_training_shows_what_is_held_out_and_every_atom_is_shown():
    rng = Random(8)
    lines, sizes, compared = set(), set(), set()
    for _ in range(8000):
        document = draw("senses", "train", rng)
        last = {name: values[-1] for name, values in document.truth.items()}
        if document.kind in senses.TAILS:
            lines.add((last["word"], *PLACE_OF[" ".join(document.words[:6])]))
        elif document.kind in senses.SIZE_FRAMES:
            sizes.add((last["thing"], document.kind))
        elif document.kind in senses.COMPARISONS:
            compared.add(frozenset((last["first"], last["second"])))
    assert not lines & senses.HELD_OUT_LINES
    assert {(word, place) for word, place, _ in lines} == {(w, p) for w, own in SENSES.items() for p in own}
    assert {(place, index) for _, place, index in lines} == set(PLACE_OF.values())
    assert not sizes & senses.HELD_OUT_SIZES
    assert {thing for thing, _ in sizes} == {*SMALL, *BIG} == {thing for pair in compared for thing in pair}
    assert not compared & senses.HELD_OUT_COMPARED
