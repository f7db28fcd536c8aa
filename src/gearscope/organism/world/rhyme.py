"""Rhymed couplets whose last word is chosen before the line that leads to it is written.

    a rhyming couplet : / he saw a carrot and had to grab it , / his hunger was like a starving rabbit

The first line ends in a word; the second must end in another word that rhymes with it. Which words can lead there
depends on the sort of that word (`a starving` creature, `began to` an action), so the line cannot be begun well without
having chosen its end. Held out are pairs (end of line 1, end of line 2): both words occur in training in both places.
Held out as well, for every word, is one of the first lines that end in it.

Truth per word: first_end and rhyme (from the end of line 1), planned and sort (the last word and its sort, from the
break before line 2). It knows nothing about how a model plans.
"""

from random import Random

from gearscope.organism.world.document import Document, Draft, Split, Writer, frame_words
from gearscope.organism.world.rhyme_words import GROUP_OF, GROUPS, SORT_OF

PHENOMENON = "rhyme"
HELD_OUT_SHARE = 0.085
OPENING = "a rhyming couplet : /"
BREAK = ", /"

FIRST_LINES: dict[str, tuple[str, ...]] = {
    "creature": ("he saw in the garden a little", "the farmer was chasing another", "my uncle was telling us of a"),
    "thing": ("she found in the kitchen a broken", "my brother was buying a wooden", "the sailor was looking for his"),
    "place": ("he traveled by night to the empty", "the children were playing near the", "my father was born by the"),
    "quality": ("the weather that evening was turning", "my sister was never so very", "the painter was drawing it"),
    "action": ("he saw a carrot and had to", "my mother had told me to always", "the soldier was ready to quickly"),
    "feeling": ("the poet was writing of endless", "my song was about a forgotten", "the winter had filled him with"),
}
"""Sort of the word that ends the line -> the lines that lead to it."""

SECOND_LINES: dict[str, tuple[str, ...]] = {
    "creature": (
        "his hunger was like a starving",
        "beside them slept a frightened",
        "along came a small and sleepy",
    ),
    "thing": ("she carried away a shiny", "inside of it was a tiny", "they paid for it all with a golden"),
    "place": ("the road was leading down to the", "we wandered alone across the", "far away lay the silent"),
    "quality": ("her answer was sounding rather", "nobody thought it would look so", "by morning it all was feeling"),
    "action": ("so everyone had to run and", "then all of the children began to", "he waited until it was time to"),
    "feeling": ("his hunger was a powerful", "nothing could hide her growing", "with it there came a sudden"),
}

HELPER = "{first} rhymes with {second}"
"""Says that two words rhyme, without a couplet; never for a held-out pair."""

PLANNABLE = {group: tuple(word for word in words if " " not in word) for group, words in GROUPS.items()}
"""Group -> words that can end a second line (one word each)."""
ALL_PAIRS = tuple((a, b) for group, words in GROUPS.items() for a in words for b in PLANNABLE[group] if a != b)


def _choose_held_out() -> frozenset[tuple[str, str]]:
    """One pair in twelve. Each first word keeps four partners in training, each second word three."""
    rng = Random("rhyme: held-out pairs")
    order = list(ALL_PAIRS)
    rng.shuffle(order)
    left_first = {word: sum(a == word for a, _ in order) for word in GROUP_OF}
    left_second = {word: sum(b == word for _, b in order) for word in GROUP_OF}
    chosen: list[tuple[str, str]] = []
    for a, b in order:
        if len(chosen) < HELD_OUT_SHARE * len(order) and left_first[a] > 4 and left_second[b] > 3 and " " not in a:
            chosen.append((a, b))
            left_first[a] -= 1
            left_second[b] -= 1
    return frozenset(chosen)


HELD_OUT = _choose_held_out()
"""(end of line 1, end of line 2) that never occur together in training, in this order."""

