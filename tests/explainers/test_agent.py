"""The agent: proposes, tests on its own texts, mends; in a bounded number of rounds, with texts that cannot be read."""

from gearscope.errors import PromptError
from gearscope.explainers.agent import TestingAnswer, explain_by_tests
from gearscope.explainers.evidence import evidence
from gearscope.explainers.passages import Passage
from tests.explainers.conftest import SMALL
from tests.oracles.stub_models import Trouble

CONFIG = SMALL.evidence


def reads_cat(number, text):
    """A feature that fires on `cat`; other words than these two are unknown."""
    if "zebra" in text:
        raise PromptError("words that the model knows were expected", found="zebra")
    tokens = tuple(f" {word}" for word in text.split())
    return Passage(tokens, tuple(2.0 * (token == " cat") for token in tokens))


def label_of(ended):
    assert isinstance(ended.outcome.answer, TestingAnswer)
    return ended.outcome.answer.label


def test_a_wrong_first_guess_is_mended_by_its_own_test(library, stub, provider, caller_for):
    ended = explain_by_tests(caller_for(stub, provider), evidence(library, 0, CONFIG), reads_cat, CONFIG)
    assert (label_of(ended), ended.rounds, ended.ended) == ("the word cat", 1, "done")
    assert len(stub.seen) == 2
    results = stub.seen[1].body["messages"][-1]["content"]
    assert '{"expected": "does not fire", "text": " the [[cat]]", "level": 10}' in results
    assert '{"expected": "fires", "text": " the dog", "level": 0}' in results


def test_rounds_and_texts_are_bounded(library, stub, caller_for):
    read = []

    def reads(number, text):
        read.append(text)
        return reads_cat(number, text)

    stub.brain = lambda question: {
        "label": f"guess {question.turns}", "done": False, "should_fire": ["zebra", "cat " * 400, *["the cat"] * 30],
        "should_not": [],
    }  # fmt: skip
    config = CONFIG.model_copy(update={"rounds": 2, "tests": 4})
    ended = explain_by_tests(caller_for(stub), evidence(library, 0, config), reads, config)
    assert (label_of(ended), ended.rounds, ended.ended) == ("guess 5", 2, "rounds")
    assert len(stub.seen) == 3
    assert len(read) == 2 * 4
    assert max(map(len, read)) == 400
    assert (
        '"not_read": "words that the model knows were expected; found zebra."'
        in stub.seen[1].body["messages"][-1]["content"]
    )


def test_a_later_round_that_fails_leaves_what_was_said(library, stub, caller_for):
    stub.trouble = [Trouble(), Trouble(stop="refused")]
    caller = caller_for(stub)
    ended = explain_by_tests(caller, evidence(library, 0, CONFIG), reads_cat, CONFIG)
    assert (label_of(ended), ended.rounds, ended.ended) == ("the word dog", 0, "refused")
    assert caller.tally.failures == {"refused": 1}


def test_a_first_round_that_fails_is_nothing(library, stub, caller_for):
    stub.always = Trouble(text="{}")
    ended = explain_by_tests(caller_for(stub), evidence(library, 0, CONFIG), reads_cat, CONFIG)
    assert ended.outcome.answer is None
    assert ended.outcome.failure == "malformed"
    assert TestingAnswer.model_json_schema()["additionalProperties"] is False
