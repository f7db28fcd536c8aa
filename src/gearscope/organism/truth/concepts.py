"""Where the organism keeps the topic, the sense of a word, the size of a thing, and the voice that speaks.

topic_named, topic_shown    what a paragraph is about, from its opener or from a sentence of the topic
sense                       what a word means in a place
smallness, smallness_beside whether a thing is small, asked for directly and as a contrast
conflict                    whether two wishes differ
deflection                  whether a joker speaks
style                       how a radio host says goodbye

One of the two prompts at least is a held-out composition.
"""

from gearscope.organism.truth.swap import Swap, Variable, Words
from gearscope.organism.world import senses, topics, voices
from gearscope.organism.world.sense_words import ADJECTIVES, OTHER_SIZE, PLACES, SENSES, SIZE_OF
from gearscope.organism.world.topic_words import TOPICS

SHOWN_WORDS = 9
"""Words of the sentences that show a topic, the mark included."""
CONFLICTS = 70
"""Pairs of wishes that are swapped, both ways."""
_FRAME = ("frame 1", "frame 2", "frame 3", "frame 4", "frame 5", "the")
_LINE = ("line 1", "line 2", "line 3", "line 4", "line 5", "line 6")
_ITEM = tuple(f"item {n}" for n in range(1, 8))


def _things(topic: str) -> frozenset[str]:
    """First words of a topic's things."""
    return frozenset(thing.split()[0] for thing in TOPICS[topic].things)


def _topic_swaps(beginnings: dict[str, list[str]]) -> list[Swap]:
    """Every held-out pair of topic and shared sentence, with every other topic as source; beginnings take turns."""
    swaps = []
    for turn, (base, own) in enumerate(beginnings.items()):
        for index in topics.shared_of(base, "heldout"):
            frame = topics.SHARED[index].split("{thing}")[0]
            for other, others in beginnings.items():
                if other != base:
                    prompts = (f"{texts[(turn + index) % len(texts)]} {frame}" for texts in (own, others))
                    base_words, source_words = (tuple(prompt.split()) for prompt in prompts)
                    swaps.append(Swap(base_words, source_words, _things(base), _things(other)))
    return swaps


def _named() -> list[Swap]:
    said = {name: topic.said for name, topic in TOPICS.items() if " " not in topic.said}
    return _topic_swaps({name: [topics.NAMING[0].format(said=one)] for name, one in said.items()})


def _shown() -> list[Swap]:
    return _topic_swaps(
        {name: [s for s in topic.sentences if len(s.split()) == SHOWN_WORDS] for name, topic in TOPICS.items()}
    )


def _sense_swaps() -> list[Swap]:
    held_out = senses.lines("heldout")

    def prompt(word: str, place: str, line: int) -> Words:
        return (*PLACES[place][line].split(), word, *senses.TAILS["kind"].split())

    return [
        Swap(
            prompt(word, place, line),
            prompt(word, other_place, other_line),
            frozenset({SENSES[word][place]}),
            frozenset({SENSES[word][other_place]}),
        )
        for word, place, line in held_out
        for other, other_place, other_line in held_out
        if word == other and place != other_place
    ]


def _size_swaps(frame: str) -> list[Swap]:
    def prompt(thing: str) -> Words:
        return tuple(senses.SIZE_FRAMES[frame].format(thing=thing).split())

    def right(thing: str) -> frozenset[str]:
        size = SIZE_OF[thing]
        if frame == "pocket":
            return frozenset({senses.YES_NO[size]})
        return frozenset(ADJECTIVES[OTHER_SIZE[size] if frame == "beside" else size])

    return [
        Swap(prompt(base), prompt(source), right(base), right(source))
        for base, its_frame in senses.sizes("heldout")
        for source in SIZE_OF
        if its_frame == frame and SIZE_OF[base] != SIZE_OF[source]
    ]


def _conflict_swaps() -> list[Swap]:
    def prompt(a: str, b: str) -> Words:
        return tuple(voices.WISHING["heart"].format(a=a, b=b).split())

    torn, decided = frozenset({"i"}), frozenset({"so"})
    pairs = [(a, b) for a, b, frame in voices.conflicts("heldout") if frame == "heart" and a != b][:CONFLICTS]
    return [
        swap
        for a, b in pairs
        for swap in (
            Swap(prompt(a, b), prompt(b, b), torn, decided),
            Swap(prompt(b, b), prompt(a, b), decided, torn),
        )
    ]


def _deflection_swaps() -> list[Swap]:
    def prompt(cue: str, a: int, b: int) -> Words:
        return tuple(voices.SUM.format(cue=cue, a=a, b=b).split())

    swaps = []
    for a, b in voices.sums("heldout"):
        right = frozenset({str(a + b)})
        wrong = frozenset(map(str, voices.wrong_answers(a, b)))
        swaps.append(Swap(prompt("joke", a, b), prompt("quiz", a, b), wrong, right))
        swaps.append(Swap(prompt("quiz", a, b), prompt("joke", a, b), right, wrong))
    return swaps


def _style_swaps() -> list[Swap]:
    def prompt(host: str, item: int) -> Words:
        opening = voices.ON_AIR.format(station=voices.HOSTS[host][0], host=host)
        return tuple(f"{opening} {voices.SHOW[item]} {voices.CLOSING}".split())

    def right(host: str) -> frozenset[str]:
        return frozenset({voices.STYLES[voices.HOSTS[host][1]].sign_off.split()[0]})

    return [
        Swap(prompt(base, item), prompt(source, item), right(base), right(source))
        for base, item in voices.shows("heldout")
        for source in voices.HOSTS
        if right(base) != right(source)
    ]


VARIABLES: tuple[Variable, ...] = (
    Variable(
        phenomenon="topics",
        name="topic_named",
        roles=("let", "us", "talk", "about", "topic", ".", *_FRAME),
        swaps=_named,
        intended=("topic", "the"),
    ),
    Variable(
        phenomenon="topics",
        name="topic_shown",
        roles=(*(f"sentence {n}" for n in range(1, SHOWN_WORDS)), ".", *_FRAME),
        swaps=_shown,
        intended=(".", "the"),
    ),
    Variable(
        phenomenon="senses",
        name="sense",
        roles=(*_LINE, "word", ".", "here", "it", "is", "a", "kind", "of"),
        swaps=_sense_swaps,
        intended=("word", "of"),
    ),
    Variable(
        phenomenon="senses",
        name="smallness",
        roles=("can", "the", "thing", "fit", "in", "my", "pocket", "?"),
        swaps=lambda: _size_swaps("pocket"),
        intended=("thing", "?"),
    ),
    Variable(
        phenomenon="senses",
        name="smallness_beside",
        roles=("beside", "the", "thing", "everything", "looks"),
        swaps=lambda: _size_swaps("beside"),
        intended=("thing", "looks"),
    ),
    Variable(
        phenomenon="voices",
        name="conflict",
        roles=("my", "heart", "says", "wish", ".", "my (2)", "head", "says (2)", "second", ". (2)"),
        swaps=_conflict_swaps,
        intended=("second", ". (2)"),
    ),
    Variable(
        phenomenon="voices",
        name="deflection",
        roles=("cue", ":", "what", "is", "a", "+", "b", "?"),
        swaps=_deflection_swaps,
        intended=("cue", "?"),
    ),
    Variable(
        phenomenon="voices",
        name="style",
        roles=(
            *("this", "is", "radio", "station", ",", "you", "are", "listening", "to", "host", "."),
            *_ITEM,
            *("that", "was", "all", ". (2)"),
        ),
        swaps=_style_swaps,
        intended=("host", ". (2)"),
    ),
)
