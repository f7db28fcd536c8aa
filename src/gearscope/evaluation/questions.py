"""Questions with a known answer, asked of many features at once: on which tokens is this true? numpy and scipy alone.

    tells       F1 of .8 or more and balanced accuracy of .9 or more, of what fires against what is true

Questions of one exam share their tokens: each is a column of truth. Features are columns of firings, sparse. Beside
exams over documents (`exams`) stands the plane of all sums: for 0 <= a, b < 100, every value, last digit, pair of last
digits and interval, of a, b and a + b, from sums along the plane (`plane_questions`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import sparse

from gearscope.evaluation.places import Labelled, Places
from gearscope.organism.world.document import Value

F1_BAR, BALANCED_BAR = 0.8, 0.9
LEAST = 8
"""Documents with a value, for a question about it."""
LEAST_IN_HALF = 3


class Exam(NamedTuple):
    """The questions about one variable at one place."""

    variable: str
    where: str
    values: tuple[Value, ...]
    tokens: tuple[Labelled, ...]
    answer: Integer[np.ndarray, " P"]
    """Which of the values each token has, -1 for another one."""


class Told(NamedTuple):
    """The question that each feature tells best: its F1 (0 where it tells none), and which one."""

    f1: Float[np.ndarray, " F"]
    question: Integer[np.ndarray, " F"]


def exams(labelled: Places) -> Iterator[Exam]:
    """Every variable at every place, with the values that enough documents have there, and that not all have."""
    for (variable, where), tokens in labelled.items():
        count: dict[Value, list[int]] = {}
        for token in tokens:
            count.setdefault(token.value, [0, 0])[token.document % 2] += 1
        enough = [value for value, sides in count.items() if sum(sides) >= LEAST and min(sides) >= LEAST_IN_HALF]
        values = tuple(sorted(enough, key=str))
        if len(count) > 1 and values:
            index = {value: number for number, value in enumerate(values)}
            answer = np.array([index.get(token.value, -1) for token in tokens])
            yield Exam(variable, where, values, tokens, answer)


def tells(hits: np.ndarray, true: np.ndarray, fired: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """F1, and whether both bars are reached; the arguments broadcast."""
    f1 = 2 * hits / np.maximum(1, true + fired)
    rest = n - true
    balanced = (hits / np.maximum(1, true) + 1 - (fired - hits) / np.maximum(1, rest)) / 2
    passed = (f1 >= F1_BAR) & (balanced >= BALANCED_BAR) & (true > 0) & (rest > 0)
    return np.asarray(f1), np.asarray(passed)


def told(exam: Exam, fires: sparse.csr_array, rows: Bool[np.ndarray, " P"]) -> Told:
    """What features tell on some of an exam's tokens. `fires` is [P, F]."""
    answer, some = exam.answer[rows], fires[np.flatnonzero(rows)]
    known = np.flatnonzero(answer >= 0)
    shape = (len(exam.values), len(answer))
    right = sparse.csr_array((np.ones(len(known)), (answer[known], known)), shape=shape)
    hits = np.asarray((right @ some).todense())
    true, fired = np.asarray(right.sum(1)).ravel(), np.asarray(some.sum(0)).ravel()
    f1, passed = tells(hits, true[:, None], fired[None, :], len(answer))
    kept = np.where(passed, f1, 0.0)
    return Told(kept.max(0), kept.argmax(0))


def answers_right(truth: Bool[np.ndarray, " P"], named: Bool[np.ndarray, " P"]) -> bool:
    """Whether what is named tells what is true."""
    hits, true, fired = (np.array(int(x.sum())) for x in (truth & named, truth, named))
    return bool(tells(hits, true, fired, len(truth))[1])


SIDE = 100
SUMS = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
"""a + b for prompt 100 a + b."""


class PlaneQuestion(NamedTuple):
    """A set of sums: variable and the values that belong to it, from `low` to `high`."""

    variable: str
    low: int
    high: int

    def truth(self) -> Bool[np.ndarray, " 10000"]:
        """Which of the prompts belong to it."""
        found = PLANE[self.variable]
        return (found >= self.low) & (found <= self.high)

    def holds(self, values: Mapping[str, Value | None]) -> bool:
        """Whether it is so where variables have these values; no where a number that it needs is not known."""
        a, b = (values.get(name) if name in _NEEDS.get(self.variable, "ab") else 0 for name in "ab")
        known = isinstance(a, int) and isinstance(b, int) and 0 <= a < SIDE and 0 <= b < SIDE
        return known and self.low <= int(PLANE[self.variable][SIDE * a + b]) <= self.high

    def __str__(self) -> str:
        return f"{self.variable} {self.low}" if self.low == self.high else f"{self.variable} {self.low} to {self.high}"


_A, _B = np.divmod(np.arange(SIDE * SIDE), SIDE)
PLANE: dict[str, np.ndarray] = {
    "a": _A, "b": _B, "sum": SUMS, "ones of a": _A % 10, "ones of b": _B % 10, "ones of sum": SUMS % 10,
    "ones of both": _A % 10 * 10 + _B % 10, "ones summed": _A % 10 + _B % 10,
}  # fmt: skip
"""Variable -> its value for each prompt."""
_NEEDS = {"a": "a", "b": "b", "ones of a": "a", "ones of b": "b"}
"""The numbers that decide a variable, where it is not both."""
_IN_ORDER = ("a", "b", "sum")
"""Variables of which intervals are asked."""


def plane_questions(fires: Bool[np.ndarray, " 10000"]) -> tuple[float, PlaneQuestion | None]:
    """The question about the plane that one feature tells best, and its F1."""
    fired, n = np.array(int(fires.sum())), len(fires)
    best, chosen = 0.0, None
    for variable, value in PLANE.items():
        hits, true = np.bincount(value, fires), np.bincount(value)
        if variable in _IN_ORDER:
            low, high = np.triu_indices(len(true))
            up_to, there = np.append(0, np.cumsum(hits)), np.append(0, np.cumsum(true))
            hits, true = up_to[high + 1] - up_to[low], there[high + 1] - there[low]
        else:
            low = high = np.arange(len(true))
        f1, passed = tells(hits, true, fired, n)
        f1 = np.where(passed, f1, 0.0)
        at = int(f1.argmax())
        if f1[at] > best + 1e-9:
            best, chosen = float(f1[at]), PlaneQuestion(variable, int(low[at]), int(high[at]))
    return best, chosen


def by_feature(columns: Sequence[np.ndarray], n_features: int, n_tokens: int) -> sparse.csr_array:
    """Firings (token, feature) as a matrix of ones."""
    token, feature = columns
    return sparse.csr_array((np.ones(len(token)), (token, feature)), shape=(n_tokens, n_features))
