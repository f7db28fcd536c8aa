"""Prompts from lists and templates, and what is no such file."""

import pytest

from gearscope.attribution.prompts import read_prompts
from gearscope.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def _write(text):
        (tmp_path / "p.txt").write_text(text, encoding="utf-8")
        return tmp_path / "p.txt"

    return _write


def test_a_prompt_on_each_line(write):
    assert read_prompts(write("# said\none two\n\n three \n")) == ("one two", "three")


def test_every_combination_of_a_template(write):
    path = write("calc : {a} + {b} =\na: 1..2\nb: 5 | seven\n")
    assert read_prompts(path) == ("calc : 1 + 5 =", "calc : 1 + seven =", "calc : 2 + 5 =", "calc : 2 + seven =")


def test_a_sample_is_drawn_from_all_of_them_without_repeats(write):
    path = write("{a} {b}\na: 0..99\nb: 0..99\n")
    found = read_prompts(path, most=500, seed=3)
    assert len(set(found)) == 500
    assert found == read_prompts(path, most=500, seed=3) != read_prompts(path, most=500, seed=4)
    assert set(found) < set(read_prompts(path))
    assert len(read_prompts(write("a\nb\nc\nd"), most=2)) == 2


def test_a_name_that_stands_twice_gets_one_text(write):
    assert read_prompts(write("{a} and {a}\na: x | y")) == ("x and x", "y and y")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no prompt"),
        ("# only this", "no prompt"),
        ("{a} {b}\na: 1..2", "none for b"),
        ("{a}\nb: 1", "for each of a"),
        ("{a}\na: 1\na: 2", "for each of a"),
        ("{a}\na: 5..1", "from a number to a larger one"),
        ("{a}\na: |", "none"),
        ("{a}\na 1", "a line `name: texts`"),
        ("{a} {b}\na: 1..9999\nb: 1..9999", "draw a sample"),
    ],
)
def test_what_is_no_template_is_refused(write, text, said):
    with pytest.raises(ConfigError, match=said):
        read_prompts(write(text))


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_prompts(tmp_path / "absent")
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        read_prompts(tmp_path / "b")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_prompts(tmp_path)
