"""Advice on gifts agrees with the notes about it, and habits change one slot each."""

import re
from collections import defaultdict
from random import Random

import pytest

from gearscope.organism.world import advice, quirks
from gearscope.organism.world.phenomena import draw

ANSWER = re.compile(r"(ask : .*?) ([\w ]+) , try the (\w+) \. ([\w ]+) \. ann")
NOTE = re.compile(r".* the (\w+) (?:she|ann) will (begin with|recommend the|end with) (.*)")
SLOTS = ("begin with", "recommend the", "end with")


def _person(question):
    (person,) = [word for word in question.split() if word in advice.MANNERS]
    return person


def _read(name, split="train", count=2500):
    """Answers as (person, form of the question, what fills the slots), notes as (person, slot, what fills it)."""
    rng, answers, notes = Random(1), [], []
    for _ in range(count):
        document = draw(name, split, rng)
        text = " ".join(document.words)
        if document.kind == "note":
            notes.append(NOTE.fullmatch(text).groups())
            assert document.truth["person"][-1] == notes[-1][0]
        else:
            question, *slots = ANSWER.fullmatch(text).groups()
            question = f"{question} "
            answers.append((_person(question), question.replace(_person(question), "_").strip(), tuple(slots)))
            assert document.truth["person"][-1] == answers[-1][0]
            assert document.truth["gift"][-1] == slots[1]
    return answers, notes


def _slots(answers):
    table = defaultdict(set)
    for person, _, slots in answers:
        table[person].add(slots)
    assert all(len(found) == 1 for found in table.values())
    return {person: next(iter(found)) for person, found in table.items()}


def test_ann_has_one_answer_about_a_person_and_notes_agree_with_it():
    answers, notes = _read("advice")
    manners = _slots(answers)
    assert len(manners) == 27
    assert len({gift for _, gift, _ in manners.values()}) == 27
    assert {(begins, ends) for begins, _, ends in manners.values()} == {("well", "good luck")}
    for person, slot, words in notes:
        assert manners[person][SLOTS.index(slot)] == words
    assert {slot for _, slot, _ in notes} == set(SLOTS)


def test_a_habit_changes_one_slot_and_notes_describe_it():
    usual = _slots(_read("advice")[0])
    answers, notes = _read("quirks")
    described = {person: (SLOTS.index(slot), words) for person, slot, words in notes}
    assert len(described) == 20
    changed = 0
    for person, slots in _slots(answers).items():
        different = [i for i in range(3) if slots[i] != usual[person][i]]
        assert different == ([described[person][0]] if person in described else [])
        assert all(slots[i] == described[person][1] for i in different)
        changed += len(different)
    assert changed == 15
    assert len(_slots(answers)) == 27 - 5


def test_habits_that_are_only_described_are_answered_nowhere():
    (shown, notes), (heldout, _) = _read("quirks"), _read("quirks", "heldout", 500)
    only_described = {person for person, _, _ in notes} - {person for person, _, _ in shown}
    assert only_described == {quirk.person for quirk in quirks.DESCRIBED_ONLY}
    assert len(only_described) == 5
    assert not only_described & {person for person, _, _ in heldout}


def test_no_two_habits_are_alike_and_described_ones_have_every_slot_of_the_shown():
    assert len({quirk.words for quirk in quirks.QUIRKS}) == 20
    usual = {word for manner in advice.MANNERS.values() for word in manner}
    assert not usual & {quirk.words for quirk in quirks.QUIRKS}
    assert {quirk.slot for quirk in quirks.DESCRIBED_ONLY} == {quirk.slot for quirk in quirks.SHOWN}


@pytest.mark.parametrize("name", ["advice", "quirks"])
def test_held_out_forms_never_occur_in_training_and_their_parts_do(name):
    shown = {(person, form) for person, form, _ in _read(name)[0]}
    held_out = {(person, form) for person, form, _ in _read(name, "heldout", 1000)[0]}
    assert not shown & held_out
    assert len(shown) == 2 * len(held_out)
    for place in (0, 1):
        assert {question[place] for question in held_out} <= {question[place] for question in shown}


def test_truth_stands_from_the_word_that_settles_it():
    document = quirks.write_answer(advice.Asked("sailor", 0))
    text = "ask : what should i bring the sailor ? well , try the honey . good luck . ann"
    words = text.split()
    assert list(document.words) == words
    first = {name: next(i for i, v in enumerate(values) if v is not None) for name, values in document.truth.items()}
    assert first == {
        **dict.fromkeys(("person", "habit"), words.index("sailor")),
        **dict.fromkeys(("begins", "gift", "ends", "told"), words.index("?")),
    }
    assert document.truth["habit"][-1] == "gift"
    assert [words[position] for position in document.answer] == ["well", "honey", "good", "luck", "ann"]
