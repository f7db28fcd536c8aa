"""Figures against hand-computed ones, and scorers on scripted judges: perfect, constant, half of them silent."""

import pytest

from gearscope.explainers.caller import Outcome
from gearscope.explainers.config import ScoreConfig
from gearscope.explainers.passages import Passage
from gearscope.explainers.scorers import detection, fuzzing, intruder, simulation
from gearscope.explainers.scorers.figures import auroc, balanced_accuracy, correlation
from gearscope.explainers.scorers.material import Material
from gearscope.explainers.scorers.registry import SCORERS
from tests.explainers.brains import by_rule, constant
from tests.explainers.conftest import SMALL
from tests.oracles.stub_models import StubModels, Trouble

CAT = Passage((" the", " cat", " sat"), (0.0, 2.0, 0.0))
CATS = (
    CAT,
    Passage((" cat", " on", " a", " cat"), (1.0, 0.0, 0.0, 2.0)),
    Passage((" red", " cat"), (0.0, 1.0)),
    Passage((" cat", " ran"), (2.0, 0.0)),
)
DOGS = tuple(
    Passage(tuple(f" {word}" for word in text.split()), (0.0,) * len(text.split()))
    for text in ("the dog sat", "a mat on a tree", "tall house and", "blue dog")
)
MATERIAL = Material(
    3, 2.0, CATS, DOGS[:2], DOGS[2:], ScoreConfig(positives=4, negatives=4, batch=3, simulated=6, intruders=5), 0
)


@pytest.mark.parametrize(
    ("said", "true", "value"),
    [
        ([True, True, False, False], [True, True, False, False], 1.0),
        ([True] * 4, [True, False, False, False], 0.5),
        ([True, False, True, False, False], [True, True, False, False, False], (1 / 2 + 2 / 3) / 2),
        ([True], [True], None),
        ([], [], None),
    ],
)
def test_balanced_accuracy(said, true, value):
    assert balanced_accuracy(said, true) == (None if value is None else pytest.approx(value))


def test_correlation():
    assert correlation([0.0, 1.0, 2.0], [0.0, 2.0, 4.0]) == pytest.approx(1)
    # sums of products about the means: 1·(−1) + (−1)·1 + 0·0 over sqrt(2 · 2)
    assert correlation([3.0, 1.0, 2.0], [0.0, 2.0, 1.0]) == pytest.approx(-1)
    # means 1/3 and 1; products 2/3·1 − 1/3·(−1) − 1/3·0 = 1; over sqrt(2/3 · 2)
    assert correlation([1.0, 0.0, 0.0], [2.0, 0.0, 1.0]) == pytest.approx(1 / (4 / 3) ** 0.5)
    assert correlation([5.0, 5.0], [0.0, 1.0]) == 0
    assert correlation([0.0, 1.0], [5.0, 5.0]) is None


def test_auroc():
    assert auroc([3.0, 2.0, 2.0, 1.0], [True, True, False, False]) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert auroc([1.0], [True]) is None


def figure(name, label, brain, caller_for, trouble=()):
    scorer = SCORERS[name]
    with StubModels(brain) as stub:
        stub.trouble = list(trouble)
        asking = caller_for(stub, config=SMALL.call.model_copy(update={"concurrency": 1, "attempts": 1}))
        found = scorer.figure(MATERIAL, asking.all(scorer.asks(MATERIAL, label)))
        return found, len(stub.seen)


@pytest.mark.parametrize("name", ["detection", "fuzzing"])
def test_a_perfect_judge_a_constant_one_and_the_wrong_label(name, caller_for):
    perfect, requests = figure(name, "the word cat", by_rule, caller_for)
    assert perfect.value == 1
    assert perfect.n == 8
    assert requests == 3  # eight texts, three at a time
    n_hard = {"detection": 2, "fuzzing": 2}[name]
    assert perfect.details == {
        "failed_calls": 0, "n_example": 4, "right_example": 1.0, "n_random": 4 - n_hard, "right_random": 1.0,
        "n_hard": n_hard, "right_hard": 1.0,
    }  # fmt: skip
    assert figure(name, "the word zebra", constant, caller_for)[0].value == 0.5


def test_detection_with_the_wrong_label_by_hand(caller_for):
    """`dog` is in none of the four positives, and in two of the four negatives: (0 + 2/4) / 2."""
    found, _ = figure("detection", "the word dog", by_rule, caller_for)
    assert found.value == pytest.approx(0.25)
    assert found.details["right_random"] == 0.5
    assert found.details["right_hard"] == 0.5