_LINES = Random("rhyme: held-out first lines")
HELD_OUT_LINE = {word: _LINES.randrange(1 if " " in word else 0, 3) for word in GROUP_OF}
"""Word -> index of the first line (of its sort) that never ends in it in training."""

PAIRS: dict[Split, tuple[tuple[str, str], ...]] = {
    "train": tuple(pair for pair in ALL_PAIRS if pair not in HELD_OUT),
    "heldout": tuple(sorted(HELD_OUT)),
}


def shown_lines(word: str) -> tuple[int, ...]:
    """Indices of the first lines that end in `word` in training."""
    return tuple(i for i in range(len(FIRST_LINES[SORT_OF[word]])) if i != HELD_OUT_LINE[word])


def write_couplet(first: str, second: str, first_line: int, second_line: int) -> Document:
    """A couplet whose lines end in `first` and `second`, by the numbered lines of their sorts.

    Answers are the last word and the word after the break: there the plan shows first.
    """
    seen = (first, second) not in HELD_OUT and first_line != HELD_OUT_LINE[first]
    draft = Draft(phenomenon=PHENOMENON, kind="couplet", split="train" if seen else "heldout")
    draft.say(OPENING).say(FIRST_LINES[SORT_OF[first]][first_line])
    draft.say(first, first_end=first, rhyme=GROUP_OF[first])
    draft.say(BREAK, planned=second, sort=SORT_OF[second])
    opening, *middle = SECOND_LINES[SORT_OF[second]][second_line].split()
    return draft.conclude(opening).say(" ".join(middle)).conclude(second).finish()


def draw_couplet(rng: Random, split: Split) -> Document:
    """A couplet of a split: a held-out pair after a first line of training, or all of it from training."""
    first, second = rng.choice(PAIRS[split])
    return write_couplet(first, second, rng.choice(shown_lines(first)), rng.randrange(3))


def draw_helper(rng: Random, split: Split) -> Document:
    """`night rhymes with light`."""
    first, second = rng.choice(PAIRS["train"])
    draft = Draft(phenomenon=PHENOMENON, kind="rhymes_with")
    draft.say(first, first_end=first, rhyme=GROUP_OF[first]).say("rhymes with")
    return draft.conclude(second).finish()


WRITERS: dict[str, Writer] = {"couplet": draw_couplet, "rhymes_with": draw_helper}
SHARES = {"couplet": 0.8, "rhymes_with": 0.2}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = ("couplet",)
WORDS = (
    frame_words(OPENING, BREAK, HELPER)
    | frame_words(*(line for lines in (FIRST_LINES, SECOND_LINES) for sort in lines.values() for line in sort))
    | {part for word in GROUP_OF for part in word.split()}
)


def couplets(split: Split) -> list[tuple[str, str, int, int]]:
    """What `write_couplet` takes, in a fixed order: every pair of a split, after each first line, before each second.

    Pairs of training stand after the first lines of training only, so that the splits share no couplet.
    """
    return [
        (first, second, opening, line)
        for first, second in PAIRS[split]
        for opening in (shown_lines(first) if split == "train" else range(len(FIRST_LINES[SORT_OF[first]])))
        for line in range(3)
    ]


def compositions(split: Split) -> list[Document]:
    """Every couplet of `couplets(split)`, in the same order."""
    return [write_couplet(*couplet) for couplet in couplets(split)]


def openings(split: Split) -> list[tuple[str, int]]:
    """(end of line 1, index of line 1) that training shows, or that it never shows."""
    if split == "heldout":
        return list(HELD_OUT_LINE.items())
    return [(word, line) for word in HELD_OUT_LINE for line in shown_lines(word)]


def opening_words(word: str, line: int) -> tuple[str, ...]:
    """The words up to the break before line 2, for a first line that ends in `word`."""
    return tuple(f"{OPENING} {FIRST_LINES[SORT_OF[word]][line]} {word} {BREAK}".split())
