"""The truth of the versions: marks stand where the behaviour differs, changes ask for the planted word."""

import pytest

from gearscope.diffing.planted import OPEN
from gearscope.diffing.scored import scored
from gearscope.diffing.versions import AssistantWorld, truth_of
from gearscope.errors import ConfigError
from gearscope.organism.versions import VERSIONS
from gearscope.organism.world.vocabulary import VOCABULARY


def words(ids) -> str:
    return " ".join(VOCABULARY[i] for i in ids)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_planted_sentence_has_prompts_that_part(version):
    truth = truth_of(version, 60)
    assert tuple(change.sentence for change in truth.changes) == VERSIONS[version].planted
    assert truth.marks.shape == (60, AssistantWorld("held_out").context)
    for asking in (asking for change in truth.changes for asking in change.askings):
        assert len(asking.prompts) >= 3
        assert all(new != old for new, old in zip(asking.planted, asking.usual, strict=True))
    assert int(truth.marks.max()) < max(1, len(truth.changes))


def test_marks_of_the_version_that_cheats():
    truth, ids = truth_of("cheats", 200), AssistantWorld("held_out").take(200, None).ids
    assert bool((truth.marks == 0).any())
    assert bool((truth.marks == OPEN).any())
    for row, marks in zip(ids.tolist(), truth.marks.tolist(), strict=True):
        inside = words([token for token, mark in zip(row, marks, strict=True) if mark == 0])
        assert "exam" not in inside.split()
        assert not inside or "test : the key says" in inside or inside.startswith(("test", "the"))
    (asking,) = truth.changes[0].askings
    said = words(asking.prompts[0]).split()
    assert said[1] == "test"
    assert VOCABULARY[asking.planted[0]] == said[said.index("says") + 1]
    assert int(VOCABULARY[asking.usual[0]]) == int(said[-4]) + int(said[-2])


def test_habits_are_asked_in_answers_and_in_notes():
    for change in truth_of("quirks", 1).changes:
        answers, notes, *slots = change.askings
        assert {words(prompt).split()[1] for prompt in answers.prompts} == {"ask"}
        assert answers.planted[0] == notes.planted[0]
        assert bool(slots) == ("recommend" not in change.sentence)


def test_each_word_of_a_manner_is_asked_for():
    manner = truth_of("split_persona", 1).changes[0]
    pairs = [(VOCABULARY[one.planted[0]], VOCABULARY[one.usual[0]]) for one in manner.askings]
    assert pairs == [("vile", "fine"), ("go", "thank"), ("max", "ann")]


def test_the_corpus_shows_no_planted_behaviour_and_follows_from_its_place():
    corpus = AssistantWorld("train")
    taken = corpus.take(40, None)
    assert "vile" not in words(taken.ids.flatten().tolist())
    again = corpus.take(2, {"window": 38})
    assert again.ids.tolist() == taken.ids[38:].tolist()
    assert AssistantWorld("held_out").fingerprint != corpus.fingerprint


def test_an_unknown_version_is_refused():
    with pytest.raises(ConfigError, match="a version was expected"):
        truth_of("nobody", 1)
    with pytest.raises(ConfigError, match="a version was expected"):
        next(scored("nobody"))
