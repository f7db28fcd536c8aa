"""What models write is read by a schema alone, and labels are one visible line."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gearscope.explainers.answers import LONGEST_LABEL, clean_label, read_answer, size_of
from gearscope.explainers.passages import Passage, block, level
from gearscope.explainers.prompts import LabelAnswer
from gearscope.explainers.protocol import CallFailedError, Message, Usage
from gearscope.explainers.scorers.judging import Verdicts


@given(st.text(max_size=400))
def test_a_label_is_one_bounded_line_of_visible_characters(text):
    found = clean_label(text)
    assert len(found) <= LONGEST_LABEL
    assert found == found.strip()
    assert not [char for char in found if unicodedata.category(char).startswith("C")]
    assert "\n" not in found
    assert clean_label(found) == found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tof text", "two lines of text"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("turned \u202e round\u200b", "turned round"),
        ("word " * 100, "word " * 38 + "word…"),
    ],
)
def test_labels_that_would_harm_a_terminal(text, shown):
    assert clean_label(text) == shown


@pytest.mark.parametrize(
    "text", ['{"label": "a"}', '```json\n{"label": "a"}\n```', 'Here you are: {"label": "a"}. Fine?']
)
def test_json_is_found(text):
    assert read_answer(text, LabelAnswer).label == "a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        '{"label": "a"',
        '{"label": null}',
        '["a"]',
        '{"label": "a"} {"label": "b"}',
        "{" * 100_000,
        '{"label": NaN}',
    ],
)
def test_what_is_no_answer_is_none(text):
    with pytest.raises(CallFailedError, match="malformed") as caught:
        read_answer(text, LabelAnswer, Usage(3, 4))
    assert caught.value.usage == Usage(3, 4)


def test_types_are_not_bent():
    with pytest.raises(CallFailedError):
        read_answer('{"verdicts": [{"id": "0", "holds": "yes"}]}', Verdicts)


@given(st.text())
def test_nothing_in_data_closes_its_block(text):
    told = block("fires", [{"text": text}])
    head, row, tail = told.split("\n")
    assert (head, tail) == ("<fires>", "</fires>")
    assert "</" not in row
    assert json.loads(row) == {"text": text}


def test_marks_stand_around_the_word_and_not_its_space():
    passage = Passage((" the", " cat", "\n", "s"), (0.0, 2.0, 1.0, 0.0))
    assert passage.marked(passage.fires_at) == " the [[cat]][[\n]]s"
    assert passage.text == " the cat\ns"
    assert [level(value, 2.0) for value in (0.0, 0.001, 1.0, 2.0, 3.0)] == [0, 1, 5, 10, 10]


def test_a_size_is_at_least_the_bytes():
    message = Message("user", "größer")
    assert size_of([message], LabelAnswer) > len("größer".encode())
