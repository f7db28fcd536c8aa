"""Whole runs on a small library whose features fire on one word each, over real HTTP."""

from gearscope.explainers.explain import explain_features
from gearscope.ids import FeatureId
from tests.oracles.stub_models import INPUT_TOKENS, OUTPUT_TOKENS

WORDS_OF = {"0/0": "cat", "0/4": "on", "0/9": "tall"}
SCORERS = ("detection", "fuzzing", "simulation", "intruder")


def numbers(library, names=tuple(WORDS_OF)):
    return [library.number(FeatureId.parse(name)) for name in names]


def test_labels_and_scores_of_a_perfect_model(library, stub, provider, caller_for, run_for):
    asking = caller_for(stub, provider)
    with library.write_notes() as notes:
        found = explain_features(run_for(asking, notes, scorers=SCORERS), numbers(library))
        assert list(found.labels.values()) == [f"the word {word}" for word in WORDS_OF.values()]
        assert (found.failed, found.not_asked, found.without_evidence) == (0, 0, ())
        for name in ("detection", "fuzzing", "intruder"):
            assert found.scores[name].mean == 1.0, name
            assert found.scores[name].features == found.scores[name].baselines == 3
        assert 0.8 < found.scores["simulation"].mean < 1
        for name in SCORERS:
            assert found.scores[name].baseline < 0.65, name
        (label,) = notes.labels(numbers(library)[0])
        assert (label.method, label.model, label.scored_by, label.score) == ("llm", "stub-1", "detection", 1.0)
        assert label.details["explainer"] == "examples"
        assert [score.name for score in notes.scores(label.id)] == ["detection", "fuzzing", "simulation", "intruder"]
        detection = notes.scores(label.id)[0]
        assert detection.details["n_example"] == 6
        assert detection.details["n_random"] + detection.details["n_hard"] == 8
        assert detection.details["baseline_of"] == "0/4"
    calls = len(stub.seen)
    assert asking.tally.asked == calls
    assert asking.meter.spent[:2] == (calls * INPUT_TOKENS, calls * OUTPUT_TOKENS)
