"""Rhymed couplets whose last word is chosen before the line that leads to it is written.

    a rhyming couplet : /
        he saw a carrot and had to grab it , and so the poem goes on : /
        his hunger was like that of a little starving rabbit

The first line ends in a word; the second must end in another word that rhymes with it. Which words can lead there
depends on the sort of that word (`a starving` creature, `began to` an action), so the line cannot be begun well without
having chosen its end. Each word has a rhyme that comes to mind first, in which six in ten of its couplets end or more.

Every second line has ten words, and eight stand between the end of line 1 and the break. So a model with a window of
ten tokens sees the end of line 1 from the break and from no word of line 2, and where the last word is predicted it
still sees the break and nothing before: the break must carry the rhyme.

Held out are pairs (end of line 1, sort of the end of line 2), the two of different sorts: each word occurs in training
in both places, and before other sorts. Held out as well, for every word, is one of the first lines that end in it.

Truth per word: first_end and rhyme (from the end of line 1), planned and sort (the last word and its sort, from the
break before line 2). It knows nothing about how a model plans.
"""

from random import Random

from gearscope.organism.world.document import Document, Draft, Split, Writer, frame_words
from gearscope.organism.world.rhyme_words import GROUP_OF, GROUPS, SORT_OF

PHENOMENON = "rhyme"
HELD_OUT_SHARE = 0.08
FIRST_TO_MIND = 0.6
"""Share of the couplets that end in the word's first rhyme."""
OPENING = "a rhyming couplet : /"
BREAK = ", and so the poem goes on : /"
"""What stands between the end of line 1 and line 2."""
N_LINES = 3
"""Lines of each sort."""

FIRST_LINES: dict[str, tuple[str, ...]] = {
    "creature": (
        "he saw in the garden a little",
        "the farmer was chasing away the other",
        "my uncle was telling us of a",
    ),
    "thing": (
        "she found in the kitchen the broken",
        "my brother was buying them the wooden",
        "the sailor was looking there for his",
    ),
    "place": (
        "he traveled for days to the empty",
        "the children were often playing beside the",
        "my father was born right by the",
    ),
    "quality": (
        "the weather that evening was turning rather",
        "my sister was never before so very",
        "the painter was making it always more",
    ),
    "action": (
        "he saw a carrot and had to",
        "my mother had told me to always",
        "the soldier was getting ready to quickly",
    ),
    "feeling": (
        "the poet was writing of his endless",
        "my song was about a long forgotten",
        "the winter had filled them all with",
    ),
}
"""Sort of the word that ends the line -> the lines that lead to it, seven words each."""

SECOND_LINES: dict[str, tuple[str, ...]] = {
    "creature": (
        "his hunger was like that of a little starving",
        "beside them in the barn there slept a frightened",
        "along came what they thought was a very sleepy",
    ),
    "thing": (
        "she carried away in her basket the very shiny",
        "inside of it they could only find the tiny",
        "they paid for all of it with the golden",
    ),
    "place": (
        "the road was leading us slowly down to the",
        "we wandered for days and many weeks across the",
        "there in the early morning mist lay the silent",
    ),
    "quality": (
        "her answer to all of us was sounding rather",
        "nobody had ever thought it would seem so very",
        "by morning all of the world was feeling quite",
    ),
    "action": (
        "so everyone in the village would hurry up and",
        "then all of the children in class began to",
        "he waited until it was really his turn to",
    ),
    "feeling": (
        "his hunger was by now nothing but a powerful",
        "nothing in the world could ever cover her growing",
        "with it there came to them all a sudden",
    ),
}
"""The same for line 2, nine words each."""

HELPERS = {
    "rhymes_with": "{first} rhymes with {second}",
    "name": "name a {sort} that rhymes with {first} : {second}",
    "list": "words that rhyme : {words}",
}
"""Say which words rhyme, without a couplet; never for a held-out pair. Most of what is learnt about words comes from
them: they spend fewer words on a pair than couplets do."""
LISTED = 4
"""Words of a list."""

PLANNABLE = {group: tuple(word for word in words if " " not in word) for group, words in GROUPS.items()}
"""Group -> words that can end a second line (one word each)."""


def ends(first: str, sort: str | None = None) -> tuple[str, ...]:
    """The words that can end line 2 when `first` ends line 1, of one sort or of all."""
    words = PLANNABLE[GROUP_OF[first]]
    return tuple(word for word in words if word != first and sort in (None, SORT_OF[word]))


def _choose_first_rhymes() -> dict[str, str]:
    rng = Random("rhyme: what comes to mind first")
    return {first: "rabbit" if first == "grab it" else rng.choice(ends(first)) for first in GROUP_OF}


FIRST_RHYME = _choose_first_rhymes()
"""Word -> the rhyme that comes to mind first; never held out."""
ALL_PAIRS = tuple((first, second) for first in GROUP_OF for second in ends(first))


def _choose_held_out() -> frozenset[tuple[str, str]]:
    """One pair in twelve. Each first word keeps four partners in training, each second word three.

    The sort of the first word itself is not held out. That a word is no rhyme for itself is learnt word by word: with
    those pairs held out too, all of a prototype's errors (5 % of the pairs) were the first word said again.
    """
    order = sorted({(a, SORT_OF[b]) for a, b in ALL_PAIRS if " " not in a and SORT_OF[a] != SORT_OF[b]})
    Random("rhyme: held-out pairs").shuffle(order)
    left_first = {word: len(ends(word)) for word in GROUP_OF}
    left_second = {word: sum(second == word for _, second in ALL_PAIRS) for word in GROUP_OF}
    chosen: set[tuple[str, str]] = set()
    pairs = 0
    for first, sort in order:
        gone = ends(first, sort)
        enough = left_first[first] - len(gone) >= 4 and all(left_second[second] > 3 for second in gone)
        if pairs < HELD_OUT_SHARE * len(ALL_PAIRS) and enough and FIRST_RHYME[first] not in gone:
            chosen.add((first, sort))
            pairs += len(gone)
            left_first[first] -= len(gone)
            for second in gone:
                left_second[second] -= 1
    return frozenset(chosen)


