"""Questions on planted firings: told where they are told, and not by chance."""

import numpy as np
import pytest
from scipy import sparse

from gearscope.evaluation.places import Labelled
from gearscope.evaluation.questions import PLANE, PlaneQuestion, answers_right, exams, plane_questions, told

TOKENS = tuple(Labelled(document, 3, ("texas", "ohio", "iowa")[document % 3]) for document in range(90))
PLACES = {("state", "settled"): TOKENS, ("kind", "settled"): tuple(t._replace(value="one") for t in TOKENS)}


def test_exams_leave_out_what_never_varies_and_what_is_rare():
    rare = {("state", "answer"): (*TOKENS, Labelled(90, 3, "utah"))}
    assert [exam.variable for exam in exams(PLACES)] == ["state"]
    (exam,) = exams(rare)
    assert exam.values == ("iowa", "ohio", "texas")
    assert exam.answer[-1] == -1


def test_features_tell_what_they_were_planted_to_tell():
    (exam,) = exams(PLACES)
    texas = np.array([token.value == "texas" for token in TOKENS])
    rng = np.random.default_rng(0)
    chance = rng.random(90) < 1 / 3
    fires = sparse.csr_array(np.stack([texas, np.ones(90), np.zeros(90), chance], 1).astype(float))
    found = told(exam, fires, np.ones(90, bool))
    assert found.f1.tolist() == [1, 0, 0, 0]
    assert exam.values[found.question[0]] == "texas"


def test_naming_everything_names_nothing():
    truth = np.arange(100) < 90
    assert not answers_right(truth, np.ones(100, bool))
    assert answers_right(truth, truth)
    assert not answers_right(truth, np.zeros(100, bool))


@pytest.mark.parametrize(
    "question",
    [
        PlaneQuestion("a", 36, 36),
        PlaneQuestion("ones of b", 9, 9),
        PlaneQuestion("ones of both", 69, 69),
        PlaneQuestion("sum", 90, 99),
        PlaneQuestion("b", 20, 61),
        PlaneQuestion("ones summed", 15, 15),
        PlaneQuestion("ones of sum", 5, 5),
    ],
)
def test_the_plane_of_sums(question):
    truth = question.truth()
    noisy = truth ^ (np.random.default_rng(0).random(10_000) < 0.0005)
    f1, found = plane_questions(noisy)
    assert found == question
    assert f1 > 0.8
    assert (PLANE[question.variable][truth] >= question.low).all()


def test_chance_on_the_plane_tells_nothing():
    assert plane_questions(np.random.default_rng(0).random(10_000) < 0.1) == (0.0, None)
    assert plane_questions(np.ones(10_000, bool))[1] is None
