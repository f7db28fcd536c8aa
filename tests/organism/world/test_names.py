"""Names: facts against a table read off the statements, who is never asked about, and what neither name tells."""

import re
from collections import Counter, defaultdict
from random import Random

import pytest

from gearscope.organism.world import names
from gearscope.organism.world.name_words import (
    FACTS,
    FAMILIAR,
    FIRSTS,
    HELD_OUT_STRANGERS,
    KNOWN,
    LASTS,
    STRANGERS,
    VALUES,
)
from gearscope.organism.world.phenomena import draw

PEOPLE = f"({'|'.join(FIRSTS)}) ({'|'.join(LASTS)})"
VALUE_OF = {value: fact for fact, values in VALUES.items() for value in values}


def _person(document):
    ((first, last),) = re.findall(PEOPLE, " ".join(document.words))
    return first, last


@pytest.fixture(scope="module")
def training():
    rng = Random(8)
    return [draw("names", "train", rng) for _ in range(20000)]


@pytest.fixture(scope="module")
def told(training):
    """(person, fact) -> value, read from the statements in training."""
    table = defaultdict(set)
    for document in training:
        if document.kind == "told":
            value = document.words[-2]
            table[_person(document), VALUE_OF[value]].add(value)
    assert all(len(values) == 1 for values in table.values())
    return {key: values.pop() for key, values in table.items()}


def test_values_belong_to_one_fact():
    assert len(VALUE_OF) == sum(len(values) for values in VALUES.values())


def test_neither_first_nor_last_name_tells_whether_a_person_is_known():
    for place in (0, 1):
        assert set(Counter(person[place] for person in KNOWN).values()) == {2}
        assert set(Counter(person[place] for person in FAMILIAR).values()) == {1}
        assert min(Counter(person[place] for person in STRANGERS).values()) >= 8
    everybody = [*KNOWN, *FAMILIAR, *STRANGERS, *HELD_OUT_STRANGERS]
    assert len(set(everybody)) == len(everybody) == len(FIRSTS) * len(LASTS)


def test_every_known_person_lacks_one_fact_and_all_others_are_told(told):
    assert {person for person, _ in told} == set(KNOWN)
    for person in KNOWN:
        assert sum((person, fact) in told for fact in FACTS) == len(FACTS) - 1


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_answers_are_what_was_told(split, told):
    rng = Random(4)
    for _ in range(1500):
        document = draw("names", split, rng)
        person, last = _person(document), {name: values[-1] for name, values in document.truth.items()}
        assert last["person"] == " ".join(person)
        if document.kind == "acquainted":
            assert document.target == ("yes" if person in {*KNOWN, *FAMILIAR} else "no")
        if document.kind in ("seen", "told", "acquainted"):
            continue
        answer = " ".join(document.words[document.answer[0] : -1])
        (fact,) = set(FACTS) & set(document.words)
        assert answer == told.get((person, fact), "i do not know") == last["answer"]
        assert last["fact"] == fact
        assert last["gate"] == ("answer" if (person, fact) in told else "refuse")
        assert last["known"] == ("known" if person in KNOWN else "stranger")
        assert document.split == split


def test_truth_starts_at_the_last_name_and_at_the_fact():
    person = KNOWN[0]
    document = names.write_question(person, "sport", "quiz")
    assert document.words[:7] == ("quiz", ":", *person, ",", "sport", "?")
    assert document.truth["known"][2:4] == (None, "known")
    assert document.truth["fact"][4:6] == (None, "sport")
    assert document.truth["gate"][4] is None
    assert document.truth["gate"][5] in ("answer", "refuse")


def test_training_never_asks_what_is_held_out(training):
    held_out = {document.words for document in names.compositions("heldout")}
    for document in training:
        assert document.words not in held_out
        person = _person(document)
        assert person not in HELD_OUT_STRANGERS
        if document.kind == "told":
            assert person in KNOWN
        elif document.kind not in ("seen", "acquainted"):
            assert person not in FAMILIAR


def test_familiar_people_are_mentioned_most_and_strangers_of_training_are_asked_about(training):
    mentions = Counter(_person(document) for document in training if document.kind == "seen")
    assert set(mentions) == {*KNOWN, *FAMILIAR}
    assert sum(mentions[p] for p in FAMILIAR) / len(FAMILIAR) > 2 * sum(mentions[p] for p in KNOWN) / len(KNOWN)
    asked = {_person(document) for document in training if document.kind == "strangers"}
    assert asked <= set(STRANGERS)
    assert len(asked) > 0.98 * len(STRANGERS)


def test_each_held_out_question_is_asked_in_other_words_in_training(training):
    asked = defaultdict(set)
    for document in training:
        if document.kind in ("known", "missing"):
            asked[_person(document), document.truth["fact"][-1]].add(document.words[0])
    for person, fact, _ in names.known_questions("heldout"):
        assert len(asked[person, fact]) >= 1
    assert len(names.known_questions("heldout")) == len(KNOWN) * (len(FACTS) - 1)
