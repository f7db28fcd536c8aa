"""The rule that tells best where a feature fires, by F1 over all tokens that may choose, less what it costs to say.

    F1 = 2 hits / (tokens named + tokens fired)

A clause is the best set of values of a column (`stack.py`). One that keeps nearly all firings may be a poor rule and a
good beginning, so the best few by F1 and by what they promise are kept, and each is asked again on the tokens that it
names (a beam). What is left over may earn another term.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer

from gearscope.labels.columns import Columns
from gearscope.labels.config import SearchConfig
from gearscope.labels.rules import Clause, Rule, Term
from gearscope.labels.stack import Sofar, Stack, ValueSet


class _Asked(NamedTuple):
    """A column of a stack, and some of its values."""

    stack: int
    column: int
    values: Integer[np.ndarray, " N"]


class _Part(NamedTuple):
    """A term on the way: what it names, among the tokens that may choose."""

    asked: tuple[_Asked, ...]
    hits: float
    named: float
    cost: float
    score: float
    """F1 of the rule with this term, less the cost."""


_Grown = tuple[_Part, Integer[np.ndarray, " J"] | None]
"""A part, and the tokens that it names: of a proposal, those without its last clause."""


class Found(NamedTuple):
    """A rule, and what it is worth on the tokens that chose it."""

    rule: Rule
    f1: float
    score: float
    """F1 less the cost."""


class Search:
    """Looks for rules on some windows' tokens. `may` marks those that may choose."""

    def __init__(self, columns: Columns, may: Bool[np.ndarray, " T"], config: SearchConfig) -> None:
        self._columns, self._may, self._config = columns, may, config
        self._known: dict[tuple[str, ...], Stack] = {}

    def best(self, fires: Integer[np.ndarray, " K"], *sides: tuple[str, ...]) -> Found | None:
        """The best rule over the columns of some sides for a feature that fires on these tokens; None without one."""
        fired = np.zeros(self._columns.n_tokens, bool)
        fired[fires] = True
        fired &= self._may
        n_fired = int(np.count_nonzero(fired))
        if n_fired < self._config.least_firings:
            return None
        stacks = [self._stack(side) for side in sides]
        terms: list[Term] = []
        taken = np.zeros(self._columns.n_tokens, bool)
        sofar, cost, score = Sofar(0, 0, n_fired), 0.0, 0.0
        while len(terms) < self._config.terms and sofar.hits < self._config.enough * n_fired:
            grown = self._term(stacks, fired & ~taken, self._may & ~taken, sofar)
            if grown is None or grown[0].score - cost < score + self._config.gain:
                break
            part, named = grown
            terms.append(Term(tuple(_clause(stacks, asked) for asked in part.asked)))
            sofar = Sofar(sofar.hits + int(part.hits), sofar.named + int(part.named), n_fired)
            score, cost = part.score - cost, cost + part.cost
            taken[named] = True
        return Found(Rule(tuple(terms)), _f1(sofar, 0, 0), score) if terms else None

    def _stack(self, side: tuple[str, ...]) -> Stack:
        if side not in self._known:
            self._known[side] = Stack(self._columns, side, self._may, self._config)
        return self._known[side]

    def _term(self, stacks: Sequence[Stack], fired: np.ndarray, free: np.ndarray, sofar: Sofar) -> _Grown | None:
        """The best conjunction that names free tokens, beside the terms before, and the tokens that it names."""
        whole = None if sofar.named == 0 else np.flatnonzero(free)
        beam: list[_Grown] = [(_Part((), int(np.count_nonzero(fired)), int(np.count_nonzero(free)), 0.0, 0.0), whole)]
        best: _Grown | None = None
        for _ in range(self._config.clauses):
            grown: dict[tuple[float, float], _Grown] = {}
            for part, rows in beam:
                for one in _grow(stacks, part, rows, fired, sofar):
                    grown.setdefault((one.hits, one.named), (one, rows))
            by_score = sorted(grown.values(), key=lambda each: -each[0].score)[: self._config.by_f1]
            by_promise = sorted(grown.values(), key=lambda each: -_promise(each[0], sofar))[: self._config.by_recall]
            kept = {id(part): (part, rows) for part, rows in (*by_score, *by_promise)}
            counted = [self._counted(stacks, part, rows, fired, sofar) for part, rows in kept.values()]
            first = max(counted, key=lambda each: each[0].score, default=None)
            if first is None or (best is not None and first[0].score < best[0].score + self._config.gain):
                break
            best = first
            beam = [(part, rows) for part, rows in counted if self._is_worth(part, sofar, best[0])]
        return best

    def _counted(
        self, stacks: Sequence[Stack], part: _Part, rows: np.ndarray | None, fired: np.ndarray, sofar: Sofar
    ) -> _Grown:
        """A proposal with what it really names, and those tokens."""
        last = part.asked[-1]
        rows = stacks[last.stack].narrowed(last.column, last.values, rows)
        hits, named, n_values = int(np.count_nonzero(fired[rows])), len(rows), len(last.values)
        paid = sofar.hits + hits - n_values * self._config.firings_per_value
        score = 2 * paid / (sofar.named + named + sofar.fired) - part.cost
        return part._replace(hits=hits, named=named, score=score), rows

    def _is_worth(self, part: _Part, sofar: Sofar, best: _Part) -> bool:
        """Whether one more clause could make it better than the best; and it does not name almost everything."""
        at_best = _f1(sofar, part.hits, part.hits) - part.cost - self._config.cost
        narrow = part.named <= max(self._config.broadest * part.hits, self._config.broad)
        return narrow and at_best > best.score + self._config.gain


def _grow(
    stacks: Sequence[Stack], part: _Part, rows: np.ndarray | None, fired: np.ndarray, sofar: Sofar
) -> Sequence[_Part]:
    """The part with one more clause: the best sets of every column that it has not asked."""
    used = {(asked.stack, asked.column) for asked in part.asked}
    found = []
    for number, stack in enumerate(stacks):
        for one in stack.best_sets(rows, fired, sofar, part.cost):
            whole = rows is not None and one.named >= len(rows)
            if not whole and (number, one.column) not in used:
                found.append(_with(part, number, one))
    return found


def _with(part: _Part, stack: int, one: ValueSet) -> _Part:
    return _Part((*part.asked, _Asked(stack, one.column, one.values)), one.hits, one.named, one.cost, one.score)


def _clause(stacks: Sequence[Stack], asked: _Asked) -> Clause:
    stack = stacks[asked.stack]
    values = stack.columns[asked.column].values
    return Clause(stack.names[asked.column], tuple(values[value] for value in asked.values.tolist()))


def _f1(sofar: Sofar, hits: int | float, named: int | float) -> float:
    return 2 * (sofar.hits + hits) / max(1, sofar.named + named + sofar.fired)


def _promise(part: _Part, sofar: Sofar) -> float:
    """F1 if further clauses took away three in four of the tokens that the part names in vain."""
    vain = max(0.0, part.named - part.hits)
    return 2 * (sofar.hits + part.hits) / (sofar.named + part.hits + vain / 4 + sofar.fired) - part.cost
