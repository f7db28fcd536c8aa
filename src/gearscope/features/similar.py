"""Labels that are like some words: TF-IDF over words and groups of three characters. No torch, no key, no network.

    terms of a text   its words, and every three characters of them
    weight            idf = log(1 + N / (1 + n)), n labels of N with the term; half of that for characters
    score             cosine of query and label, from 0 to 1

Candidates come from the two full-text indexes by their rarest terms; each is then scored. The length of a label counts
the terms that it shares with the query exactly, and the others by the query's mean weight.
"""

import math
import re
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from gearscope.errors import ConfigError
from gearscope.features.database import as_artifact_error
from gearscope.features.notes import Notes
from gearscope.features.records import Label

_CANDIDATES = 400
_MOST_POSTINGS = 60_000
"""Labels that a query may touch in one index; the commonest terms are left out beyond that."""
_GRAM = 3


class LabelHit(NamedTuple):
    """A label, and how like the query it is."""

    label: Label
    score: float


def similar_labels(notes: Notes, words: str, most: int) -> list[LabelHit]:
    """The labels most like some words, the best first. Raises ConfigError for a query without letters or digits."""
    spelled = _words(words)
    if not spelled:
        raise ConfigError("words to search labels for were expected", found=repr(words))
    with as_artifact_error(notes.path):
        n_labels = notes.connection.execute("SELECT count(*) FROM label_words_docsize").fetchone()[0]
        # one of them at least is asked for, so that a query of common words finds something
        weights = _weights(notes.connection, spelled, n_labels)
        found = {*_candidates(notes.connection, "label_words", {t: w for t, w in weights.items() if t[0] == "w"})}
        found |= {*_candidates(notes.connection, "label_grams", {t: w for t, w in weights.items() if t[0] == "g"})}
    scored = [LabelHit(label, _score(label.text, weights)) for label in notes.by_ids(sorted(found))]
    return sorted(scored, key=lambda hit: (-hit.score, hit.label.number, hit.label.id))[:most]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class _Weight(NamedTuple):
    weight: float
    n: int
    """Labels with the term."""


def _terms(words: Iterable[str]) -> set[tuple[str, str]]:
    """("w", word) and ("g", three characters)."""
    found = set()
    for word in words:
        found.add(("w", word))
        found |= {("g", word[i : i + _GRAM]) for i in range(len(word) - _GRAM + 1)}
    return found


def _weights(connection: sqlite3.Connection, words: Iterable[str], n_labels: int) -> dict[tuple[str, str], _Weight]:
    weights = {}
    for kind, text in sorted(_terms(words)):
        n = _frequency(connection, kind, text)
        weights[kind, text] = _Weight((1.0 if kind == "w" else 0.5) * math.log(1 + n_labels / (1 + n)), n)
    return weights


def _frequency(connection: sqlite3.Connection, kind: str, text: str) -> int:
    if kind == "g":
        row = connection.execute("SELECT doc FROM gram_frequency WHERE term = ?", (text,)).fetchone()
        return row[0] if row else 0
    # words are stored by their stem, which the index knows and we do not: the shortest form that it has will do
    for stem in (text, text.removesuffix("s"), text.removesuffix("es"), text.removesuffix("ing")):
        row = connection.execute("SELECT doc FROM word_frequency WHERE term = ?", (stem,)).fetchone()
        if row:
            return row[0]
    return 0


def _candidates(connection: sqlite3.Connection, index: str, weights: dict[tuple[str, str], _Weight]) -> list[int]:
    chosen, touched = [], 0
    for (_, text), weight in sorted(weights.items(), key=lambda item: item[1].n):
        if weight.n and chosen and touched + weight.n > _MOST_POSTINGS:
            break
        chosen.append(f'"{text}"')
        touched += weight.n
    if not chosen:
        return []
    query = f"SELECT rowid FROM {index} WHERE {index} MATCH ? ORDER BY rank LIMIT ?"
    return [int(row[0]) for row in connection.execute(query, (" OR ".join(chosen), _CANDIDATES))]


def _score(text: str, weights: dict[tuple[str, str], _Weight]) -> float:
    terms = _terms(_words(text))
    shared = sum(weights[term].weight ** 2 for term in terms if term in weights)
    whole = sum(weight.weight**2 for weight in weights.values())
    others = sum(term not in weights for term in terms) * whole / len(weights)
    return shared / math.sqrt(whole * (shared + others)) if shared else 0.0
