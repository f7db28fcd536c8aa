"""Interchange variables of addition, on held-out sums. No torch.

    a, b          one operand changes whole
    ones_a        one operand changes in its last digit, its tens stay
    tens_a        the other way round
    ones_sum      both operands change in their last digits and the tens stay, so that no single operand can bring the
                  source's answer: only a place that knows both last digits
    tens_sum      both operands change in their tens and the last digits stay

In the text `calc`, and for a, b and ones_sum in the other contexts, whose names are added to the variable's.
"""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from gearscope.organism.truth.swap import Swap, Variable, distinct
from gearscope.organism.world import addition

N_SWAPS = 120
"""Pairs of sums per variable."""
_ROLE_OF = {"{a}": "first number", "{b}": "second number"}
Pair = tuple[int, int]


def _only_a(base: Pair, source: Pair) -> bool:
    return base[1] == source[1] and base[0] != source[0]


def _only_b(base: Pair, source: Pair) -> bool:
    return base[0] == source[0] and base[1] != source[1]


def _same_tens(base: Pair, source: Pair) -> bool:
    return (base[0] // 10, base[1] // 10) == (source[0] // 10, source[1] // 10)


def _same_ones(base: Pair, source: Pair) -> bool:
    return (base[0] % 10, base[1] % 10) == (source[0] % 10, source[1] % 10)


def _both(base: Pair, source: Pair) -> bool:
    """Both operands differ, and no operand alone leads to the source's sum, or leaves the base's."""
    sums = {a + b for a in (base[0], source[0]) for b in (base[1], source[1])}
    return len(sums) == 4


VARIABLES_OF_A_SUM: dict[str, Callable[[Pair, Pair], bool]] = {
    "a": _only_a,
    "b": _only_b,
    "ones_a": lambda base, source: _only_a(base, source) and _same_tens(base, source),
    "tens_a": lambda base, source: _only_a(base, source) and _same_ones(base, source),
    "ones_sum": lambda base, source: _both(base, source) and _same_tens(base, source),
    "tens_sum": lambda base, source: _both(base, source) and _same_ones(base, source),
}
"""Name -> whether two sums differ in this variable and in nothing else."""
_OPERAND_OF = {"a": "first number", "ones_a": "first number", "tens_a": "first number", "b": "second number"}
_IN_CONTEXT = ("a", "b", "ones_sum")


def swaps(name: str, kind: str) -> Sequence[Swap]:
    """Pairs of held-out sums in one of the texts that differ in a variable."""
    differ = VARIABLES_OF_A_SUM[name]
    pairs = list(addition.PAIRS["heldout"])
    Random(f"interchange of {name} in {kind}").shuffle(pairs)
    found: list[Swap] = []
    for number, base in enumerate(pairs):
        source = next((pair for pair in pairs[number:] + pairs[:number] if differ(base, pair)), None)
        if source is not None:
            before, after = (addition.write_sum(*pair, kind) for pair in (base, source))
            kept, moved = frozenset({before.target}), frozenset({after.target})
            found.append(Swap(before.prompt, after.prompt, kept, moved))
        if len(found) == N_SWAPS:
            break
    return found


def _roles(kind: str) -> tuple[str, ...]:
    """The words of the text; operands by their place."""
    return distinct(_ROLE_OF.get(word, word) for word in addition.FRAMES[kind].split()[:-1])


def _variable(name: str, kind: str) -> Variable:
    roles = _roles(kind)
    return Variable(
        phenomenon=addition.PHENOMENON,
        name=name if kind == "calc" else f"{name}_{kind}",
        roles=roles,
        swaps=partial(swaps, name, kind),
        intended=(_OPERAND_OF.get(name, roles[-1]),),
    )


VARIABLES: tuple[Variable, ...] = (
    *(_variable(name, "calc") for name in VARIABLES_OF_A_SUM),
    *(_variable(name, kind) for kind in addition.FRAMES if kind != "calc" for name in _IN_CONTEXT),
)
