"""Rules in English."""

import pytest

from gearscope.labels.rules import parse_rule
from gearscope.labels.wording import in_words, obscure


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ('recent in ["capital"] and token in ["is"]', '"is", with "capital" among the last 8'),
        ('token@+1 in ["rabbit", "habit"]', 'next comes "rabbit" or "habit"'),
        (
            "last.ones in [6] or sum.ones in [5]",
            "the last number ends in 6; or the sum of the last two numbers ends in 5",
        ),
        ('token in ["30", "31", "32", "40"]', "30 to 32 or 40"),
        ("tens in [3, 4, 9]", "a number in 30 to 49 or 90 to 99"),
        ('class@-1 in ["number"] and suffix in ["ing"]', "a word ending in -ing, after a number"),
        ('token@-3 in ["the"]', '3 after "the"'),
        ('both.ones in ["6 9"]', "the last two numbers end in 6 and 9"),
        ("sum.units in [15]", "the ones of the last two numbers sum to 15"),
        ('token in ["\\n"]', '"⏎"'),
        ('token in ["the"] and line in ["soil"]', '"the", with "soil" in its line so far'),
        (
            'opening in ["calc :"] and place in [4, 5, 6]',
            'with "calc :" at the beginning of its line, with 4 to 6 tokens of its line before it',
        ),
        ('token in ["a", "b", "c", "d", "e", "f", "g", "h"]', '"a", "b", "c", "d", "e", "f" and 2 more'),
    ],
)
def test_a_rule_is_worded(rule, text):
    assert in_words(parse_rule(rule)) == text


def test_an_obscure_feature_quotes_its_strongest_example():
    text = obscure(("<s>", " the", " cat", " sat", "\n"), 2)
    assert text == "obscure: no rule found; strongest in “<s> the»cat« sat⏎”"
