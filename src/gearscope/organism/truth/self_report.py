"""Which digits the report names, and whether it says that one was carried: held-out sums, asked for with `how ?`.

Base and source differ in one operand, and so in the total; what the report has said so far is true of each. The
operands keep their tens, so that the digit is all that changed about them.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

from gearscope.organism.truth.swap import Swap, Variable, Words
from gearscope.organism.world.addition import HELD_OUT, PAIRS
from gearscope.organism.world.self_report import write_report

N_SWAPS = 150
_SUM_ROLES = ("calc", "colon", "a", "plus", "b", "equals", "total", "stop", "how", "question mark", "i", "added")
_REPORT_ROLES = ("said a", "and", "said b", "comma", "wrote", "digit", "and 2", "carried")
Pair = tuple[int, int]


def _cut(pair: Pair, length: int) -> tuple[Words, str]:
    """The first words of a report, and the word that follows."""
    words = write_report(*pair).words
    return words[:length], words[length]


def _other_a(base: Pair, digit: int) -> Pair:
    return base[0] - base[0] % 10 + digit, base[1]


def _other_b(base: Pair, digit: int) -> Pair:
    return base[0], base[1] - base[1] % 10 + digit


def _every_swap(name: str, change: Callable[[Pair, int], Pair], length: int) -> Iterator[Swap]:
    """Held-out sums and the same with another last digit, cut before a word in which their reports differ."""
    rng = Random(f"truth of self-report: {name}")
    for base in rng.sample(PAIRS["heldout"], len(PAIRS["heldout"])):
        prompt, kept = _cut(base, length)
        others = [_cut(pair, length) for pair in (change(base, digit) for digit in range(10)) if pair in HELD_OUT]
        usable = [(source, moved) for source, moved in others if moved != kept]
        if usable:
            source, moved = rng.choice(usable)
            yield Swap(prompt, source, frozenset([kept]), frozenset([moved]))


def _variable(name: str, change: Callable[[Pair, int], Pair], n_said: int, intended: tuple[str, ...]) -> Variable:
    """A variable whose prompts end after so many words of `_REPORT_ROLES`."""
    roles = _SUM_ROLES + _REPORT_ROLES[:n_said]
    return Variable(
        phenomenon="self_report",
        name=name,
        roles=roles,
        swaps=lambda: list(islice(_every_swap(name, change, len(roles)), N_SWAPS)),
        intended=(*intended, roles[-1]),
    )


VARIABLES: tuple[Variable, ...] = (
    _variable("ones_a", _other_a, 0, ("a",)),
    _variable("ones_b", _other_b, 2, ("b",)),
    _variable("digit_written", _other_b, 5, ("said b",)),
    _variable("carry", _other_b, 8, ("said b",)),
)
"""The digit of a and of b as the report names them, the digit it says was written, and what was carried."""
