"""Label accuracy on one phenomenon: a rule that is the truth is right, rules of nothing and of everything are wrong."""

import re

import pytest

from gearscope.evaluation.labelled import judge_labels
from gearscope.labels.rules import parse_rule
from gearscope.recipes.library import open_subject
from gearscope.recipes.train import PLAIN

ASKED = {"documents": 120, "phenomena": ("hints",)}


@pytest.fixture(scope="module")
def subject():
    return open_subject(None, "plt", PLAIN)[0]


def test_rules_that_name_what_features_tell_are_right_and_others_wrong(subject):
    nothing = [None] * subject.n_features
    everything = [parse_rule('class in ["word", "mark", "number", "space"]')] * subject.n_features
    first = judge_labels(subject, {"nothing": nothing, "everything": everything}, **ASKED)
    assert first.told > 0
    assert first.right == {"nothing": 0, "everything": 0}
    factors = {n: re.fullmatch(r"factor (\d+) at settled", question) for n, question in first.questions.items()}
    truth = {n: parse_rule(f'token in ["{match[1]}"]') for n, match in factors.items() if match}
    assert truth, "a number that has just been read is the factor"
    again = judge_labels(subject, {"truth": [truth.get(n) for n in range(subject.n_features)]}, **ASKED)
    assert again.questions == first.questions
    assert set(again.named["truth"]) == set(truth)
