"""A rule: text that says on which tokens a feature fires, and that a program can run. numpy alone.

    rule    term {" or " term}
    term    clause {" and " clause}
    clause  column " in " list            a column of `columns.py`; a JSON list of strings or of whole numbers

    token in ["is", "was"] and recent in ["capital"] or sum.ones in [5]

Knows nothing about how rules are found.
"""

import json
import re
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Integer

from gearscope.errors import ConfigError
from gearscope.labels.columns import KNOWN, Columns, Value, is_output

_LONGEST, _MOST_CLAUSES = 100_000, 64


Side = Literal["input", "output", "both"]


class Clause(NamedTuple):
    """A column has one of some values."""

    column: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.column} in {json.dumps(list(self.values), ensure_ascii=False)}"


class Term(NamedTuple):
    """All of some clauses hold."""

    clauses: tuple[Clause, ...]

    def __str__(self) -> str:
        return " and ".join(map(str, self.clauses))

    def among(self, columns: Columns, rows: Integer[np.ndarray, " J"] | None = None) -> Integer[np.ndarray, " L"]:
        """The tokens that it names, among some in order (None for all)."""
        for clause in self.clauses:
            rows = columns[clause.column].having(clause.values, rows)
        assert rows is not None, "a term has a clause"
        return rows


class Rule(NamedTuple):
    """One of some terms holds."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.terms))

    def holds(self, columns: Columns, rows: Integer[np.ndarray, " J"] | None = None) -> Bool[np.ndarray, " T"]:
        """The tokens that it names, as booleans over all tokens of the windows; of some in order alone, if asked."""
        found = np.zeros(columns.n_tokens, bool)
        for term in self.terms:
            found[term.among(columns, rows)] = True
        return found

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """Those of all terms."""
        return tuple(clause for term in self.terms for clause in term.clauses)

    @property
    def asks(self) -> Side:
        """`input`, `output` (the next token alone) or `both`."""
        sides = {is_output(clause.column) for clause in self.clauses}
        return "both" if len(sides) > 1 else "output" if True in sides else "input"


_CLAUSE = re.compile(r"([a-z_]+(?:\.[a-z]+|@[+-]\d+)?) in (?=\[)")
_DECODER = json.JSONDecoder()


def parse_rule(text: str) -> Rule:
    """Read a rule. Raises ConfigError that says where it stops being one."""
    terms: list[list[Clause]] = [[]]
    at = 0
    if len(text) > _LONGEST:
        raise _not_a_rule("a longer text", 0)
    while True:
        clause, at = _clause(text, at)
        terms[-1].append(clause)
        if at == len(text):
            break
        if text.startswith(" or ", at):
            terms.append([])
            at += len(" or ")
        elif text.startswith(" and ", at):
            at += len(" and ")
        else:
            raise _not_a_rule(text[at:], at)
        if sum(map(len, terms)) >= _MOST_CLAUSES:
            raise _not_a_rule(f"more than {_MOST_CLAUSES} clauses", at)
    return Rule(tuple(Term(tuple(clauses)) for clauses in terms))


def _clause(text: str, at: int) -> tuple[Clause, int]:
    match = _CLAUSE.match(text, at)
    if match is None or match[1] not in KNOWN:
        raise _not_a_rule(text[at:], at)
    try:
        values, end = _DECODER.raw_decode(text, match.end())
    except (ValueError, RecursionError) as error:
        raise _not_a_rule(text[at:], at) from error
    if not values or any(type(value) not in (str, int) for value in values):
        raise _not_a_rule(text[match.end() :], match.end())
    return Clause(match[1], tuple(values)), end


def _not_a_rule(found: str, at: int) -> ConfigError:
    hint = f"a clause is COLUMN in [VALUES]; columns are {', '.join(sorted(KNOWN))}"
    return ConfigError('a rule such as token in ["is"] and recent in ["capital"] was expected',
                       found=f"{found:.40} at character {at}", hint=hint)  # fmt: skip
