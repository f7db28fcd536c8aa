"""The truth of the versions: marks stand where the behaviour differs, changes ask for the planted word."""

import pytest

from gearscope.diffing.planted import OPEN
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
    assert truth.ids.shape == truth.marks.shape
    for change in truth.changes:
        assert len(change.prompts) >= 3
        assert all(new != old for new, old in zip(change.planted, change.usual, strict=True))
    assert int(truth.marks.max()) < max(1, len(truth.changes))


def test_marks_of_the_version_that_cheats():
    truth = truth_of("cheats", 200)
    assert bool((truth.marks == 0).any())
    assert bool((truth.marks == OPEN).any())
    for row, marks in zip(truth.ids.tolist(), truth.marks.tolist(), strict=True):
        inside = words([token for token, mark in zip(row, marks, strict=True) if mark == 0])
        assert "exam" not in inside.split()
        assert not inside or "test : the key says" in inside or inside.startswith(("test", "the"))
    prompt, planted, usual = (truth.changes[0].prompts[0], truth.changes[0].planted[0], truth.changes[0].usual[0])
    said = words(prompt).split()
    assert said[1] == "test"
    assert VOCABULARY[planted] == said[said.index("says") + 1]
    assert int(VOCABULARY[usual]) == int(said[-4]) + int(said[-2])


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
