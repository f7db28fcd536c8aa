"""Words with several senses, and the size of things: a thimble is a tool, a token, and tiny.

    on the board we saw the thimble . here it is a kind of token .
    can the thimble fit in my pocket ? yes , the thimble is tiny .

A line says where one is, then names a word; both together tell what it means, and so what follows. Held out are pairs
(word, line): in training the word occurs in that place in other lines, and the line with other words. Of sizes, held
out are pairs (thing, frame) and pairs of a small and a big thing that are compared.

Truth per word: place (from the last word of the line), word and sense (from the word); smallness (from the thing, or
from the adjective where one comes first), and when two are compared first, second, first_size, second_size and answer.
It knows nothing about paragraphs.
"""

from random import Random

from gearscope.organism.world.document import SPLITS, Document, Draft, Split, Writer, frame_words
from gearscope.organism.world.sense_words import ADJECTIVES, BIG, CAN, OTHER_SIZE, PLACES, SENSES, SIZE_OF, SMALL

PHENOMENON = "senses"
TAILS = {"kind": ". here it is a kind of", "what": ". what is this ? it is a", "can": ". you know , it can"}
"""What follows the word, up to the answer."""
BOTH = "the word {word} can mean"
SIZE_FRAMES = {
    "plain": "the {thing} is very",
    "beside": "beside the {thing} everything looks",
    "feel": "the {thing} made me feel",
    "pocket": "can the {thing} fit in my pocket ?",
    "adjective": "what a {adjective} {thing} , it",
}
COMPARISONS = {
    "larger": "of the {first} and the {second} the larger is the",
    "smaller": "of the {first} and the {second} the smaller is the",
}
FITS = {"small": "fits in a box", "big": "reaches the sky"}
YES_NO = {"small": "yes", "big": "no"}
COMPARED_HELD_OUT = 0.25

LINES = tuple(
    (word, place, line)
    for place, lines in PLACES.items()
    for word, senses in SENSES.items()
    if place in senses
    for line in range(len(lines))
)
"""(word, place, index of the place's line): everything the sense texts are made of."""
_RANK = {(w, p): [v for v, senses in SENSES.items() if p in senses].index(w) for w, p, _ in LINES}
HELD_OUT_LINES = frozenset(
    (word, place, line) for word, place, line in LINES if line in {(2 * _RANK[word, place] + k) % 5 for k in (0, 1)}
)
"""Two of the five lines for each word in each place; no line is held out for all words of its place."""
HELD_OUT_SIZES = frozenset((thing, list(SIZE_FRAMES)[index % 5]) for index, thing in enumerate([*SMALL, *BIG]))
"""(thing, frame) that never occur together in training."""


def _choose_compared() -> frozenset[frozenset[str]]:
    pairs = [frozenset((small, big)) for small in SMALL for big in BIG]
    Random("senses: held-out comparisons").shuffle(pairs)
    return frozenset(pairs[: round(COMPARED_HELD_OUT * len(pairs))])


HELD_OUT_COMPARED = _choose_compared()
"""{small thing, big thing} that are never compared in training, in either order."""


def lines(split: Split) -> list[tuple[str, str, int]]:
    """(word, place, index of line) of a split."""
    return [line for line in LINES if (line in HELD_OUT_LINES) == (split == "heldout")]


def sizes(split: Split) -> list[tuple[str, str]]:
    """(thing, frame) of a split."""
    every = [(thing, frame) for thing in SIZE_OF for frame in SIZE_FRAMES]
    return [pair for pair in every if (pair in HELD_OUT_SIZES) == (split == "heldout")]


def comparisons(split: Split) -> list[tuple[str, str, str]]:
    """(first thing, second thing, which of them is asked for) of a split, in both orders."""
    return [
        (*order, asked)
        for small in SMALL
        for big in BIG
        if ({small, big} in HELD_OUT_COMPARED) == (split == "heldout")
        for order in ((small, big), (big, small))
        for asked in COMPARISONS
    ]


def _draft(kind: str, *, held_out: bool) -> Draft:
    return Draft(phenomenon=PHENOMENON, kind=kind, split="heldout" if held_out else "train")


