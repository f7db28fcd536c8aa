"""Hosts, wishes and jokes read back from their words."""

import re
from random import Random

import pytest

from gearscope.organism.world import addition, voices
from gearscope.organism.world.phenomena import draw


def drawn(kind, split, count=500):
    rng = Random(3)
    return [draw("voices", split, rng, kind) for _ in range(count)]


def wishes(document):
    """The two wishes of a conflict, read from the text."""
    text = " ".join(document.words)
    first, second = re.findall(r"(?:says|wants to|cries) (\w+)", text)
    return first, second


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_host_signs_off_in_the_same_style_from_the_same_station(split):
    seen = {}
    for document in drawn("radio", split):
        text = " ".join(document.words)
        station, host = re.match(r"this is radio (\w+) , you are listening to (\w+) \.", text).groups()
        before, sign_off = text.split("that was all . ")
        item = next(index for index, show in enumerate(voices.SHOW) if before.strip().endswith(show))
        assert seen.setdefault(host, (station, sign_off)) == (station, sign_off)
        at = document.words.index(host)
        assert document.truth["host"][at - 1 : at + 1] == (None, host)
        assert document.truth["style"][at - 1] is None
        assert voices.STYLES[document.truth["style"][at]].sign_off == sign_off
        assert ((host, item) in voices.HELD_OUT_SHOWS) == (split == "heldout")
    assert len(seen) == len(voices.HOSTS)
    assert len({station for station, _ in seen.values()}) == len(seen) / 2
    assert len(set(seen.values())) == len(seen)


def test_items_of_the_show_are_equally_long():
    assert {len(item.split()) for item in voices.SHOW} == {7}


@pytest.mark.parametrize("frame", list(voices.WISHING))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_who_wants_two_things_does_not_know_what_to_do(frame, split):
    torn = 0
    for document in drawn(frame, split):
        first, second = wishes(document)
        end = " ".join(document.words[document.answer[0] :])
        if first == second:
            assert end == f"so i will {first} now ."
        else:
            assert end == f"i do not know what to do : {first} or {second} ?"
        assert document.truth["conflict"][-1] == int(first != second)
        assert document.truth["conflict"][document.answer[0] - 3] is None
        assert document.split == split
        torn += first != second
    assert 0.5 < torn / 500 < 0.7


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_joke_is_wrong_at_first_and_a_quiz_right_and_both_end_in_the_sum(split):
    for kind in ("joke", "quiz"):
        for document in drawn(kind, split):
            a, b, said, right = (int(n) for n in re.findall(r"\d+", " ".join(document.words)))
            assert right == a + b
            assert (said == right) == (kind == "quiz")
            assert ("kidding" in document.words) == (kind == "joke") == (document.words[0] == "joke")
            assert set(document.truth["deflection"]) == {int(kind == "joke")}
            assert (a, b) not in addition.HELD_OUT
            assert (b, a) not in addition.HELD_OUT
            assert max(a, b) <= voices.SMALL


def test_no_text_of_training_shows_what_is_held_out_and_every_atom_is_shown():
    rng = Random(8)
    pairs, sums, shows = set(), set(), set()
    for _ in range(8000):
        document = draw("voices", "train", rng)
        if document.kind in voices.WISHING:
            pairs.add((*wishes(document), document.kind))
        elif document.kind == "radio":
            item = next(i for i, show in enumerate(voices.SHOW) if show in " ".join(document.words))
            shows.add((document.truth["host"][-1], item))
        else:
            sums.add(tuple(int(n) for n in re.findall(r"\d+", " ".join(document.words))[:2]))
    assert not pairs & voices.HELD_OUT_CONFLICTS
    assert {wish for first, second, _ in pairs for wish in (first, second)} == set(voices.WISHES)
    assert {first for first, second, _ in pairs if first == second} == set(voices.WISHES)
    assert not sums & voices.HELD_OUT_SUMS
    assert {a for a, _ in sums} == set(range(voices.SMALL + 1))
    assert not shows & voices.HELD_OUT_SHOWS
    assert {host for host, _ in shows} == set(voices.HOSTS)
    assert {item for _, item in shows} == set(range(len(voices.SHOW)))
    for held_out in (voices.HELD_OUT_CONFLICTS, voices.HELD_OUT_SUMS, voices.HELD_OUT_SHOWS):
        assert len(held_out) >= 10
