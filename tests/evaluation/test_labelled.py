"""Label accuracy on one phenomenon: rules made of the truth are right, rules of nothing are wrong."""

import pytest

from gearscope.evaluation.labelled import judge_labels
from gearscope.labels.rules import parse_rule
from gearscope.recipes.library import open_subject
from gearscope.recipes.train import PLAIN


@pytest.fixture(scope="module")
def subject():
    return open_subject(None, "plt", PLAIN)[0]


def test_rules_that_name_what_features_tell_are_right_and_others_wrong(subject):
    nothing = [None] * subject.n_features
    first = judge_labels(subject, {"none": nothing}, documents=60, phenomena=("grammar",))
    assert first.told > 0
    assert first.right == {"none": 0}
    exceptions = {n for n, question in first.questions.items() if question == "exception yes at settled"}
    everywhere = [parse_rule('class in ["word", "mark", "number", "space"]')] * subject.n_features
    again = judge_labels(subject, {"all": everywhere}, documents=60, phenomena=("grammar",))
    assert again.right == {"all": 0}
    assert again.questions == first.questions
    assert set(first.questions) >= exceptions
