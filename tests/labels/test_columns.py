"""Columns against a token-by-token reading of the same windows."""

from itertools import pairwise

import numpy as np
import pytest

from gearscope.labels.columns import INPUT, OUTPUT, Columns, word_class, words

VOCABULARY = ("<s>", " sums", " of", " 36", " 59", " 95", "\n", ",", " walking", " Dallas")
WINDOWS = np.random.default_rng(0).integers(1, len(VOCABULARY), (7, 12))
PLAIN = [text.strip() or text for text in VOCABULARY]


@pytest.fixture(scope="module")
def columns():
    return Columns(WINDOWS, words(VOCABULARY))


def named(column, token):
    """The values of a column at a token."""
    found = column.at[token]
    return {column.values[one] for one in np.atleast_1d(found) if one >= 0}


def each():
    for window in range(len(WINDOWS)):
        for position in range(WINDOWS.shape[1]):
            yield window * WINDOWS.shape[1] + position, [PLAIN[i] for i in WINDOWS[window]], position


def test_the_token_its_neighbours_and_the_next(columns):
    for token, text, position in each():
        assert named(columns["token"], token) == {text[position]}
        assert named(columns["token@-2"], token) == ({text[position - 2]} if position > 1 else set())
        assert named(columns["token@+1"], token) == set(text[position + 1 : position + 2])
        pair = {f"{text[position - 1]} {text[position]}"} if position else set()
        assert named(columns["pair"], token) == pair


def test_words_among_the_last_few_each_once(columns):
    for token, text, position in each():
        assert named(columns["recent"], token) == set(text[max(0, position - 7) : position + 1])
        at = columns["recent"].at[token]
        assert len(set(at[at >= 0])) == (at >= 0).sum()
        pairs = [f"{a} {b}" for a, b in pairwise(text[: position + 1])]
        assert named(columns["recent_pair"], token) == set(pairs[-10:])


def test_numbers_in_sight(columns):
    for token, text, position in each():
        numbers = [int(word) for word in text[max(0, position - 9) : position + 1] if word.isdigit()]
        assert named(columns["last.ones"], token) == {n % 10 for n in numbers[-1:]}
        if len(numbers) > 1:
            first, last = numbers[-2:]
            assert named(columns["sum.value"], token) == {first + last}
            assert named(columns["sum.units"], token) == {first % 10 + last % 10}
            assert named(columns["both.ones"], token) == {f"{first % 10} {last % 10}"}
        else:
            assert named(columns["sum.tens"], token) == set()


def test_having_knows_values_that_do_not_occur(columns):
    assert len(columns["token"].having(["nowhere"])) == 0
    assert columns["token"].having(["36", "nowhere"]).tolist() == np.flatnonzero(WINDOWS == 3).tolist()


@pytest.mark.parametrize("name", ["token", "recent", "line"])
@pytest.mark.parametrize("rows", [np.arange(0, WINDOWS.size, 37), np.arange(WINDOWS.size)])
def test_having_among_some_tokens_is_the_same_by_lookup_and_by_posting(columns, name, rows):
    wanted = ["36", "of"]
    expected = [row for row in rows.tolist() if named(columns[name], row) & set(wanted)]
    assert columns[name].having(wanted, rows).tolist() == expected


def test_the_line_its_beginning_and_the_place_in_it(columns):
    for token, text, position in each():
        start = max((k + 1 for k in range(position) if text[k] in ("\n", "<s>")), default=0)
        assert named(columns["line"], token) == set(text[max(start, position - 23) : position + 1])
        assert named(columns["place"], token) == {position - start}
        opening = {" ".join(text[start : start + 2])} if position > start else set()
        assert named(columns["opening"], token) == opening


def test_every_column_can_be_made(columns):
    for name in (*INPUT, *OUTPUT):
        assert len(columns[name].at) == WINDOWS.size
    with pytest.raises(KeyError):
        columns["tokens"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [(" 36", "number"), ("\n", "space"), (",", "mark"), (" of", "word"), (" Dallas", "Word"), (" USA", "WORD")],
)
def test_word_classes(text, kind):
    assert word_class(text) == kind
