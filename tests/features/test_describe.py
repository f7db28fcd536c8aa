"""A feature reads as text, and as JSON."""

import json

import pytest

from gearscope.features.describe import as_json, describe, marked
from gearscope.features.records import NewLabel


def test_everything_is_said(library):
    with library.write_notes() as notes:
        notes.add_labels(
            [NewLabel(13, "cats and dogs", "rule", None, 0.97, 0.2, "token_f1"), NewLabel(1, "dogs", "human")]
        )
    text = describe(library, library.record(13))
    assert "feature  2/1   plt, reads blocks.2.mlp_in, writes blocks.2.mlp_out" in text
    assert "label    cats and dogs   (rule; token_f1 0.97, baseline 0.20)" in text
    assert "[[dog]]" in text
    assert "[cat]" in text
    assert "0/1  dogs" in text
    assert "' dog'" in text


def test_a_dead_feature(read_only):
    assert describe(read_only, read_only.record(19)).endswith("dead on this corpus")


@pytest.mark.parametrize("number", range(20))
def test_json_holds_the_same(read_only, number):
    record = read_only.record(number)
    told = json.loads(json.dumps(as_json(read_only, record)))
    assert told["feature"] == str(record.feature)
    assert told["shelf"]["reads"] == list(record.shelf.reads)
    assert len(told["examples"]) == len(record.examples)
    assert len(told["histogram"]) == len(record.histogram)
    assert all(len(one["activations"]) == len(one["tokens"]) for one in told["examples"])


def test_long_windows_are_cut_around_the_token(read_only):
    example = read_only.record(0).examples[0]._replace(position=8)
    text = marked(example, around=2)
    assert text.startswith("…")
    assert text.endswith("…")
    assert text.count(" ") == 5
