"""Labels that are like some words: TF-IDF over words and groups of three characters. No torch, no key, no network.

    terms of a text   its words, its words without their endings, and every three characters of them
    weight            idf = log(1 + N / (1 + n)), n labels of N with the term; half for whole words and characters
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

_CANDIDATES = 100
"""Of one index; each is then scored."""
_MOST_POSTINGS = {"label_words": 10_000, "label_grams": 1_000}
"""Labels that are ranked by each index; beyond that the commonest terms are left out, and then the ranking."""
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
        n_labels = notes.connection.execute("SELECT coalesce(max(id), 0) FROM label").fetchone()[0]
        weights = _weights(notes.connection, (term for term in _terms(spelled) if term[0] != "g"), n_labels)
        words_n = {word: weights["w", _stem(word)].n for word in spelled}
        found, enough = _candidates(notes.connection, "label_words", words_n)
        if not enough:  # labels with all of the words are more alike than any with parts of them
            weights |= _weights(notes.connection, (term for term in _terms(spelled) if term[0] == "g"), n_labels)
            grams_n = {text: weight.n for (kind, text), weight in weights.items() if kind == "g"}
            found |= _candidates(notes.connection, "label_grams", grams_n)[0]
    whole = sum(weight.weight**2 for weight in weights.values())
    kinds = {kind for kind, _ in weights}
    scored = [LabelHit(label, _score(label.text, kinds, weights, whole)) for label in notes.by_ids(sorted(found))]
    return sorted(scored, key=lambda hit: (-hit.score, hit.label.number, hit.label.id))[:most]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class _Weight(NamedTuple):
    weight: float
    n: int
    """Labels with the term."""


def _stem(word: str) -> str:
    """A word without the commonest English endings: what Porter's stemmer, of the index, leaves of most words."""
    for ending in ("ing", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word.removesuffix(ending)
    return word


def _terms(words: Iterable[str]) -> set[tuple[str, str]]:
    """("w", word without its ending), ("e", exact word) and ("g", three characters)."""
    found = set()
    for word in words:
        found |= {("w", _stem(word)), ("e", word)}
        found |= {("g", word[i : i + _GRAM]) for i in range(len(word) - _GRAM + 1)}
    return found


def _weights(
    connection: sqlite3.Connection, terms: Iterable[tuple[str, str]], n_labels: int
) -> dict[tuple[str, str], _Weight]:
    weights, counts = {}, dict[tuple[str, str], int]()
    for kind, text in sorted(terms):
        where = ("gram_frequency", text) if kind == "g" else ("word_frequency", _stem(text) if kind == "e" else text)
        if where not in counts:  # counting reads all labels with the term
            counts[where] = _frequency(connection, *where)
        n = counts[where]
        weights[kind, text] = _Weight((1.0 if kind == "w" else 0.5) * math.log(1 + n_labels / (1 + n)), n)
    return weights


def _frequency(connection: sqlite3.Connection, table: str, term: str) -> int:
    row = connection.execute(f"SELECT doc FROM {table} WHERE term = ?", (term,)).fetchone()
    return row[0] if row else 0


def _candidates(connection: sqlite3.Connection, index: str, n_labels: dict[str, int]) -> tuple[set[int], bool]:
    """Labels with all of these terms, and labels with the rarest of them: as many terms as the index can bear.

    And whether those with all of them are as many as are looked at.
    """
    known = sorted((n, text) for text, n in n_labels.items() if n)
    if not known:
        return set(), False
    every = _matching(connection, index, " AND ".join(f'"{text}"' for _, text in known), known[0][0])
    if len(every) == _CANDIDATES and len(known) == len(n_labels):
        return set(every), True
    chosen, touched = [], 0
    for n, text in known:
        if chosen and touched + n > _MOST_POSTINGS[index]:
            break
        chosen.append(f'"{text}"')
        touched += n
    return {*every, *_matching(connection, index, " OR ".join(chosen), touched)}, False


def _matching(connection: sqlite3.Connection, index: str, query: str, touched: int) -> list[int]:
    """Labels that match, the best by the index's own measure where there are not too many to rank."""
    order = "ORDER BY rank" if touched <= _MOST_POSTINGS[index] else ""
    found = connection.execute(f"SELECT rowid FROM {index} WHERE {index} MATCH ? {order} LIMIT ?", (query, _CANDIDATES))
    return [int(row[0]) for row in found]


def _score(text: str, kinds: set[str], weights: dict[tuple[str, str], _Weight], whole: float) -> float:
    terms = [term for term in _terms(_words(text)) if term[0] in kinds]
    shared = sum(weights[term].weight ** 2 for term in terms if term in weights)
    others = sum(term not in weights for term in terms) * whole / len(weights)
    return shared / math.sqrt(whole * (shared + others)) if shared else 0.0
