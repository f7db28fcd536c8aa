"""What an interchange map is asked about: variables, each with pairs of prompts that differ in it. No torch.

Two prompts of one form differ in a hidden variable. The residual state at one layer and position of the base is
replaced by that of the source. If the variable lives there, the model goes on as the variable of the source says.
Geiger et al. 2021, *Causal Abstractions of Neural Networks* (interchange intervention accuracy).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Words = tuple[str, ...]


class Swap(NamedTuple):
    """Two prompts of one length, and the next words that are right before and after the swap.

    `kept` and `moved` share no word: a swap that moves nothing must not count as one that moves.
    """

    base: Words
    source: Words
    kept: frozenset[str]
    moved: frozenset[str]
    own: frozenset[str] = frozenset()
    """Next words that are right after the source itself, where they are not `moved`: a source that differs from the
    base in more than the variable."""

    @property
    def right_after_source(self) -> frozenset[str]:
        """Next words that are right after the source itself."""
        return self.own or self.moved


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One hidden variable in one form of text."""

    phenomenon: str
    name: str
    roles: tuple[str, ...]
    """Name of each position of the prompts (`<s>`, which comes first, is not among them)."""
    swaps: Callable[[], Sequence[Swap]]
    """Pairs of prompts in a fixed order, held-out compositions where the phenomenon has them."""
    intended: tuple[str, ...]
    """Roles at which the design of the text expects the variable to be carried, once it is computed."""

    @property
    def title(self) -> str:
        """How it is called among all variables, for instance `addition/ones_sum`."""
        return f"{self.phenomenon}/{self.name}"

    def __post_init__(self) -> None:
        assert all(self.roles.count(role) == 1 for role in self.intended), "an intended role names one position"


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Words as roles: one that stands there already gets its count (`year`, `year 2`)."""
    seen: Counter[str] = Counter()
    roles = []
    for word in words:
        seen[word] += 1
        roles.append(word if seen[word] == 1 else f"{word} {seen[word]}")
    return tuple(roles)
