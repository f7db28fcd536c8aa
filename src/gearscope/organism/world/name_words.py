"""Who lives in the world of names, and what is known of them.

A person is a first and a last name. Every first name is shared by two people with facts, one person without, and many
nobody has heard of; so is every last name: neither word alone tells whether somebody is known.

    known        56 people: a place where they are seen, and four of five facts; one fact each is missing
    familiar     28 people: a place where they are seen, very often, and no fact
    stranger     everybody else: a quarter of them is held out and occurs nowhere in training

It knows nothing about texts.
"""

from random import Random

from gearscope.organism.world.two_hops import STATES

Person = tuple[str, str]
"""First and last name."""

_NAMES = """
michael andrej anna peter maria john laura david emma paul sofia martin nina simon clara oscar victor alice
grace joy iris violet daisy robin jay austin helena jasmine
batkin karp jordan smith miller novak weber rossi silva lopez klein moreau tanaka larsen kowal petrov
wood ford knight king bell carson lincoln stone brook dale richmond crane
"""
_VALUES = """
sport       tennis golf hockey chess rugby football boxing rowing
instrument  piano violin flute guitar cello organ trumpet drum
job         farmer sailor soldier poet painter doctor teacher baker
pet         cat dog rabbit mouse lamb goat snake frog
"""
_PLACES = "pier lake bay brook hall gate dock square shore shed pub town hillside isle moat lagoon"

N_NAMES = 28
FIRSTS = tuple(_NAMES.split()[:N_NAMES])
LASTS = tuple(_NAMES.split()[N_NAMES:])
assert len(FIRSTS) == len(LASTS) == N_NAMES, "as many first names as last names"
_ROWS = [line.split() for line in _VALUES.strip().split("\n")]
VALUES = {
    **{fact: tuple(values) for fact, *values in _ROWS},
    "state": tuple(state.name for state in STATES),
}
"""Fact -> what it can be."""
FACTS = tuple(VALUES)
PLACES = tuple(_PLACES.split())
"""Where people are seen. Nobody is ever asked about it."""
UNKNOWN = "i do not know"
"""What is answered where nothing is known."""


def _match(rng: Random, taken: set[Person]) -> list[Person]:
    """One person for every first name and every last name, none of them taken; takes them."""
    while True:
        people: list[Person] = list(zip(FIRSTS, rng.sample(LASTS, len(LASTS)), strict=True))
        if not taken & set(people):
            taken.update(people)
            return people


_RNG = Random("names: people")
_TAKEN: set[Person] = set()
KNOWN: tuple[Person, ...] = tuple(sorted(_match(_RNG, _TAKEN) + _match(_RNG, _TAKEN)))
FAMILIAR: tuple[Person, ...] = tuple(sorted(_match(_RNG, _TAKEN)))
_OTHERS = [(first, last) for first in FIRSTS for last in LASTS if (first, last) not in _TAKEN]
HELD_OUT_STRANGERS: tuple[Person, ...] = tuple(sorted(_RNG.sample(_OTHERS, len(_OTHERS) // 4)))
STRANGERS: tuple[Person, ...] = tuple(person for person in _OTHERS if person not in HELD_OUT_STRANGERS)
"""Those whom training asks about, in vain."""

SEEN_NEAR: dict[Person, str] = {person: _RNG.choice(PLACES) for person in KNOWN + FAMILIAR}


def _tell(number: int) -> dict[str, str]:
    missing = FACTS[number % len(FACTS)]
    return {fact: _RNG.choice(VALUES[fact]) for fact in FACTS if fact != missing}


FACTS_OF: dict[Person, dict[str, str]] = {person: _tell(number) for number, person in enumerate(KNOWN)}
"""Known person -> fact -> what it is; the missing fact is not there."""


def look_up(person: Person, fact: str) -> str | None:
    """A fact about a person, None where nothing is known."""
    return FACTS_OF.get(person, {}).get(fact)
