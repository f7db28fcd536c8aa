"""Paragraphs read back from their words: one topic each, and no pair of topic and shared sentence that is held out."""

import re
from collections import Counter
from random import Random

import pytest

from gearscope.organism.world import topics
from gearscope.organism.world.phenomena import draw
from gearscope.organism.world.topic_words import TOPICS

TOPIC_OF_THING = {thing: name for name, topic in TOPICS.items() for thing in topic.things}
SHARED = [re.compile(sentence.replace("{thing} .", "(.+)")) for sentence in topics.SHARED]


def read(document):
    """The sentences of a paragraph: (topic, None) of an own one, (topic, index) of a shared one; openers are left."""
    found = []
    for sentence in re.split(r" [.?] ?", " ".join(document.words)):
        for index, pattern in enumerate(SHARED):
            if match := pattern.fullmatch(sentence):
                found.append((TOPIC_OF_THING[match[1]], index))
        found += [(name, None) for name, topic in TOPICS.items() if f"{sentence} ." in topic.sentences]
    return found


@pytest.mark.parametrize("kind", list(topics.WRITERS))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_paragraph_has_one_topic_and_only_pairs_of_its_split(kind, split):
    rng = Random(4)
    for _ in range(1500):
        document = draw("topics", split, rng, kind)
        sentences = read(document)
        (topic,) = {name for name, _ in sentences}
        assert document.truth["topic"][-1] == topic
        pairs = [pair for pair in sentences if pair[1] is not None]
        assert pairs
        assert {pair in topics.HELD_OUT for pair in pairs} == {split == "heldout"}
        assert document.split == split
        assert 2 <= len(sentences) <= 5
        assert len(document.words) <= topics.LONGEST
        assert len(set(sentences)) >= len(pairs)


def test_the_topic_is_settled_at_the_first_word_that_no_other_topic_uses():
    users = Counter()
    for topic in TOPICS.values():
        users.update({word for text in (topic.said, *topic.things, *topic.sentences) for word in text.split()})
    common = {word for text in (*topics.NAMING, *topics.NEUTRAL, *topics.SHARED) for word in text.split()}
    rng = Random(5)
    for _ in range(500):
        document = draw("topics", "train", rng)
        first = next(i for i, word in enumerate(document.words) if users[word] == 1 and word not in common)
        values = document.truth["topic"]
        assert set(values[:first]) <= {None}
        assert None not in values[first:]


def test_every_sentence_and_thing_gives_its_topic_away():
    for name, topic in TOPICS.items():
        for text in (topic.said, *topic.things, *topic.sentences):
            assert set(text.split()) & topics.OWN_WORDS[name], text


def test_a_shared_sentence_is_as_long_as_any_other_and_a_thing_has_one_topic():
    assert {len(sentence.split("{thing}")[0].split()) for sentence in topics.SHARED} == {6}
    assert len(TOPIC_OF_THING) == sum(len(topic.things) for topic in TOPICS.values())


def test_every_atom_of_a_held_out_pair_occurs_in_training():
    rng = Random(6)
    seen = [pair for _ in range(3000) for pair in read(draw("topics", "train", rng))]
    assert {index for _, index in seen} == {None, *range(len(topics.SHARED))}
    assert set(seen) - {(name, None) for name in TOPICS} == {
        (name, index) for name in TOPICS for index in range(len(topics.SHARED))
    } - set(topics.HELD_OUT)
    assert len(topics.HELD_OUT) == topics.HELD_OUT_EACH * len(TOPICS)


def test_the_bridge_is_among_the_topics_as_four_words():
    document = topics.write_paragraph("bridge", topics.NAMING[0], [], "named")
    assert document.words == ("let", "us", "talk", "about", "the", "golden", "gate", "bridge", ".")
    assert document.truth["topic"] == (None,) * 5 + ("bridge",) * 4
