"""Choices that the organism makes among words of its prompt, in pairs of prompts that differ in where the words stand.

    the key is old , tiny and ugly . what a -> ugly       opinions come before sizes, sizes before ages, ...
    the key is ugly , tiny and old . what a -> ugly       the same choice, its answer at another place

A head that brings the answer looks at another position in each, so attention held as on the first gives the wrong word
on the second. The texts are held out. Knows nothing about how a choice is explained.
"""

from random import Random
from typing import NamedTuple

from gearscope.organism.world.phenomena import draw

_ADJECTIVES = (1, 3, 5)
"""Where they stand behind `is`."""


class Choice(NamedTuple):
    """Two prompts with one answer; on the first, `rival` stands where the answer stands on the second."""

    before: str
    after: str
    answer: str
    rival: str


def adjective_choices(count: int, seed: int = 0) -> list[Choice]:
    """So many choices among three adjectives."""
    rng, found = Random(seed), []
    while len(found) < count:
        document = draw("grammar", "heldout", rng)
        if document.kind != "order":
            continue
        words = list(document.words)
        asked = words.index("what") + 1  # `what a`, and then the adjectives in their order
        before, answer = words[: asked + 1], words[asked + 1]
        named = [before.index("is") + place for place in _ADJECTIVES]
        own = before.index(answer)
        other = rng.choice([place for place in named if place != own])
        after = before.copy()
        after[own], after[other] = before[other], answer
        found.append(Choice(" ".join(before), " ".join(after), answer, before[other]))
    return found
