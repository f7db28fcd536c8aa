"""Rules as text: read back as they were written, refused where they are none, and run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gearscope.errors import ConfigError
from gearscope.labels.columns import KNOWN, Columns, words
from gearscope.labels.rules import Clause, Rule, Term, parse_rule

VALUES = st.lists(st.text(max_size=8) | st.integers(-5, 300), min_size=1, max_size=4).map(tuple)
CLAUSES = st.builds(Clause, st.sampled_from(sorted(KNOWN)), VALUES)
RULES = st.lists(st.lists(CLAUSES, min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda terms: Rule(tuple(Term(tuple(clauses)) for clauses in terms))
)


@given(RULES)
def test_a_rule_is_read_back_as_it_was_written(rule):
    assert parse_rule(str(rule)) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token",
        "token in",
        "token in []",
        'tokens in ["is"]',
        'token in ["is"',
        'token in ["is"] and',
        'token in ["is"] or or token in ["a"]',
        "token in [1.5]",
        "token in [true]",
        "token in [[1]]",
        'token in {"is": 1}',
        'token in ["is"]; import os',
        " or ".join(['token in ["a"]'] * 65),
        'token in ["' + "a" * 100_000 + '"]',
        "token in " + "[" * 50_000,
    ],
)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(ConfigError, match="a rule such as"):
        parse_rule(text)


def test_a_rule_is_run():
    vocabulary = ("<s>", "the", "cat", "sat", "dog")
    windows = np.array([[0, 1, 2, 3, 4], [0, 2, 1, 4, 3]])
    columns = Columns(windows, words(vocabulary))
    rule = parse_rule('token in ["cat", "dog"] and token@-1 in ["the"] or token@+1 in ["sat"]')
    expected = [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0]]
    assert rule.holds(columns).reshape(windows.shape).astype(int).tolist() == expected
    assert rule.asks == "both"
    assert parse_rule('recent in ["cat"]').asks == "input"
    assert parse_rule('suffix@+1 in ["ing"]').asks == "output"
