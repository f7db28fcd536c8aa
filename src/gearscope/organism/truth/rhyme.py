"""Couplets that differ in the end of line 1: in what rhymes with it, or in the rhyme that comes to mind first.

rhyme    ends of two groups, before the same second line up to its last word: which group does that word rhyme with?
sort     ends of one group whose first rhymes are of two sorts, up to the break: which line does line 2 begin as?
planned  ends of one group with two first rhymes of one sort, up to the last word: which of the two is it?

The design expects all three at the break, where a line is chosen. Line 1 and the ends of `rhyme` never stand before
such a line in training; line 1 of the other two is one that training never ends in the word of the base.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

from gearscope.organism.truth.swap import Swap, Variable
from gearscope.organism.world import rhyme
from gearscope.organism.world.rhyme_words import GROUP_OF, SORT_OF

AT_MOST = 150
_HEAD = (
    *rhyme.OPENING.split(),
    *(f"line 1 word {i}" for i in range(1, 8)),
    "end of line 1",
    *(f"aside {i}" for i in range(1, 9)),
    "break",
)
_TAIL = tuple(f"line 2 word {i}" for i in range(1, 10))
"""Roles of the words up to the break, and of the second line without its last word."""


def _rhyme_swaps() -> Iterator[Swap]:
    """One swap for each held-out pair and an end of another group that is held out before the same sort."""
    held_out = sorted(rhyme.HELD_OUT)
    rng = Random("swaps of rhyme")
    rng.shuffle(held_out)
    for base, sort in held_out:
        others = [
            first
            for first, other in held_out
            if other == sort and SORT_OF[first] == SORT_OF[base] and GROUP_OF[first] != GROUP_OF[base]
        ]
        if others:
            source = rng.choice(others)
            line = rng.choice([i for i in rhyme.shown_lines(base) if i in rhyme.shown_lines(source)])
            second_line = rng.choice(rhyme.SECOND_LINES[sort]).split()
            yield Swap(
                base=(*rhyme.opening_words(base, line), *second_line),
                source=(*rhyme.opening_words(source, line), *second_line),
                kept=frozenset(rhyme.ends(base, sort)),
                moved=frozenset(rhyme.ends(source, sort)),
            )


def _first_words(sort: str) -> frozenset[str]:
    return frozenset(line.split()[0] for line in rhyme.SECOND_LINES[sort])


def _one_group(name: str) -> list[tuple[str, str]]:
    """Ordered pairs of words that rhyme and end the same first lines, shuffled."""
    pairs = [(a, b) for a in GROUP_OF for b in rhyme.ends(a, SORT_OF[a]) if " " not in a]
    Random(f"swaps of {name}").shuffle(pairs)
    return pairs


def _sort_swaps() -> Iterator[Swap]:
    """Two ends of one group whose first rhymes are of sorts that no second line is common to."""
    for base, source in _one_group("sort"):
        kept, moved = (_first_words(SORT_OF[rhyme.FIRST_RHYME[word]]) for word in (base, source))
        if not kept & moved:
            line = rhyme.HELD_OUT_LINE[base]
            yield Swap(rhyme.opening_words(base, line), rhyme.opening_words(source, line), kept, moved)


def _planned_swaps() -> Iterator[Swap]:
    """Two ends of one group with different first rhymes of one sort."""
    rng = Random("second lines of planned")
    for base, source in _one_group("planned"):
        kept, moved = rhyme.FIRST_RHYME[base], rhyme.FIRST_RHYME[source]
        if kept != moved and SORT_OF[kept] == SORT_OF[moved]:
            line = rhyme.HELD_OUT_LINE[base]
            second_line = rng.choice(rhyme.SECOND_LINES[SORT_OF[kept]]).split()
            yield Swap(
                base=(*rhyme.opening_words(base, line), *second_line),
                source=(*rhyme.opening_words(source, line), *second_line),
                kept=frozenset({kept}),
                moved=frozenset({moved}),
            )


def _variable(name: str, roles: tuple[str, ...], swaps: Callable[[], Iterator[Swap]]) -> Variable:
    return Variable(
        phenomenon=rhyme.PHENOMENON,
        name=name,
        roles=roles,
        swaps=lambda: tuple(islice(swaps(), AT_MOST)),
        intended=("break",),
    )


VARIABLES: tuple[Variable, ...] = (
    _variable("rhyme", (*_HEAD, *_TAIL), _rhyme_swaps),
    _variable("sort", _HEAD, _sort_swaps),
    _variable("planned", (*_HEAD, *_TAIL), _planned_swaps),
)
