"""Features whose rule asks for a value of a column: `recent=capital`, `token@+1=the`, `sum.ones=5`. No torch.

Labels by rule carry it in their details, as clauses `column in [values]` (how they are read: `labels/rules.py`).
"""

import json
import re
from typing import NamedTuple

from gearscope.features.notes import Notes

_ASKED = re.compile(r"([a-z_]+(?:\.[a-z]+|@[+-]\d+)?)=(.+)", re.DOTALL)
_DECODER = json.JSONDecoder()


class Asked(NamedTuple):
    """A column and a value, as somebody typed it."""

    column: str
    value: str


def asked(text: str) -> Asked | None:
    """`COLUMN=VALUE`, or None for other text."""
    match = _ASKED.fullmatch(text.strip())
    return None if match is None else Asked(match[1], match[2].strip().lower())


def asking(notes: Notes, wanted: Asked) -> dict[int, float]:
    """Features with such a rule, and the rule's score (0 where it has none)."""
    found: dict[int, float] = {}
    for label in notes.labels_with("rule", f"{wanted.column} in ["):
        rule = label.details.get("rule")
        if isinstance(rule, str) and _asks(rule, wanted):
            found[label.number] = max(found.get(label.number, 0.0), label.score or 0.0)
    return found


def _asks(rule: str, wanted: Asked) -> bool:
    """Whether a clause on the column has the value."""
    for match in re.finditer(rf"(?:^| (?:and|or) ){re.escape(wanted.column)} in (?=\[)", rule):
        try:
            values, _ = _DECODER.raw_decode(rule, match.end())
        except (ValueError, RecursionError):
            return False
        if wanted.value in (str(value).strip().lower() for value in values):
            return True
    return False
