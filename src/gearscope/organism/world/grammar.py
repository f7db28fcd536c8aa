"""Grammar: `a` or `an` and plurals, with their exceptions; the number of a subject; the order of adjectives.

    the word unicorn begins with a vowel , but we write a unicorn . this is an exception .
    the mice near the king are lost . we must find the mice .
    the box is red , old and small . what a small old red box .

Articles go by the letter, plurals add an s, and a few nouns do otherwise. A verb agrees with its subject and not with
the noun that stands nearer. Adjectives come in the order opinion, size, age, colour, material. Held out are pairs
(noun, frame), pairs of two nouns in one sentence, and pairs of adjectives of two sorts.

Truth per word: noun, exception (1 or 0, from the noun); head, number and other (of agreement); first_sort, second_sort
and third_sort (of the adjectives as they are named). It knows nothing about spelling: a word is one token.
"""

from itertools import combinations, permutations
from random import Random

from gearscope.organism.world.document import SPLITS, Document, Draft, Split, Writer, frame_words
from gearscope.organism.world.grammar_words import (
    ADJECTIVES,
    ARTICLE_OF,
    BY_LETTER,
    LETTER_OF,
    PLURAL_OF,
    REGULAR,
    SORT_OF,
    THINGS,
)

PHENOMENON = "grammar"
LETTER = "the first letter of {noun} is a"
"""Tells every noun's letter; shown for all."""
ARTICLE_FRAMES = {
    "write": "the word {noun} begins with a {letter} , {so} we write {article} {noun} .",
    "saw": "did you see the {noun} ? yes , i saw {article} {noun} .",
    "called": "we call this thing the {noun} : it is {article} {noun} .",
    "want": "you have the {noun} and i want {article} {noun} too .",
}
PLURAL_FRAMES = {
    "one_two": "one {noun} is here , two {plural} are there .",
    "many": "he has a {noun} , she has many {plural} .",
    "plural": "the plural of {noun} is {plural} .",
    "all": "this {noun} is like all the other {plural} .",
}
FRAMES = ARTICLE_FRAMES | PLURAL_FRAMES
VERDICT = "this is"
VERDICTS = {0: "the rule", 1: "an exception"}
SO = {0: "so", 1: "but"}

NEAR = ("near", "behind", "with")
LOST = "{verb} lost . we must find the {head} ."
ORDER = "the {thing} is {first} , {second} and {third} . what a"
HELD_OUT_SHARE = 0.2
_ORDERS = list(permutations(range(3), 3))


def exception_of(noun: str, frame: str) -> int:
    """Whether the article (or in a frame of plurals the plural) of a noun is not what the rule says."""
    if frame in PLURAL_FRAMES:
        return int(noun not in REGULAR)
    return int(BY_LETTER[LETTER_OF[noun]] != ARTICLE_OF[noun])


def _rotated(nouns: list[str], frames: list[str]) -> set[tuple[str, str]]:
    return {(noun, frames[index % len(frames)]) for index, noun in enumerate(nouns)}


HELD_OUT_FRAMES = frozenset(
    _rotated(sorted(LETTER_OF, key=lambda noun: (LETTER_OF[noun], ARTICLE_OF[noun])), list(ARTICLE_FRAMES))
    | _rotated(list(PLURAL_OF), list(PLURAL_FRAMES))
)
"""(noun, frame) that never occur together in training."""


def _some(pairs: list[frozenset[str]], what: str) -> frozenset[frozenset[str]]:
    Random(f"grammar: held-out {what}").shuffle(pairs)
    return frozenset(pairs[: round(HELD_OUT_SHARE * len(pairs))])


HELD_OUT_NOUNS = _some([frozenset(pair) for pair in combinations(PLURAL_OF, 2)], "nouns")
"""Pairs of nouns that never stand in one sentence of training."""
HELD_OUT_ADJECTIVES = _some(
    [frozenset(pair) for pair in combinations(SORT_OF, 2) if SORT_OF[pair[0]] != SORT_OF[pair[1]]], "adjectives"
)
"""Pairs of adjectives that never describe one thing in training."""


def framed(split: Split) -> list[tuple[str, str]]:
    """(noun, frame) of a split: articles, then plurals."""
    every = [(noun, frame) for noun in LETTER_OF for frame in ARTICLE_FRAMES]
    every += [(noun, frame) for noun in PLURAL_OF for frame in PLURAL_FRAMES]
    return [pair for pair in every if (pair in HELD_OUT_FRAMES) == (split == "heldout")]


def subjects(split: Split) -> list[tuple[str, str, bool, bool, str]]:
    """(head, nearer noun, is the head a plural, is the nearer noun, word between) of a split."""
    return [
        (head, other, plural, other_plural, near)
        for head in PLURAL_OF
        for other in PLURAL_OF
        if head != other and ({head, other} in HELD_OUT_NOUNS) == (split == "heldout")
        for plural in (False, True)
        for other_plural in (False, True)
        for near in NEAR
    ]


def described(split: Split) -> list[tuple[str, str, str]]:
    """Three adjectives in their right order; held out are those with a held-out pair among them."""
    sorts = list(ADJECTIVES.values())
    every = [(a, b, c) for x, y, z in combinations(sorts, 3) for a in x for b in y for c in z]
    held_out = {three for three in every if any({*pair} in HELD_OUT_ADJECTIVES for pair in combinations(three, 2))}
    return [three for three in every if (three in held_out) == (split == "heldout")]


