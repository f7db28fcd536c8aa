"""Rules that were planted are found again, what fires by chance is obscure, and scores come from windows apart."""

import numpy as np
import pytest

from gearscope.labels.columns import words
from gearscope.labels.config import RuleConfig
from gearscope.labels.rules import parse_rule
from gearscope.labels.ruling import Ruled, Ruler, exchanged
from gearscope.labels.scores import TokenScore, token_score

VOCABULARY = (
    "<s>",
    *(f" {w}" for w in ["is", "the", "of", "in", "a", "to", "by", "capital", "river", "state"]),
    *(f" {n}" for n in range(60)),
)
RNG = np.random.default_rng(0)
WINDOWS = RNG.choice(len(VOCABULARY), (240, 24), p=[0, *([0.06] * 10), *([0.4 / 60] * 60)])
WINDOWS[:, 0] = 0
BEHIND = np.arange(WINDOWS.size) % WINDOWS.shape[1] > 0


@pytest.fixture(scope="module")
def ruler():
    return Ruler(WINDOWS, words(VOCABULARY), RuleConfig())


def fires_by(ruler, text):
    return np.flatnonzero(parse_rule(text).holds(ruler.columns) & BEHIND)


@pytest.mark.parametrize(
    ("planted", "kind"),
    [
        ('token in ["is"]', "input"),
        ('token in ["is", "of"] and token@-1 in ["the"]', "input"),
        ('token in ["is"] and recent in ["capital", "river"]', "input"),
        ('token in ["is"] and sum.ones in [5]', "input"),
        ('pair in ["of the", "to the"]', "input"),
        ('token@+1 in ["is"]', "output"),
        ('token in ["a"] or token@-1 in ["river"] and token@-2 in ["by", "in"]', "input"),
        ("ones in [3, 7] and tens in [2, 3, 4]", "input"),
    ],
)
def test_a_planted_rule_is_found(ruler, planted, kind):
    found = ruler.rule(fires_by(ruler, planted))
    assert found.kind == kind
    assert found.score.f1 > 0.9, str(found.rule)
    assert found.score.tokens == 240 // 3 * 23


def test_what_fires_by_chance_is_obscure(ruler):
    rng = np.random.default_rng(1)
    fires = np.sort(rng.choice(np.flatnonzero(BEHIND), 60, replace=False))
    found = ruler.rule(fires)
    assert found.kind == "obscure"
    assert found.rule is None
    assert found.score is None
    assert ruler.rule(fires[:2]).chosen_at == 0


def test_the_rate_of_the_corpus_decides(ruler):
    """`is` holds for every firing and is rarely right; a rule chosen against a few random negatives would be that."""
    fires = fires_by(ruler, 'token in ["is"] and token@-3 in ["river"]')
    every = ruler.score(parse_rule('token in ["is"]'), fires)
    assert every.recall == 1
    assert every.f1 < 0.2
    assert "token@-3" in str(ruler.rule(fires).rule)


def test_the_same_firings_give_the_same_rule(ruler):
    fires = fires_by(ruler, 'token in ["to"] and recent in ["state"] or token in ["42"]')
    again = Ruler(WINDOWS, words(VOCABULARY), RuleConfig())
    assert ruler.rule(fires) == again.rule(fires)


def test_a_feature_that_fires_often_is_asked_on_fewer_windows():
    few = Ruler(WINDOWS, words(VOCABULARY), RuleConfig(firings=20))
    found = few.rule(fires_by(few, 'token in ["is", "the"]'))
    assert found.score.f1 == 1


def test_rules_are_exchanged_among_those_that_have_one():
    rules = [parse_rule(f'token in ["{n}"]') for n in range(5)]
    ruled = [Ruled("input", rule, 1.0, None) for rule in rules] + [Ruled("obscure", None, 0.1, None)]
    others = exchanged(ruled, np.random.default_rng(0))
    assert others[5] is None
    assert all(other is not None and other != own for other, own in zip(others, rules, strict=False))
    assert exchanged(ruled[4:], np.random.default_rng(0)) == [None, None]


def test_scores():
    named, fires = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool)
    score = token_score(named[:4], fires[:4])
    assert score == TokenScore(1, 2, 2, 4)
    assert (score.precision, score.recall, score.f1, score.balanced) == (0.5, 0.5, 0.5, 0.5)
    nothing = TokenScore(0, 0, 0, 4)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.balanced) == (None, None, None, None)


def test_a_rule_can_be_scored_on_some_tokens(ruler):
    rows = np.arange(23, 90)
    fires = np.flatnonzero((WINDOWS.ravel() == 1) & BEHIND)
    inside = fires[(fires >= 23) & (fires < 90)]
    score = ruler.score(parse_rule('token in ["is", "the"]'), fires, rows)
    assert (score.hits, score.fired, score.tokens) == (len(inside), len(inside), 67)
    assert score.named == np.isin(WINDOWS.ravel()[rows], [1, 2]).sum()
