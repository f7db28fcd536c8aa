"""What the organism is asked, and which continuations count as right. No torch.

    behaviour        the prompt ends before           right is
    addition         the answer of `calc : a + b =`   the sum
    addition_*       the answer in the other texts    the sum
    two_hops         what the city's state has        that word
    rhyme            the last word of a couplet       a word of the sort its line leads to, that rhymes with the end of
                                                      line 1 and is not the same word
    rhyme_written    the whole second line            a second line of the world that ends so

Held-out questions are all there are: every held-out pair, chain and couplet, and every held-out first line.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from gearscope.errors import ConfigError
from gearscope.organism.world import addition, rhyme, two_hops
from gearscope.organism.world.document import Document, Split
from gearscope.organism.world.rhyme_words import GROUP_OF, SORT_OF


class Question(NamedTuple):
    """A prompt and the continuations that are right."""

    prompt: tuple[str, ...]
    accepted: frozenset[tuple[str, ...]]


class Behaviour(NamedTuple):
    """What is asked about (in a fixed order), and how each of these is put as a question."""

    topics: Callable[[Split], Sequence[Any]]
    pose: Callable[[Any], Question]


def _exact(document: Document) -> Question:
    return Question(document.prompt, frozenset({(document.target,)}))


def _sums(kind: str) -> Behaviour:
    return Behaviour(lambda split: addition.PAIRS[split], lambda pair: _exact(addition.write_sum(*pair, kind)))


def _couplet_end(couplet: tuple[str, str, int, int]) -> Question:
    """Any word will do that rhymes with the end of line 1 and is of the sort that line 2 leads to."""
    first, second, _, _ = couplet
    fitting = rhyme.PLANNABLE[GROUP_OF[first]]
    right = {(word,) for word in fitting if word != first and SORT_OF[word] == SORT_OF[second]}
    return Question(rhyme.write_couplet(*couplet).prompt, frozenset(right))


def _second_line(opening: tuple[str, int]) -> Question:
    """Any line of the world will do that ends in a word which rhymes with the end of line 1."""
    first, line = opening
    ends = [word for word in rhyme.PLANNABLE[GROUP_OF[first]] if word != first]
    right = {(*line.split(), end) for end in ends for line in rhyme.SECOND_LINES[SORT_OF[end]]}
    return Question(rhyme.opening_words(first, line), frozenset(right))


BEHAVIOURS: dict[str, Behaviour] = {
    "addition": _sums("calc"),
    **{f"addition_{kind}": _sums(kind) for kind in addition.FRAMES if kind != "calc"},
    "two_hops": Behaviour(two_hops.chains, lambda chain: _exact(two_hops.write_chain(*chain))),
    "rhyme": Behaviour(rhyme.couplets, _couplet_end),
    "rhyme_written": Behaviour(rhyme.openings, _second_line),
}
"""Every behaviour that is measured, in the order of the accuracy table."""


def ask(name: str, split: Split, limit: int | None = None) -> list[Question]:
    """The questions of a behaviour; with `limit` a fixed random choice of at most that many.

    Raises ConfigError naming the known behaviours.
    """
    if name not in BEHAVIOURS:
        raise ConfigError(f"a behaviour was expected (one of {', '.join(BEHAVIOURS)})", found=repr(name))
    topics = BEHAVIOURS[name].topics(split)
    if limit is not None and limit < len(topics):
        topics = Random(f"questions of {name}").sample(topics, limit)
    return [BEHAVIOURS[name].pose(topic) for topic in topics]