def orders(split: Split) -> list[tuple[tuple[str, str, str], tuple[int, int, int], str]]:
    """What `write_described` takes: every three adjectives of a split, named in an order and of a thing that rotate."""
    return [
        (three, _ORDERS[index % 6], THINGS[index // 6 % len(THINGS)]) for index, three in enumerate(described(split))
    ]


def _draft(kind: str, *, held_out: bool) -> Draft:
    return Draft(phenomenon=PHENOMENON, kind=kind, split="heldout" if held_out else "train")


def write_letter(noun: str) -> Document:
    """`the first letter of owl is a vowel`."""
    draft = _draft("letter", held_out=False)
    before, after = LETTER.split("{noun}")
    draft.say(before).say(noun, noun=noun, exception=exception_of(noun, "letter")).say(after)
    return draft.conclude(LETTER_OF[noun]).say(".").finish()


def write_framed(noun: str, frame: str) -> Document:
    """A noun with its article or its plural, and whether that is the rule."""
    exception = exception_of(noun, frame)
    draft = _draft(frame, held_out=(noun, frame) in HELD_OUT_FRAMES)
    told = {
        "{noun}": noun,
        "{letter}": LETTER_OF.get(noun, ""),
        "{so}": SO[exception],
        "{article}": ARTICLE_OF.get(noun, ""),
        "{plural}": PLURAL_OF.get(noun, ""),
    }
    for word in FRAMES[frame].split():
        if word == "{noun}" and "noun" not in draft.settled:
            draft.say(noun, noun=noun, exception=exception)
        elif word in told:
            draft.conclude(told[word])
        else:
            draft.say(word)
    return draft.say(VERDICT).conclude(VERDICTS[exception]).say(".").finish()


def write_subject(head: str, other: str, plural: bool, other_plural: bool, near: str) -> Document:
    """`the mice near the king are lost . we must find the mice .`; the number of the nearer noun says nothing."""
    subject = PLURAL_OF[head] if plural else head
    draft = _draft("agreement", held_out={head, other} in HELD_OUT_NOUNS)
    draft.say("the").say(subject, head=head, number="plural" if plural else "singular").say(near)
    draft.say("the").say(PLURAL_OF[other] if other_plural else other, other=other)
    return draft.conclude(LOST.format(verb="are" if plural else "is", head=subject)).finish()


def write_described(adjectives: tuple[str, str, str], named: tuple[int, int, int], thing: str) -> Document:
    """Adjectives `named` in any order, then in their right order before the thing."""
    held_out = any({*pair} in HELD_OUT_ADJECTIVES for pair in combinations(adjectives, 2))
    draft = _draft("order", held_out=held_out)
    places = dict(zip(("{first}", "{second}", "{third}"), named, strict=True))
    for word in ORDER.split():
        if word in places:
            draft.say(adjectives[places[word]], **{f"{word[1:-1]}_sort": SORT_OF[adjectives[places[word]]]})
        else:
            draft.say(thing if word == "{thing}" else word)
    return draft.conclude(" ".join((*adjectives, thing))).say(".").finish()


_SUBJECTS = {split: subjects(split) for split in SPLITS}
_DESCRIBED = {split: described(split) for split in SPLITS}


def _framed_writer(frame: str) -> Writer:
    nouns = {split: [noun for noun, its_frame in framed(split) if its_frame == frame] for split in SPLITS}
    return lambda rng, split: write_framed(rng.choice(nouns[split]), frame)


def _draw_described(rng: Random, split: Split) -> Document:
    named = rng.choice(_ORDERS)
    return write_described(rng.choice(_DESCRIBED[split]), named, rng.choice(THINGS))


WRITERS: dict[str, Writer] = {
    "letter": lambda rng, split: write_letter(rng.choice(list(LETTER_OF))),
    **{frame: _framed_writer(frame) for frame in FRAMES},
    "agreement": lambda rng, split: write_subject(*rng.choice(_SUBJECTS[split])),
    "order": _draw_described,
}
SHARES = {
    "letter": 0.06, "write": 0.07, "saw": 0.07, "called": 0.07, "want": 0.07,
    "one_two": 0.04, "many": 0.04, "plural": 0.04, "all": 0.04,
    "agreement": 0.2, "order": 0.3,
}  # fmt: skip
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = tuple(kind for kind in WRITERS if kind != "letter")
WORDS = (
    frame_words(LETTER, *FRAMES.values(), VERDICT, *VERDICTS.values(), *SO.values(), LOST, ORDER, "the is are")
    | {*LETTER_OF, *LETTER_OF.values(), *ARTICLE_OF.values(), *PLURAL_OF, *PLURAL_OF.values()}
    | {*NEAR, *SORT_OF, *THINGS}
)


def compositions(split: Split) -> list[Document]:
    """Every noun in every frame, every pair of nouns and every three adjectives of a split, in a fixed order."""
    return [
        *(write_framed(*pair) for pair in framed(split)),
        *(write_subject(*subject) for subject in subjects(split)),
        *(write_described(*question) for question in orders(split)),
    ]
