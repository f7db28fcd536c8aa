"""Prompts of the world with contrasts: prompts of the same frame in which all that decides the answer is other.

    sums      calc : 36 + 59 =                                            both numbers
    chains    the capital of the state containing dal las is              the city's state, and the relation
    names     what is the pet of michael rossi ?                          the known person, and the fact
    rhymes    … had to grab it , and so the poem goes on : / …            the end of line 1, the other words the same

A prompt and its contrasts are of one split and have one length and different answers. Knows nothing about models.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import NamedTuple

from gearscope.organism.world import addition, names, rhyme, two_hops
from gearscope.organism.world.document import Document, Split
from gearscope.organism.world.rhyme_words import GROUP_OF, SORT_OF
from gearscope.organism.world.vocabulary import TOKEN_ID, ids_of

OTHERS = 2
"""Contrasts of a prompt."""


class Asked(NamedTuple):
    """A prompt and the words that are right after it, as tokens."""

    ids: list[int]
    right: frozenset[int]


class Contrast(NamedTuple):
    """A prompt beside others that it can be patched from."""

    kind: str
    asked: Asked
    others: tuple[Asked, ...]


class _Question(NamedTuple):
    prompt: tuple[str, ...]
    right: frozenset[str]
    frame: tuple[object, ...]
    """What prompt and contrast have in common."""
    decided: tuple[object, ...]
    """What decides the answer: other in every part."""


def _sums(split: Split) -> Iterator[_Question]:
    for pair in addition.PAIRS[split]:
        yield _question(addition.write_sum(*pair), pair)


def _chains(split: Split) -> Iterator[_Question]:
    for city in two_hops.CITIES_OF[split]:
        for relation in two_hops.RELATIONS:
            yield _question(two_hops.write_chain(city, relation), (two_hops.CITIES[city], relation))


def _names(split: Split) -> Iterator[_Question]:
    for person, fact, phrasing in names.known_questions(split):
        if phrasing == "of":
            yield _question(names.write_question(person, fact, phrasing), (*person, fact))


def _rhymes(split: Split) -> Iterator[_Question]:
    for first, second, opening, line in rhyme.couplets(split):
        prompt = rhyme.write_couplet(first, second, opening, line).prompt
        frame = (SORT_OF[first], opening, SORT_OF[second], line)
        yield _Question(prompt, frozenset(rhyme.ends(first, SORT_OF[second])), frame, (GROUP_OF[first],))


def _question(document: Document, decided: tuple[object, ...]) -> _Question:
    """A question with one answer, and no frame but its words."""
    return _Question(document.prompt, frozenset((document.target,)), (), decided)


KINDS: dict[str, Callable[[Split], Iterator[_Question]]] = {
    "sums": _sums,
    "chains": _chains,
    "names": _names,
    "rhymes": _rhymes,
}


def contrasts(kind: str, split: Split, seed: int) -> Iterator[Contrast]:
    """Prompts of a kind in a random order, each with `OTHERS` contrasts."""
    rng = Random(f"contrasts, {kind}, {split}, {seed}")
    questions = list(KINDS[kind](split))
    for question in rng.sample(questions, len(questions)):
        fitting = (other for other in rng.sample(questions, len(questions)) if _contrast(question, other))
        others = tuple(_asked(other) for other in islice(fitting, OTHERS))
        if len(others) == OTHERS:
            yield Contrast(kind, _asked(question), others)


def _contrast(one: _Question, other: _Question) -> bool:
    return (
        len(one.prompt) == len(other.prompt)
        and not one.right & other.right
        and one.frame == other.frame
        and all(a != b for a, b in zip(one.decided, other.decided, strict=True))
    )


def _asked(question: _Question) -> Asked:
    return Asked(ids_of(question.prompt), frozenset(TOKEN_ID[w] for w in question.right))