def test_fuzzing_shows_the_right_tokens_the_wrong_ones_and_quiet_text():
    judged = [one for batch in fuzzing.batches(MATERIAL) for one in batch]
    right = {passage.marked(passage.fires_at) for passage in CATS}
    assert {one.text for one in judged if one.holds} == right
    hard = [one.text for one in judged if one.kind == "hard"]
    assert len(hard) == 2
    assert all("[[" in text and "cat" in text and "[[cat]]" not in text for text in hard)
    assert all("[[" in one.text for one in judged)


def test_simulation_by_hand(caller_for):
    """10 on every `cat`, 0 elsewhere, over three examples and three quiet stretches; positives are 2, 1, 2 and 1."""
    found, requests = figure("simulation", "the word cat", by_rule, caller_for)
    texts = [*CATS[:3], *DOGS[:3]]
    true = [value for passage in texts for value in passage.activations]
    said = [10.0 * (token == " cat") for passage in texts for token in passage.tokens]
    n = len(true)
    mean_t, mean_s = sum(true) / n, sum(said) / n
    product = sum((t - mean_t) * (s - mean_s) for t, s in zip(true, said, strict=True))
    norm = (sum((t - mean_t) ** 2 for t in true) * sum((s - mean_s) ** 2 for s in said)) ** 0.5
    assert found.value == pytest.approx(product / norm)
    assert found.n == requests == 6
    assert found.details["n_tokens"] == n
    assert figure("simulation", "the word zebra", by_rule, caller_for)[0].value == 0


def test_intruder(caller_for):
    assert figure("intruder", "the word cat", by_rule, caller_for)[0].value == 1
    places = [question.intruder for question in intruder.questions(MATERIAL)]
    first, _ = figure("intruder", "the word zebra", constant, caller_for)
    assert first.value == pytest.approx(places.count(0) / 5)
    assert not intruder.questions(MATERIAL._replace(positives=CATS[:3]))


def test_calls_that_failed_are_counted_and_not_scored(caller_for):
    found, _ = figure("detection", "the word cat", by_rule, caller_for, [Trouble(status=500)])
    assert found.value == 1
    assert found.n == 5
    assert found.details["failed_calls"] == 1
    none, _ = figure("detection", "the word mat", by_rule, caller_for, [Trouble(status=500)] * 3)
    assert (none.value, none.n, none.details["failed_calls"]) == (None, 0, 3)
    silent = [Outcome(None, failure="refused")] * 6
    assert simulation.figure(MATERIAL, silent).value is None
    assert intruder.figure(MATERIAL, silent[:5]) == (None, 0, {"failed_calls": 5})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("detection", '{"verdicts": []}'),
        ("detection", '{"verdicts": [{"id": 0, "holds": true}, {"id": 0, "holds": true}, {"id": 1, "holds": true}]}'),
        ("simulation", '{"firing": [{"token": 40, "level": 3}]}'),
        ("simulation", '{"firing": [{"token": -1, "level": 3}]}'),
        ("simulation", '{"firing": [{"token": 0, "level": 11}]}'),
        ("simulation", '{"firing": [{"token": 0, "level": 1}, {"token": 0, "level": 2}]}'),
        ("intruder", '{"intruder": 5}'),
    ],
)
def test_answers_that_do_not_fit_the_question_are_failures(name, text, caller_for):
    found, _ = figure(name, "the word cat", lambda _: text, caller_for)
    assert (found.value, found.n) == (None, 0)


def test_the_questions_are_the_same_for_every_label():
    texts = [[one.text for one in batch] for batch in detection.batches(MATERIAL)]
    for ask, batch in zip(detection.asks(MATERIAL, "x"), texts, strict=True):
        assert all(text in ask.messages[-1].content for text in batch)
    a, b = (SCORERS["fuzzing"].asks(MATERIAL, label) for label in ("one", "two"))
    assert [x.messages[-1].content.replace('"one"', '"two"') for x in a] == [x.messages[-1].content for x in b]


def test_too_little_text_is_said():
    assert MATERIAL.lacks is None
    assert MATERIAL._replace(positives=CATS[:2]).lacks == "2 examples that were not shown"
    assert MATERIAL._replace(drawn=(), hard=DOGS[:1]).lacks == "1 stretches without a firing"
