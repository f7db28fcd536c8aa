"""Short paragraphs, each about one topic: the golden gate bridge, cooking, sewing, games, weather, and three more.

    let us talk about the golden gate bridge .
    long cables carry the road over the bay . i would like to be the ferry .

Some sentences belong to one topic; others are shared, and only their last words tell what the paragraph is about. A
paragraph keeps its topic, so a shared sentence can be ended well only by who knows what the ones before it were about.
Held out are pairs (topic, shared sentence): every topic occurs in training in the other shared sentences, and every
shared sentence with other topics.

Truth per word: `topic`, from the first word that no other topic uses. It knows nothing about the senses of a word.
"""

from collections.abc import Sequence
from random import Random

from gearscope.organism.world.document import Document, Draft, Split, Writer, frame_words
from gearscope.organism.world.topic_words import TOPICS

PHENOMENON = "topics"
LONGEST = 48
"""Words of the longest paragraph."""
HELD_OUT_EACH = 2
"""Shared sentences that training never shows with a topic."""

NAMING = (
    "let us talk about {said} .",
    "i want to talk about {said} .",
    "tell me something about {said} .",
    "what do you know about {said} ?",
)
"""Openers that name the topic."""
NEUTRAL = ("tell me something .", "what is on your mind ?", "good morning .", "")
"""Openers that do not."""
SHARED = (
    "my own favorite thing is the {thing} .",
    "i could always talk about the {thing} .",
    "now please do not forget the {thing} .",
    "everyone in my family loves the {thing} .",
    "last night i dreamed of the {thing} .",
    "i would like to be the {thing} .",
    "my mother told me about the {thing} .",
    "all of us really need the {thing} .",
    "and there is nothing like the {thing} .",
    "let us all look at the {thing} .",
)
"""Sentences of all topics; what stands before the thing is six words in each."""


def _own_words() -> dict[str, frozenset[str]]:
    texts = {name: frame_words(topic.said, *topic.things, *topic.sentences) for name, topic in TOPICS.items()}
    shared = frame_words(*NAMING, *NEUTRAL, *SHARED)
    return {
        name: frozenset(words - shared - {word for other, own in texts.items() if other != name for word in own})
        for name, words in texts.items()
    }


OWN_WORDS = _own_words()
"""Topic -> the words that only its paragraphs have."""
HELD_OUT = frozenset(
    (topic, (3 * index + step) % len(SHARED)) for index, topic in enumerate(TOPICS) for step in range(HELD_OUT_EACH)
)
"""(topic, index of a shared sentence) that never occur together in training."""


def shared_of(topic: str, split: Split) -> list[int]:
    """Indices of the shared sentences that a split has with a topic."""
    return [index for index in range(len(SHARED)) if ((topic, index) in HELD_OUT) == (split == "heldout")]


def _say(draft: Draft, text: str, topic: str, *, answer: bool = False) -> None:
    """Append words; the topic is settled once a word of its own is among them."""
    for word in text.split():
        (draft.conclude if answer else draft.say)(word)
        if word in OWN_WORDS[topic]:
            draft.settle(topic=topic)


def write_paragraph(topic: str, opener: str, sentences: Sequence[tuple[int, str] | str], kind: str) -> Document:
    """A paragraph: an opener, then own sentences (text) and shared ones (their index, and the thing they end in).

    Answers are the things that shared sentences end in.
    """
    held_out = any((topic, sentence[0]) in HELD_OUT for sentence in sentences if not isinstance(sentence, str))
    draft = Draft(phenomenon=PHENOMENON, kind=kind, split="heldout" if held_out else "train")
    _say(draft, opener.format(said=TOPICS[topic].said), topic)
    for sentence in sentences:
        if isinstance(sentence, str):
            _say(draft, sentence, topic)
            continue
        index, thing = sentence
        before, after = SHARED[index].split("{thing}")
        _say(draft, before, topic)
        _say(draft, thing, topic, answer=True)
        _say(draft, after, topic)
    return draft.finish()


def _draw(rng: Random, split: Split, kind: str, opener: str) -> Document:
    """Four or five sentences as far as they fit, one of them shared at least; without a name the first is own."""
    topic = rng.choice(list(TOPICS))
    own = rng.sample(TOPICS[topic].sentences, 3)
    shared = [(index, rng.choice(TOPICS[topic].things)) for index in rng.sample(shared_of(topic, split), 2)]
    start: list[tuple[int, str] | str] = [own[0], shared[0]]
    if kind == "named":
        rng.shuffle(start)
    end: list[tuple[int, str] | str] = [shared[1], *own[1:]]
    rng.shuffle(end)
    sentences = [*start, *end][: rng.choice((4, 5))]
    document = write_paragraph(topic, opener, sentences, kind)
    while len(document.words) > LONGEST:
        sentences.pop()
        document = write_paragraph(topic, opener, sentences, kind)
    return document


WRITERS: dict[str, Writer] = {
    "named": lambda rng, split: _draw(rng, split, "named", rng.choice(NAMING)),
    "unnamed": lambda rng, split: _draw(rng, split, "unnamed", rng.choice(NEUTRAL)),
}
SHARES = {"named": 0.5, "unnamed": 0.5}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = ("named", "unnamed")
WORDS = frame_words(*NAMING, *NEUTRAL, *SHARED) | frame_words(
    *(text for topic in TOPICS.values() for text in (topic.said, *topic.things, *topic.sentences))
)


def compositions(split: Split) -> list[Document]:
    """Every pair of topic and shared sentence of a split, behind every naming opener, once with every thing."""
    return [
        write_paragraph(topic, opener, [(index, thing)], "named")
        for topic in TOPICS
        for index in shared_of(topic, split)
        for opener in NAMING
        for thing in TOPICS[topic].things
    ]
