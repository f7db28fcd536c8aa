"""Where the state of a city and the relation asked for are carried, in chains that training never showed. No torch."""

from collections.abc import Callable, Sequence
from random import Random

from gearscope.organism.truth.swap import Swap, Variable
from gearscope.organism.world.two_hops import CITIES, HELD_OUT, RELATIONS, look_up, write_chain

N_SWAPS = 150
ROLES = {
    "chain": ("the", "relation", "of", "the_2", "state", "containing", "city_1", "city_2", "is"),
    "chain_quiz": ("quiz", "colon", "city_1", "city_2", "comma", "state", "relation", "question_mark"),
}
"""Text -> name of each position up to the answer."""


def _swap(base: tuple[str, str], source: tuple[str, str], moved: tuple[str, str], kind: str) -> Swap:
    """Cities with relations; `moved` is the state and relation whose value is right after the swap."""
    documents = [write_chain(*chain, kind) for chain in (base, source)]
    return Swap(
        base=documents[0].prompt,
        source=documents[1].prompt,
        kept=frozenset({documents[0].target}),
        moved=frozenset({look_up(*moved)}),
    )


def state_swaps(kind: str) -> list[Swap]:
    """Two held-out cities of different states, asked for the same relation."""
    rng, swaps = Random(f"two hops: swapped states, {kind}"), []
    while len(swaps) < N_SWAPS:
        (base, source), relation = rng.sample(HELD_OUT, 2), rng.choice(RELATIONS)
        swap = _swap((base, relation), (source, relation), (CITIES[source], relation), kind)
        if CITIES[base] != CITIES[source] and swap not in swaps:
            swaps.append(swap)
    return swaps


def relation_swaps(kind: str) -> list[Swap]:
    """One held-out city, asked for two relations."""
    rng, swaps = Random(f"two hops: swapped relations, {kind}"), []
    while len(swaps) < N_SWAPS:
        city, (base, source) = rng.choice(HELD_OUT), rng.sample(RELATIONS, 2)
        swap = _swap((city, base), (city, source), (CITIES[city], source), kind)
        if swap not in swaps:
            swaps.append(swap)
    return swaps


def _variable(name: str, kind: str, swaps: Callable[[str], Sequence[Swap]], intended: tuple[str, ...]) -> Variable:
    form = "" if kind == "chain" else f"_in_{kind.removeprefix('chain_')}"
    return Variable(
        phenomenon="two_hops", name=name + form, roles=ROLES[kind], swaps=lambda: swaps(kind), intended=intended
    )


VARIABLES: tuple[Variable, ...] = (
    _variable("state", "chain", state_swaps, ("city_2", "is")),
    _variable("relation", "chain", relation_swaps, ("relation", "city_2", "is")),
    _variable("state", "chain_quiz", state_swaps, ("city_2", "state", "relation", "question_mark")),
    _variable("relation", "chain_quiz", relation_swaps, ("relation", "question_mark")),
)
