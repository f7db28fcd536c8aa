"""Label accuracy on one phenomenon: a rule that is the truth is right, rules of nothing and of everything are wrong."""

import re

import numpy as np
import pytest

from gearscope.evaluation.labelled import judge
from gearscope.evaluation.questions import PlaneQuestion
from gearscope.evaluation.told import Told, examine
from gearscope.labels.control import Asked
from gearscope.labels.rules import parse_rule
from gearscope.organism.world.document import Draft
from gearscope.recipes.library import open_subject
from gearscope.recipes.train import PLAIN


@pytest.fixture(scope="module")
def truths():
    subject = open_subject(None, "plt", PLAIN)[0]
    asked = Asked(subject, np.zeros(subject.n_features, np.float32))
    return examine(asked, documents=120, phenomena=("hints",))


def test_rules_that_name_what_features_tell_are_right_and_others_wrong(truths):
    everything = parse_rule('class in ["word", "mark", "number", "space"]')
    factors = {f: re.fullmatch(r"factor (\d+) at settled", one.question) for f, one in truths.best.items()}
    truth = {feature: parse_rule(f'token in ["{match[1]}"]') for feature, match in factors.items() if match}
    assert truth, "a number that has just been read is the factor"
    features = range(len(truths.live))
    sets = {"nothing": {}, "everything": dict.fromkeys(features, everything), "truth": truth}
    report = judge(truths, sets, among=features)
    assert report.told == len(truths.best)
    assert report.right["nothing"] == report.right["everything"] == 0
    assert set(report.named["truth"]) == set(truth)
    assert report.right["truth"] == pytest.approx(len(truth) / report.told)
    few = judge(truths, sets, among=list(truth))
    assert few.told == len(truth)
    assert few.right["truth"] == 1


def test_a_feature_is_mostly_about_what_it_tells_where_half_of_its_firings_lie_there(truths):
    shares = [one.about for one in truths.best.values()]
    assert all(0 <= share <= 1 for share in shares)
    report = judge(truths, {"nothing": {}}, among=range(len(truths.live)))
    assert report.mostly == sum(share >= 0.5 for share in shares)


def test_where_a_question_is_answered_with_yes():
    draft = Draft(phenomenon="addition", kind="calc").say("calc : 36", a=36).say("+ 59", b=59)
    document = draft.say("=").conclude("95").finish()
    rows = np.zeros(0, int)
    told = {
        question: Told(1.0, "addition", question.variable, question, "the first number", rows.astype(bool), rows)
        for question in (PlaneQuestion("a", 30, 39), PlaneQuestion("ones of sum", 5, 5), PlaneQuestion("b", 0, 58))
    }
    found = {question.variable: [one.holds(document, word) for word in range(7)] for question, one in told.items()}
    assert found["a"] == [False, False, True, True, True, True, True]
    assert found["ones of sum"] == [False, False, False, False, True, True, True]
    assert not any(found["b"])
    plain = Told(1.0, "addition", "a", 36, "settled", rows.astype(bool), rows)
    assert [plain.holds(document, word) for word in range(4)] == [False, False, True, True]
    assert plain.question == "a 36 at settled"
