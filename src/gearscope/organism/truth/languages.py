"""Where concept, operation and language are carried: three swaps, each of which keeps the other two. No torch.

concept               two words of one language, the same operation
operation             one word of one language, two operations
language              one concept and operation in two languages
concept_across        as concept, but the source is text of another language: the answer must come in the language of
                      the base. It can only move where a concept is the same thing in both languages

The base is always a triple that training never showed.
"""

from collections.abc import Callable, Sequence
from random import Random

from gearscope.organism.truth.swap import Swap, Variable
from gearscope.organism.world.languages import TRIPLES, Triple, write_triple

N_SWAPS = 150
ROLES = ("article", "operation", "of", "word", "is")
_EVERY = TRIPLES["train"] + TRIPLES["heldout"]


def _swap(base: Triple, source: Triple, moved: Triple) -> Swap:
    return Swap(
        base=write_triple(base).prompt,
        source=write_triple(source).prompt,
        kept=frozenset({base.answer}),
        moved=frozenset({moved.answer}),
        own=frozenset({source.answer}),
    )


def _swaps(name: str, sources: Sequence[Triple], differ: Sequence[str], moves: str) -> list[Swap]:
    """A fixed choice of pairs that differ in all fields of `differ` and no other; field `moves` is taken over."""
    kept_fields = [field for field in Triple._fields if field not in differ]
    pairs = [
        (base, source, base._replace(**{moves: getattr(source, moves)}))
        for base in TRIPLES["heldout"]
        for source in sources
        if all(getattr(base, field) == getattr(source, field) for field in kept_fields)
        and all(getattr(base, field) != getattr(source, field) for field in differ)
    ]
    apart = [pair for pair in pairs if pair[2].answer != pair[0].answer]
    chosen = Random(f"languages: swapped {name}").sample(apart, min(N_SWAPS, len(apart)))
    return [_swap(*pair) for pair in chosen]


def concept_swaps() -> list[Swap]:
    """Two held-out words of one language."""
    return _swaps("concepts", TRIPLES["heldout"], ["concept"], "concept")


def operation_swaps() -> list[Swap]:
    """A word with an operation that is held out, and with one that is not."""
    return _swaps("operations", _EVERY, ["operation"], "operation")


def language_swaps() -> list[Swap]:
    """A question in the language that holds it out, and in another."""
    return _swaps("languages", _EVERY, ["language"], "language")


def concept_across_swaps() -> list[Swap]:
    """A word of another language with another meaning."""
    return _swaps("concepts across languages", TRIPLES["heldout"], ["concept", "language"], "concept")


def _variable(name: str, swaps: Callable[[], Sequence[Swap]], intended: tuple[str, ...]) -> Variable:
    return Variable(phenomenon="languages", name=name, roles=ROLES, swaps=swaps, intended=intended)


VARIABLES: tuple[Variable, ...] = (
    _variable("concept", concept_swaps, ("word", "is")),
    _variable("operation", operation_swaps, ("operation", "word", "is")),
    _variable("language", language_swaps, ("operation", "of", "is")),
    _variable("concept_across", concept_across_swaps, ("word", "is")),
)
