"""Labels like some words: the same word first, then parts of words; never more than the index can bear."""

import pytest

from gearscope.features import similar
from gearscope.features.notes import Notes
from gearscope.features.records import NewLabel
from gearscope.features.similar import similar_labels

LABELS = (
    "the Golden Gate Bridge", "bridges and tunnels", "abridged texts", "gates in logic circuits", "gold and silver",
    "capital cities of Europe", "capitalised words", "code in Python", "months of the year",
)  # fmt: skip


@pytest.fixture
def notes(tmp_path):
    with Notes.write(tmp_path / "notes.sqlite") as opened:
        opened.add_labels([NewLabel(i, text, "llm") for i, text in enumerate(LABELS)])
        yield opened


def texts(notes, words):
    return [hit.label.text for hit in similar_labels(notes, words, 5)]


def test_the_same_words_come_first(notes):
    for label in LABELS:
        found = similar_labels(notes, label, 5)
        assert found[0].label.text == label
        assert found[0].score == pytest.approx(1)
        assert all(0 < hit.score < 1 for hit in found[1:])


def test_words_that_share_a_stem_or_a_part(notes):
    assert set(texts(notes, "bridge")[:2]) == {"the Golden Gate Bridge", "bridges and tunnels"}
    assert texts(notes, "capitals")[0].startswith("capital")
    assert texts(notes, "monthly")[0] == "months of the year"
    assert texts(notes, "pythonic") == ["code in Python"]
    assert texts(notes, "xyzzy") == []


def test_quotes_and_operators_are_words(notes):
    assert texts(notes, 'bridge" OR *')[0] == "the Golden Gate Bridge"
    assert texts(notes, "NOT NEAR(bridge)")[0] == "the Golden Gate Bridge"


def test_common_terms_are_left_out_where_they_would_touch_too_much(notes, monkeypatch):
    monkeypatch.setattr(similar, "_MOST_POSTINGS", {"label_words": 1, "label_grams": 1})
    assert texts(notes, "golden and")[0] == "the Golden Gate Bridge"
