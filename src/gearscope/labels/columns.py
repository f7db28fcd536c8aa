"""What a rule can ask of a token, as columns of values over all tokens of some windows. numpy alone.

    token  class  prefix  suffix  ones  tens      of the token; of the next (`token@+1`); token and class of up to 4
                                                  before (`token@-1`)
    pair                                          the token and the one before it, side by side
    last.value  last.ones  last.tens  first.…     the last number among the token and the 9 before it; the one before
    sum.value   sum.ones   sum.tens   sum.units   of the two; `units` is the sum of their ones digits, 0 to 18
    both.ones                                     their ones digits, the first one's first
    recent                                        any word among the token and the 7 before it
    recent_pair                                   any pair of neighbours among the last 10
    line                                          any word of the line so far, among the last 24
    opening  place                                the first two words of the line; tokens of the line before this one

A column has at most one value at a token, or several (`recent` and below). Values have names, as they stand in rules:
strings, or whole numbers. A line ends with a token that holds a line break, or a special one. Nothing reaches over the
beginning of a window. Knows nothing about features.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer

Value = str | int

BACK = 4
"""Tokens before the token that are asked for one by one."""
NUMBERS_WITHIN = 10
RECENT, PAIRS_AMONG, LINE_AMONG = 8, 10, 24
"""Tokens among which words are looked for."""
FURTHEST = 24
"""Places in a line from which on they are not told apart."""
_LETTERS = 3
_SPECIAL = re.compile(r"<[|/]?[\w ]+[|]?>")
_NONE = -1


@dataclass(frozen=True)
class Column:
    """Values over tokens: `at` holds indices into `values`, -1 for none; [T], or [T, several]."""

    values: tuple[Value, ...]
    at: Integer[np.ndarray, "..."]

    @property
    def several(self) -> bool:
        """Whether a token may have more than one value."""
        return self.at.ndim == 2

    @cached_property
    def index(self) -> dict[Value, int]:
        """Value -> its number."""
        return {value: number for number, value in enumerate(self.values)}

    @cached_property
    def totals(self) -> Integer[np.ndarray, " N"]:
        """Tokens with each value, first positions left out by the `at` of those being -1."""
        return counts(self.at, len(self.values))

    def having(
        self, values: Sequence[Value], rows: Integer[np.ndarray, " J"] | None = None
    ) -> Integer[np.ndarray, " L"]:
        """The tokens with one of these values, among some in order (None for all); a value may occur nowhere."""
        return self.narrowed(np.array([self.index[value] for value in values if value in self.index], np.int64), rows)

    def narrowed(
        self, numbers: Integer[np.ndarray, " N"], rows: Integer[np.ndarray, " J"] | None
    ) -> Integer[np.ndarray, " L"]:
        """The same for values by their numbers."""
        each = self.at.shape[1] if self.several else 1
        if rows is not None and each * len(rows) < int(self.totals[numbers].sum()):
            wanted = np.zeros(len(self.values) + 1, bool)
            wanted[numbers] = True
            held = wanted[self.at[rows]]
            return rows[held.any(1) if self.several else held]
        begin, posting = self._postings
        marked = np.zeros(len(self.at), bool)
        for number in numbers.tolist():
            marked[posting[begin[number] : begin[number + 1]]] = True
        return np.flatnonzero(marked) if rows is None else rows[marked[rows]]

    @cached_property
    def _postings(self) -> tuple[Integer[np.ndarray, " N1"], Integer[np.ndarray, " P"]]:
        """The tokens of each value: value v has posting[begin[v] : begin[v + 1]]."""
        flat = self.at.ravel()
        order = np.argsort(flat, kind="stable")
        order = order[np.searchsorted(flat[order], 0) :]
        each = self.at.shape[1] if self.several else 1
        return np.append(0, np.cumsum(self.totals)), (order // each).astype(np.int32)


def counts(at: Integer[np.ndarray, "..."], n_values: int) -> Integer[np.ndarray, " N"]:
    """How many tokens have each value."""
    return np.bincount(at.ravel() + 1, minlength=n_values + 1)[1:]


class Words(NamedTuple):
    """What the strings of a vocabulary are like: name -> (values, value of each token id, or -1)."""

    tables: dict[str, tuple[tuple[Value, ...], Integer[np.ndarray, " V"]]]
    numbers: Integer[np.ndarray, " V"]
    """The number that a token is, -1 for none."""
    ends: Bool[np.ndarray, " V"]
    """Whether a token ends a line."""


def words(vocabulary: Sequence[str]) -> Words:
    """Look at every string of a vocabulary once. Strings that differ in spaces around them alone are one word."""
    plain = [text.strip() or text for text in vocabulary]
    numbers = np.array([int(word) if re.fullmatch(r"\d{1,9}", word, re.ASCII) else _NONE for word in plain])
    long = [len(word) > _LETTERS + 1 and word.isalpha() for word in plain]
    lists: dict[str, list[Value | None]] = {
        "token": list(plain),
        "class": [word_class(text) for text in vocabulary],
        "prefix": [word[:_LETTERS].lower() if is_long else None for word, is_long in zip(plain, long, strict=True)],
        "suffix": [word[-_LETTERS:].lower() if is_long else None for word, is_long in zip(plain, long, strict=True)],
        "ones": [number % 10 if number >= 0 else None for number in numbers.tolist()],
        "tens": [number // 10 if number >= 0 else None for number in numbers.tolist()],
    }
    ends = np.array(["\n" in text or _SPECIAL.fullmatch(text) is not None for text in vocabulary], bool)
    return Words({name: _table(column) for name, column in lists.items()}, numbers, ends)


def word_class(text: str) -> str:
    """number, mark, space, word, Word or WORD."""
    word = text.strip()
    if not word:
        return "space"
    if word.isdigit():
        return "number"
    if not any(letter.isalnum() for letter in word):
        return "mark"
    if len(word) > 1 and word.isupper():
        return "WORD"
    return "Word" if word[0].isupper() else "word"


def _table(column: Sequence[Value | None]) -> tuple[tuple[Value, ...], np.ndarray]:
    known: dict[Value, int] = {}
    at = [_NONE if value is None else known.setdefault(value, len(known)) for value in column]
    return tuple(known), np.array(at, np.int32)


NEXT = "@+1"


def is_output(name: str) -> bool:
    """Whether a column looks at the next token."""
    return name.endswith(NEXT)


class Columns:
    """The columns of some windows of token ids [W, P], made when they are first asked for; tokens are all of W P."""

    def __init__(self, windows: Integer[np.ndarray, "W P"], vocabulary: Words) -> None:
        self._windows, self._words = np.asarray(windows, np.int64), vocabulary
        self._known: dict[str, Column] = {}
        self.n_tokens = self._windows.size

    def __getitem__(self, name: str) -> Column:
        if name not in self._known:
            self._known[name] = self._make(name)
        return self._known[name]

    def _make(self, name: str) -> Column:
        base, _, offset = name.partition("@")
        if base in self._words.tables:
            values, table = self._words.tables[base]
            return Column(values, self._shifted(table[self._windows], int(offset or 0)).ravel())
        if name == "pair":
            values, at = self._pairs
            return Column(values, at.ravel())
        if name == "recent_pair":
            values, at = self._pairs
            return Column(values, _among(at, PAIRS_AMONG))
        if name in ("recent", "line"):
            values, table = self._words.tables["token"]
            of_line = (LINE_AMONG, self._place) if name == "line" else (RECENT,)
            return Column(values, _among(table[self._windows], *of_line))
        if name == "opening":
            return self._opening()
        if name == "place":
            return Column(tuple(range(FURTHEST + 1)), np.minimum(self._place, FURTHEST).astype(np.int32).ravel())
        if name in NUMBER_COLUMNS:
            return self._number(name)
        raise KeyError(name)

    def _shifted(self, at: Integer[np.ndarray, "W P"], offset: int) -> Integer[np.ndarray, "W P"]:
        """What stands `offset` tokens on; -1 outside the window."""
        found = np.full_like(at, _NONE)
        if offset > 0:
            found[:, :-offset] = at[:, offset:]
        elif offset < 0:
            found[:, -offset:] = at[:, :offset]
        else:
            found[:] = at
        return found

    @cached_property
    def _pairs(self) -> tuple[tuple[Value, ...], Integer[np.ndarray, "W P"]]:
        values, table = self._words.tables["token"]
        here = table[self._windows].astype(np.int64)
        before = self._shifted(here, -1)
        code = np.where(before < 0, _NONE, before * len(values) + here)
        known, at = np.unique(code, return_inverse=True)
        first = int(len(known) > 0 and known[0] == _NONE)
        names = tuple(f"{values[one // len(values)]} {values[one % len(values)]}" for one in known[first:].tolist())
        return names, at.reshape(here.shape).astype(np.int32) - first

    @cached_property
    def _place(self) -> Integer[np.ndarray, "W P"]:
        """How many tokens of the line stand before each."""
        at = np.arange(self._windows.shape[1])
        begins = np.zeros(self._windows.shape, np.int64)
        begins[:, 1:] = np.where(self._words.ends[self._windows[:, :-1]], at[1:], 0)
        return at - np.maximum.accumulate(begins, axis=1)

    def _opening(self) -> Column:
        """The first two words of the line, from the second on."""
        values, at = self._pairs
        second = np.arange(at.shape[1]) - self._place + 1
        found = np.take_along_axis(at, np.minimum(second, at.shape[1] - 1), axis=1)
        return Column(values, np.where(self._place > 0, found, _NONE).astype(np.int32).ravel())

    @cached_property
    def _last_two(self) -> tuple[Integer[np.ndarray, " T"], Integer[np.ndarray, " T"]]:
        """The last number and the one before it, -1 for none."""
        numbers = self._words.numbers[self._windows]
        last, before = np.full(numbers.shape, _NONE), np.full(numbers.shape, _NONE)
        for back in range(NUMBERS_WITHIN):
            here = self._shifted(numbers, -back)
            before = np.where((before < 0) & (last >= 0), here, before)
            last = np.where(last < 0, here, last)
        return last.ravel(), before.ravel()

    def _number(self, name: str) -> Column:
        last, first = self._last_two
        which, _, what = name.partition(".")
        if which == "both":
            both = first >= 0
            at = np.where(both, first % 10 * 10 + last % 10, _NONE)
            return Column(tuple(f"{one // 10} {one % 10}" for one in range(100)), at.astype(np.int32))
        if which == "sum":
            number = np.where(first >= 0, first % 10 + last % 10 if what == "units" else first + last, _NONE)
        else:
            number = last if which == "last" else first
        shown = np.where(number < 0, _NONE, {"ones": number % 10, "tens": number // 10}.get(what, number))
        known, at = np.unique(shown, return_inverse=True)
        start = int(len(known) > 0 and known[0] == _NONE)
        return Column(tuple(known[start:].tolist()), at.ravel().astype(np.int32) - start)


def _among(
    at: Integer[np.ndarray, "W P"], most: int, before: Integer[np.ndarray, "W P"] | None = None
) -> Integer[np.ndarray, "T M"]:
    """The values at a token and at those before it (at most so many before, if given), each once."""
    found = np.full((most, *at.shape), _NONE, np.int32)
    for back in range(min(most, at.shape[1])):
        found[back, :, back:] = at[:, : at.shape[1] - back]
        if before is not None:
            found[back][before < back] = _NONE
        found[back][(found[back] == found[:back]).any(0)] = _NONE
    return np.ascontiguousarray(found.reshape(most, -1).T)


NUMBER_COLUMNS = (
    *(f"{which}.{what}" for which in ("last", "first", "sum") for what in ("value", "ones", "tens")),
    *("sum.units", "both.ones"),
)
_AT_TOKEN = ("token", "class", "prefix", "suffix", "ones", "tens")
INPUT = (
    *_AT_TOKEN,
    *(f"{name}@-{back}" for back in range(1, BACK + 1) for name in ("token", "class")),
    *("pair", *NUMBER_COLUMNS, "opening", "place", "recent", "recent_pair", "line"),
)
"""Columns of what stands at a token and before it."""
OUTPUT = tuple(f"{name}{NEXT}" for name in _AT_TOKEN)
"""Columns of the next token."""
KNOWN = frozenset((*INPUT, *OUTPUT))