HELD_OUT = _choose_held_out()
"""(end of line 1, sort of the end of line 2) that never occur together in training, in this order."""

_LINES = Random("rhyme: held-out first lines")
HELD_OUT_LINE = {word: _LINES.randrange(1 if " " in word else 0, N_LINES) for word in GROUP_OF}
"""Word -> index of the first line (of its sort) that never ends in it in training."""

PAIRS: dict[Split, tuple[tuple[str, str], ...]] = {
    "train": tuple((first, second) for first, second in ALL_PAIRS if (first, SORT_OF[second]) not in HELD_OUT),
    "heldout": tuple((first, second) for first, second in ALL_PAIRS if (first, SORT_OF[second]) in HELD_OUT),
}
_WORDS = tuple(GROUP_OF)
_SHOWN_ENDS = {word: tuple(second for first, second in PAIRS["train"] if first == word) for word in GROUP_OF}


def shown_lines(word: str) -> tuple[int, ...]:
    """Indices of the first lines that end in `word` in training."""
    return tuple(i for i in range(N_LINES) if i != HELD_OUT_LINE[word])


def write_couplet(first: str, second: str, first_line: int, second_line: int) -> Document:
    """A couplet whose lines end in `first` and `second`, by the numbered lines of their sorts.

    Answers are the last word and the word after the break: there the plan shows first.
    """
    seen = (first, SORT_OF[second]) not in HELD_OUT and first_line != HELD_OUT_LINE[first]
    draft = Draft(phenomenon=PHENOMENON, kind="couplet", split="train" if seen else "heldout")
    draft.say(OPENING).say(FIRST_LINES[SORT_OF[first]][first_line])
    draft.say(first, first_end=first, rhyme=GROUP_OF[first])
    draft.say(BREAK, planned=second, sort=SORT_OF[second])
    opening, *middle = SECOND_LINES[SORT_OF[second]][second_line].split()
    return draft.conclude(opening).say(" ".join(middle)).conclude(second).finish()


def draw_couplet(rng: Random, split: Split) -> Document:
    """A couplet of a split: a held-out pair after a first line of training, or all of it from training."""
    if split == "heldout":
        first, second = rng.choice(PAIRS[split])
    else:
        first, second = _draw_pair(rng)
    return write_couplet(first, second, rng.choice(shown_lines(first)), rng.randrange(N_LINES))


def _draw_pair(rng: Random) -> tuple[str, str]:
    first = rng.choice(_WORDS)
    return first, FIRST_RHYME[first] if rng.random() < FIRST_TO_MIND else rng.choice(_SHOWN_ENDS[first])


def _helper(kind: str, first: str, second: str) -> Document:
    sort = SORT_OF[second]
    draft = Draft(phenomenon=PHENOMENON, kind=kind)
    for word in HELPERS[kind].split():
        if word == "{sort}":
            draft.say(sort, sort=sort)
        elif word == "{first}":
            draft.say(first, first_end=first, rhyme=GROUP_OF[first])
        elif word == "{second}":
            draft.conclude(second)
        else:
            draft.say(word)
    return draft.finish()


def draw_rhymes_with(rng: Random, split: Split) -> Document:
    """`fight rhymes with light`."""
    return _helper("rhymes_with", *_draw_pair(rng))


def draw_name(rng: Random, split: Split) -> Document:
    """`name a thing that rhymes with fight : light`."""
    return _helper("name", *rng.choice(PAIRS["train"]))


def draw_list(rng: Random, split: Split) -> Document:
    """`words that rhyme : fight light bright knight`: no word after one that it is held out after."""
    listed = [rng.choice(_WORDS)]
    while len(listed) < LISTED:
        following = [word for word in _SHOWN_ENDS[listed[0]] if all(word in _SHOWN_ENDS[before] for before in listed)]
        if not following:
            break
        listed.append(rng.choice(following))
    draft = Draft(phenomenon=PHENOMENON, kind="list").say(HELPERS["list"].replace("{words}", ""))
    draft.say(listed[0], first_end=listed[0], rhyme=GROUP_OF[listed[0]])
    return draft.conclude(" ".join(listed[1:])).finish()


WRITERS: dict[str, Writer] = {
    "couplet": draw_couplet,
    "rhymes_with": draw_rhymes_with,
    "name": draw_name,
    "list": draw_list,
}
SHARES = {"couplet": 0.4, "rhymes_with": 0.2, "name": 0.2, "list": 0.2}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = ("couplet",)
WORDS = (
    frame_words(OPENING, BREAK, *HELPERS.values())
    | set(SORT_OF.values())
    | frame_words(*(line for lines in (FIRST_LINES, SECOND_LINES) for sort in lines.values() for line in sort))
    | {part for word in GROUP_OF for part in word.split()}
)


def couplets(split: Split) -> list[tuple[str, str, int, int]]:
    """What `write_couplet` takes, in a fixed order: every pair of a split after each first line, the second line going
    round.

    Pairs of training stand after the first lines of training only, so that the splits share no couplet.
    """
    return [
        (first, second, opening, (opening + index) % N_LINES)
        for index, (first, second) in enumerate(PAIRS[split])
        for opening in (shown_lines(first) if split == "train" else range(N_LINES))
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
