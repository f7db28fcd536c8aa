"""A rule in English, saying no more than the rule does. Knows nothing about features.

token in ["is"] and recent in ["capital"]   ->   "is", with "capital" among the last 8
token@+1 in ["rabbit"]                      ->   next comes "rabbit"
last.ones in [6] or sum.ones in [5]         ->   the last number ends in 6; or the last two numbers sum to …5
"""

import re
from collections.abc import Sequence

from gearscope.labels.columns import PAIRS_AMONG, RECENT, Value
from gearscope.labels.rules import Clause, Rule, Term

_SHOWN = 6
"""Values of a list that are written out."""
_AROUND = ("recent", "recent_pair", "line", "opening", "place")
_CLASSES = {
    "number": "a number",
    "mark": "a mark",
    "space": "white space",
    "word": "a word in small letters",
    "Word": "a word with a capital",
    "WORD": "a word in capitals",
}


def in_words(rule: Rule) -> str:
    """The rule as a phrase."""
    return "; or ".join(_term(term) for term in rule.terms)


def obscure(tokens: Sequence[str], position: int, around: int = 6) -> str:
    """What is said of a feature that no rule tells: its strongest example, and nothing else."""
    before = "".join(_spaced(tokens[max(0, position - around) : position]))
    after = "".join(_spaced(tokens[position + 1 : position + 1 + around // 2]))
    return f"obscure: no rule found; strongest in “{before}»{tokens[position].strip() or '⏎'}«{after}”".replace(
        "\n", "⏎"
    )


def _spaced(tokens: Sequence[str]) -> list[str]:
    """Tokens with a space between those that bring none."""
    bring = any(token[:1].isspace() and token.strip() for token in tokens)
    return list(tokens) if bring else [f" {token} " if token.strip() else token for token in tokens]


def _term(term: Term) -> str:
    said = [_clause(clause) for clause in sorted(term.clauses, key=_order)]
    return ", ".join(said)


def _order(clause: Clause) -> tuple[int, str]:
    """The token first, then its neighbours, what is near, what comes next."""
    name = clause.column
    here = "@" not in name and "." not in name and name not in _AROUND
    return (0 if here else 2 if name.endswith("@+1") else 1, name)


def _clause(clause: Clause) -> str:
    name, values = clause
    base, _, offset = name.partition("@")
    if name in _AROUND:
        return _around(name, values)
    if "." in name:
        return _numbers(*name.split("."), values)
    said = _what(base, values)
    if not offset:
        return said
    steps = int(offset)
    if steps > 0:
        return f"next comes {said}"
    return f"after {said}" if steps == -1 else f"{-steps} after {said}"


def _around(name: str, values: Sequence[Value]) -> str:
    if name == "place":
        return f"with {_list(_runs(values))} tokens of its line before it"
    said = {
        "recent": f"among the last {RECENT}",
        "recent_pair": f"among the last {PAIRS_AMONG}",
        "line": "in its line so far",
        "opening": "at the beginning of its line",
    }
    return f"with {_any(values)} {said[name]}"


def _what(base: str, values: Sequence[Value]) -> str:
    if base == "class":
        return " or ".join(_CLASSES.get(str(value), str(value)) for value in values)
    if base in ("prefix", "suffix"):
        shown = [f"{value}-" if base == "prefix" else f"-{value}" for value in values]
        return f"a word {'beginning' if base == 'prefix' else 'ending'} in {_list(shown)}"
    if base == "ones":
        return f"a number ending in {_list([str(value) for value in sorted(values, key=_size)])}"
    if base == "tens":
        return f"a number in {_bands(values)}"
    return _any(values)


def _numbers(which: str, what: str, values: Sequence[Value]) -> str:
    if which == "both":
        pairs = [" and ".join(str(value).split()) for value in values]
        return f"the last two numbers end in {_list(pairs)}"
    subject = {
        "last": "the last number",
        "first": "the number before the last",
        "sum": "the sum of the last two numbers",
    }
    if what == "units":
        return f"the ones of the last two numbers sum to {_list(_runs(values))}"
    ends = {"ones": f"ends in {_list([str(v) for v in sorted(values, key=_size)])}", "tens": f"is in {_bands(values)}"}
    return f"{subject[which]} {ends.get(what, f'is {_list(_runs(values))}')}"


def _any(values: Sequence[Value]) -> str:
    words = [str(value) for value in values]
    if len(words) > 2 and all(re.fullmatch(r"\d{1,9}", word) for word in words):
        return _list(_runs([int(word) for word in words]))
    return _list([f'"{word}"'.replace("\n", "⏎") for word in words])


def _runs(values: Sequence[Value]) -> list[str]:
    """Numbers in order, neighbours as a range."""
    numbers, found = sorted({int(value) for value in values}), []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [str(low) if low == high else f"{low} to {high}" for low, high in found]


def _bands(values: Sequence[Value]) -> str:
    """Tens digits as the numbers that have them."""
    ranges = [run.split(" to ") for run in _runs(values)]
    return _list([f"{int(run[0]) * 10} to {int(run[-1]) * 10 + 9}" for run in ranges])


def _list(shown: Sequence[str]) -> str:
    if len(shown) > _SHOWN:
        return f"{', '.join(shown[:_SHOWN])} and {len(shown) - _SHOWN} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _size(value: Value) -> int:
    return int(value)
