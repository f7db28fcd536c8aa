"""Asks whether a paragraph keeps to its topic.

topic_word    after an opener or a sentence of the topic, a shared sentence of a held-out pair: right is a thing of
              the topic
topic_kept    after such a sentence, whatever is written next: right are sentences with words that only this topic has,
              and none that only another one has
"""

from collections.abc import Sequence

from gearscope.organism.behaviours.question import Behaviour, Question, Words, one_of
from gearscope.organism.world import topics
from gearscope.organism.world.document import Document, Split
from gearscope.organism.world.topic_words import TOPICS
from gearscope.organism.world.vocabulary import SEPARATOR

WRITTEN = 16
"""Words that a paragraph is continued by."""


def _beginnings(split: Split) -> Sequence[tuple[str, str, int]]:
    """(topic, opener or sentence of the topic, index of a shared sentence)."""
    return [
        (topic, beginning, index)
        for topic, known in TOPICS.items()
        for index in topics.shared_of(topic, split)
        for beginning in (*(opener.format(said=known.said) for opener in topics.NAMING), *known.sentences)
    ]


def _next_word(beginning: tuple[str, str, int]) -> Question:
    topic, text, index = beginning
    before = topics.SHARED[index].split("{thing}")[0]
    return one_of((*text.split(), *before.split()), {(thing.split()[0],) for thing in TOPICS[topic].things})


def keeps_to(topic: str, written: Words) -> bool:
    """Whether the words up to the end of the document belong to a topic: one of its own, none of another's."""
    paragraph = set(written[: written.index(SEPARATOR)] if SEPARATOR in written else written)
    owners = {name for name, own in topics.OWN_WORDS.items() if own & paragraph}
    return owners == {topic}


def _continuation(document: Document) -> Question:
    topic = document.truth["topic"][-1]
    assert isinstance(topic, str), "a topic is a name"
    example = tuple(TOPICS[topic].sentences[0].split())
    return Question(document.words, WRITTEN, lambda written: keeps_to(topic, written), example)


BEHAVIOURS: dict[str, Behaviour] = {
    "topic_word": Behaviour(topics=_beginnings, pose=_next_word, bar=0.95),
    "topic_kept": Behaviour(topics=topics.compositions, pose=_continuation, bar=0.8),
}
