"""Where it is carried who is asked about, which fact, and whether anything is known. No torch.

known        a known person against a stranger, in both directions: the fact, or `i` (do not know)
gate         a known person who has the fact against one who lacks it, in both directions
person       two known people who both have the fact
fact         one known person, asked for two facts
misfire      a familiar person against a stranger. What a model says of familiar people is an observation and no rule;
             only where it makes up a fact is there something to swap

Questions about known people are the ones that training never puts.
"""

from collections.abc import Callable, Sequence
from random import Random

from gearscope.organism.truth.swap import Swap, Variable
from gearscope.organism.world.name_words import (
    FACTS,
    FACTS_OF,
    FAMILIAR,
    KNOWN,
    UNKNOWN,
    VALUES,
    look_up,
)
from gearscope.organism.world.names import Topic, is_held_out, stranger_questions, write_question

N_SWAPS = 150
PHRASING = "of"
"""The question whose words are as many for every fact."""
ROLES = ("what", "is", "the", "fact", "of", "first", "last", "question_mark")
REFUSAL = UNKNOWN.split()[0]

_ASKED = [(person, fact, PHRASING) for person in KNOWN for fact in FACTS if is_held_out(person, fact, PHRASING)]
_ANSWERED = [topic for topic in _ASKED if look_up(*topic[:2]) is not None]
_MISSING = [(person, fact, PHRASING) for person in KNOWN for fact in FACTS if look_up(person, fact) is None]
_STRANGE = [topic for topic in stranger_questions("heldout") if topic[2] == PHRASING]
_FAMILIAR = [(person, fact, PHRASING) for person in FAMILIAR for fact in FACTS]


def _next_words(topic: Topic) -> frozenset[str]:
    """The word that is right after a question; for familiar people any value of the fact."""
    person, fact, _ = topic
    if person in FAMILIAR:
        return frozenset(VALUES[fact])
    return frozenset({look_up(person, fact) or REFUSAL})


def _swap(base: Topic, source: Topic) -> Swap:
    documents = [write_question(*topic) for topic in (base, source)]
    prompts = [document.words[: document.answer[0]] for document in documents]
    return Swap(base=prompts[0], source=prompts[1], kept=_next_words(base), moved=_next_words(source))


def _pairs(name: str, bases: Sequence[Topic], sources: Sequence[Topic], same: Callable[[Topic], object]) -> list[Swap]:
    """A fixed choice of pairs that agree in `same` and differ in the right next word."""
    pairs = [(b, s) for b in bases for s in sources if same(b) == same(s) and not _next_words(b) & _next_words(s)]
    chosen = Random(f"names: swapped {name}").sample(pairs, min(N_SWAPS, len(pairs)))
    return [_swap(base, source) for base, source in chosen]


def _fact_of(topic: Topic) -> str:
    return topic[1]


def known_swaps() -> list[Swap]:
    """Known people and strangers take turns as base."""
    forth, back = (
        _pairs("known", _ANSWERED, _STRANGE, _fact_of),
        _pairs("known, back", _STRANGE, _ANSWERED, _fact_of),
    )
    return forth[: N_SWAPS // 2] + back[: N_SWAPS // 2]


def gate_swaps() -> list[Swap]:
    """The fact is known of one, and missing of the other known person."""
    forth, back = _pairs("gate", _ANSWERED, _MISSING, _fact_of), _pairs("gate, back", _MISSING, _ANSWERED, _fact_of)
    return forth[: N_SWAPS // 2] + back[: N_SWAPS // 2]


def person_swaps() -> list[Swap]:
    """Two known people with different values of one fact."""
    return _pairs("person", _ANSWERED, _ANSWERED, _fact_of)


def fact_swaps() -> list[Swap]:
    """Two facts of one known person; the question about the base is held out."""
    known = [(person, fact, PHRASING) for person in KNOWN for fact in FACTS_OF[person]]
    return _pairs("fact", _ANSWERED, known, lambda topic: topic[0])


def misfire_swaps() -> list[Swap]:
    """A made-up fact about a familiar person against a stranger's `i do not know`."""
    return _pairs("misfire", _FAMILIAR, _STRANGE, _fact_of)


def _variable(name: str, swaps: Callable[[], Sequence[Swap]], intended: tuple[str, ...]) -> Variable:
    return Variable(phenomenon="names", name=name, roles=ROLES, swaps=swaps, intended=intended)


VARIABLES: tuple[Variable, ...] = (
    _variable("known", known_swaps, ("last", "question_mark")),
    _variable("gate", gate_swaps, ("last", "question_mark")),
    _variable("person", person_swaps, ("last", "question_mark")),
    _variable("fact", fact_swaps, ("fact", "last", "question_mark")),
    _variable("misfire", misfire_swaps, ("last", "question_mark")),
)