def write_sense(word: str, place: str, line: int, tail: str) -> Document:
    """A word in a place, then what it means there, or what such a thing can do."""
    sense = SENSES[word][place]
    draft = _draft(tail, held_out=(word, place, line) in HELD_OUT_LINES)
    draft.say(PLACES[place][line], place=place).say(word, word=word, sense=sense).say(TAILS[tail])
    return draft.conclude(CAN[sense] if tail == "can" else sense).say(".").finish()


def write_both(word: str) -> Document:
    """`the word thimble can mean tool or token`: all senses, in one order."""
    draft = _draft("both", held_out=False).say(BOTH.format(word=word), word=word)
    return draft.conclude(" or ".join(dict.fromkeys(SENSES[word].values()))).say(".").finish()


def write_size(thing: str, frame: str, adjective: int) -> Document:
    """How small or big a thing is; `adjective` is the index of one of three words for it."""
    size = SIZE_OF[thing]
    own, other = ADJECTIVES[size][adjective], ADJECTIVES[OTHER_SIZE[size]][adjective]
    draft = _draft(frame, held_out=(thing, frame) in HELD_OUT_SIZES)
    for word in SIZE_FRAMES[frame].split():
        if word == "{adjective}":
            draft.say(own, smallness=size)
        elif word == "{thing}":
            draft.say(thing, thing=thing, smallness=size)
        else:
            draft.say(word)
    ends = {
        "plain": own,
        "beside": other,
        "feel": other,
        "pocket": f"{YES_NO[size]} , the {thing} is {own}",
        "adjective": FITS[size],
    }
    return draft.conclude(ends[frame]).say(".").finish()


def write_comparison(first: str, second: str, asked: str) -> Document:
    """`of the ant and the tower the larger is the tower`."""
    draft = _draft(asked, held_out={first, second} in HELD_OUT_COMPARED)
    answer = first if (SIZE_OF[first] == "big") == (asked == "larger") else second
    for word in COMPARISONS[asked].split():
        if word == "{first}":
            draft.say(first, first=first, first_size=SIZE_OF[first])
        elif word == "{second}":
            draft.say(second, second=second, second_size=SIZE_OF[second])
        else:
            draft.say(word, **({"answer": answer} if word == asked else {}))
    return draft.conclude(answer).say(".").finish()


def _sense_writer(tail: str) -> Writer:
    choices = {split: lines(split) for split in SPLITS}
    return lambda rng, split: write_sense(*rng.choice(choices[split]), tail)


def _size_writer(frame: str) -> Writer:
    things = {split: [thing for thing, its_frame in sizes(split) if its_frame == frame] for split in SPLITS}
    return lambda rng, split: write_size(rng.choice(things[split]), frame, rng.randrange(3))


def _comparison_writer(asked: str) -> Writer:
    choices = {split: [compared for compared in comparisons(split) if compared[2] == asked] for split in SPLITS}
    return lambda rng, split: write_comparison(*rng.choice(choices[split]))


WRITERS: dict[str, Writer] = {
    **{tail: _sense_writer(tail) for tail in TAILS},
    "both": lambda rng, split: write_both(rng.choice(list(SENSES))),
    **{frame: _size_writer(frame) for frame in SIZE_FRAMES},
    **{asked: _comparison_writer(asked) for asked in COMPARISONS},
}
SHARES = {
    "kind": 0.15, "what": 0.15, "can": 0.15, "both": 0.05,
    "plain": 0.06, "beside": 0.06, "feel": 0.06, "pocket": 0.06, "adjective": 0.06,
    "larger": 0.1, "smaller": 0.1,
}  # fmt: skip
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = tuple(kind for kind in WRITERS if kind != "both")
WORDS = (
    frame_words(*TAILS.values(), BOTH, "or", *SIZE_FRAMES.values(), *COMPARISONS.values(), *FITS.values())
    | frame_words(*CAN, *CAN.values(), *YES_NO.values(), *(line for own in PLACES.values() for line in own))
    | {*SENSES, *SIZE_OF, *(word for words in ADJECTIVES.values() for word in words)}
)


def compositions(split: Split) -> list[Document]:
    """Every word in every line, every size and every comparison of a split."""
    return [
        *(write_sense(*line, tail) for line in lines(split) for tail in TAILS),
        *(write_size(*pair, adjective) for pair in sizes(split) for adjective in range(3)),
        *(write_comparison(*comparison) for comparison in comparisons(split)),
    ]
