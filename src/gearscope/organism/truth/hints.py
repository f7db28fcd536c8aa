"""What moves the step and the end of a reply: the hint, the factor, the step; and what the hint does not move.

hint              a question with two hints: the step after `cos q217 =` follows the hint
factor            the same hint for two factors: the step is the hint over the factor
step              no hint, two steps already made up: the product follows
sum_beside_hint   two sums, each with its own total as the hint: the total must follow the operands. Swapped at the
                  hint, it moves only in a model that copies the hint
verdict           a sum with its own total and with another number as the hint: `equal` becomes `less` or `more`

All in the first phrasing, with held-out questions and sums.
"""

from collections.abc import Callable, Iterator
from itertools import combinations, islice
from random import Random

from gearscope.organism.truth.swap import Swap, Variable
from gearscope.organism.world import hints
from gearscope.organism.world.addition import HELD_OUT, PAIRS
from gearscope.organism.world.document import Document
from gearscope.organism.world.hints import Exercise

N_SWAPS = 150
_TASK = ("factor", "times", "function", "symbol", "question mark")
_SUM = ("a", "plus", "b", "question mark")
_HINT = ("i", "got", "hint", "comma", "am", "i 2", "right", "question mark 2")
_REPLY = ("now",)
_STEP = ("function 2", "symbol 2", "equals")
_PRODUCT = ("step", "comma", "and", "factor 2", "times 2", "step 2", "equals 2")
_TOTAL = ("a 2", "plus 2", "b 2", "equals")
_VERDICT = ("total", "comma 2", "hint 2", "is 2")


def _swap(base: Document, source: Document, n_words: int) -> Swap:
    """Two documents cut to so many words, judged by the word that follows in each."""
    kept, moved = frozenset([base.words[n_words]]), frozenset([source.words[n_words]])
    return Swap(base.words[:n_words], source.words[:n_words], kept, moved)


def _two_hints(rng: Random) -> Iterator[tuple[Document, Document]]:
    for question, factor in rng.sample(hints.PAIRS["heldout"], len(hints.PAIRS["heldout"])):
        base, source = (Exercise(question, factor, step, 0) for step in rng.sample(hints.STEPS, 2))
        yield hints.write_followed(base), hints.write_followed(source)


def _two_factors(rng: Random) -> Iterator[tuple[Document, Document]]:
    for question in rng.sample(hints.QUESTIONS, len(hints.QUESTIONS)):
        factors = [factor for factor in hints.FACTORS if (question, factor) in hints.HELD_OUT]
        for first, second in combinations(factors, 2):
            shared = [first * step for step in hints.STEPS if first * step % second == 0]
            reached = [number for number in shared if number // second in hints.STEPS]
            if reached:
                number = rng.choice(reached)
                exercises = (Exercise(question, factor, number // factor, 0) for factor in (first, second))
                base, source = map(hints.write_followed, exercises)
                yield (base, source) if rng.random() < 1 / 2 else (source, base)


def _two_steps(rng: Random) -> Iterator[tuple[Document, Document]]:
    for question, factor in rng.sample(hints.PAIRS["heldout"], len(hints.PAIRS["heldout"])):
        base, source = (Exercise(question, factor, step, 0) for step in rng.sample(hints.STEPS, 2))
        yield hints.write_guess(base), hints.write_guess(source)


def _two_sums(rng: Random) -> Iterator[tuple[Document, Document]]:
    for a, b in rng.sample(PAIRS["heldout"], len(PAIRS["heldout"])):
        other = rng.choice([c for c in range(100) if c != a and (c, b) in HELD_OUT])
        yield hints.write_sum(a, b, 0, a + b), hints.write_sum(other, b, 0, other + b)


def _two_verdicts(rng: Random) -> Iterator[tuple[Document, Document]]:
    for a, b in rng.sample(PAIRS["heldout"], len(PAIRS["heldout"])):
        base, source = hints.write_sum(a, b, 0, a + b), hints.write_sum(a, b, 0, hints.wrong_hint(rng, a + b))
        yield (base, source) if rng.random() < 1 / 2 else (source, base)


Pairs = Callable[[Random], Iterator[tuple[Document, Document]]]


def _variable(name: str, pairs: Pairs, roles: tuple[str, ...], intended: tuple[str, ...]) -> Variable:
    """A variable whose prompts end at the last of the roles."""
    roles = ("what", "is", *roles)

    def swaps() -> list[Swap]:
        drawn = islice(pairs(Random(f"truth of hints: {name}")), N_SWAPS)
        return [_swap(base, source, len(roles)) for base, source in drawn]

    return Variable(phenomenon="hints", name=name, roles=roles, swaps=swaps, intended=intended)


VARIABLES: tuple[Variable, ...] = (
    _variable("hint", _two_hints, (*_TASK, *_HINT, *_REPLY, *_STEP), ("hint", "equals")),
    _variable("factor", _two_factors, (*_TASK, *_HINT, *_REPLY, *_STEP), ("factor", "hint", "equals")),
    _variable("step", _two_steps, (*_TASK, *_REPLY, *_STEP, *_PRODUCT), ("step 2", "equals 2")),
    _variable("sum_beside_hint", _two_sums, (*_SUM, *_HINT, *_REPLY, *_TOTAL), ("a 2", "equals")),
    _variable("verdict", _two_verdicts, (*_SUM, *_HINT, *_REPLY, *_TOTAL, *_VERDICT), ("hint 2", "is 2")),
)
