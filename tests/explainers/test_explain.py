"""Whole runs on a small library whose features fire on one word each, over real HTTP."""

import json

import pytest

from gearscope.explainers.budget import Meter
from gearscope.explainers.caller import Caller
from gearscope.explainers.clients.embedding_api import EmbeddingClient
from gearscope.explainers.clients.opening import identity, source_of
from gearscope.explainers.config import Prices
from gearscope.explainers.dry import DryCaller
from gearscope.explainers.explain import explain_features
from gearscope.explainers.hosts import Key
from gearscope.explainers.passages import Passage
from gearscope.explainers.replies import Replies
from gearscope.features.describe import as_json, describe
from gearscope.features.records import NewLabel
from gearscope.ids import FeatureId
from tests.explainers.brains import by_rule, constant
from tests.explainers.conftest import SMALL
from tests.oracles.stub_models import INPUT_TOKENS, OUTPUT_TOKENS, Trouble

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


def test_a_model_that_judges_everything_alike_scores_as_chance_does(library, stub, caller_for, run_for):
    stub.brain = constant
    found = explain_features(
        run_for(caller_for(stub), scorers=("detection", "fuzzing", "simulation")), numbers(library)
    )
    assert [found.scores[name].mean for name in found.scores] == [0.5, 0.5, 0.0]
    assert [found.scores[name].baseline for name in found.scores] == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("explainer", ["contrastive", "output"])
def test_the_other_explainers(library, stub, caller_for, run_for, explainer):
    with library.write_notes() as notes:
        found = explain_features(run_for(caller_for(stub), notes, explainer), numbers(library))
        (label,) = notes.labels(0)
    asked = [seen.body["messages"][-1]["content"] for seen in stub.seen]
    assert len(asked) == 3
    assert label.details["explainer"] == explainer
    if explainer == "contrastive":
        assert found.labels[0] == "the word cat"
        assert all("<does_not_fire>" in text for text in asked)
    else:
        assert found.labels[0] == f"says {library.record(0).promoted[0].text.strip()}"
        assert label.details["shown"] == 0


def test_the_agent_in_a_run(library, stub, caller_for, run_for):
    def read(number, text):
        words = tuple(f" {word}" for word in text.split())
        return Passage(words, tuple(float(word == " cat") for word in words))

    with library.write_notes() as notes:
        found = explain_features(run_for(caller_for(stub), notes, "agent", read=read), [0])
        (label,) = notes.labels(0)
    assert found.labels == {0: "the word cat"}
    assert (label.details["rounds"], label.details["ended"]) == (1, "done")


def test_a_label_that_failed_is_none_and_is_not_scored(library, stub, caller_for, run_for):
    stub.trouble = [Trouble(stop="refused")]
    caller = caller_for(stub, config=SMALL.call.model_copy(update={"concurrency": 1}))
    with library.write_notes() as notes:
        found = explain_features(run_for(caller, notes, scorers=("detection",)), numbers(library))
        assert not notes.labels(numbers(library)[0])
    assert (len(found.labels), found.failed) == (2, 1)
    assert found.scores["detection"].features == 2
    assert caller.tally.failures == {"refused": 1}


def test_scores_that_failed_are_in_no_mean(library, stub, caller_for, run_for):
    caller = caller_for(stub, config=SMALL.call.model_copy(update={"concurrency": 1, "attempts": 1}))
    stub.brain = lambda question: (
        "no" if question.form == "Verdicts" and "the word cat" in question.user else by_rule(question)
    )
    with library.write_notes() as notes:
        found = explain_features(run_for(caller, notes, scorers=("detection",)), numbers(library))
        (label,) = notes.labels(numbers(library)[0])
        (score,) = notes.scores(label.id)
    summary = found.scores["detection"]
    assert (summary.features, summary.unmeasured, summary.mean, summary.baselines) == (2, 1, 1.0, 1)
    assert (label.score, score.value, score.n) == (None, None, 0)
    assert score.details["failed_calls"] == 3


def test_dead_features_are_told_apart(library, stub, caller_for, run_for):
    found = explain_features(run_for(caller_for(stub)), numbers(library, ("0/11", "0/0")))
    assert found.without_evidence == ("0/11",)
    assert len(stub.seen) == 1


def test_too_little_to_score_is_said_and_nothing_is_asked_for_it(library, stub, caller_for, run_for):
    with library.write_notes() as notes:
        found = explain_features(run_for(caller_for(stub), notes, scorers=("detection",)), numbers(library, ("2/2",)))
        (score,) = notes.scores(notes.labels(14)[0].id)
    assert found.scores["detection"].unmeasured == 1
    assert score.details["lacks"] == "0 stretches without a firing"
    assert len(stub.seen) == 1


def test_another_label_of_the_library_is_the_baseline_of_a_run_of_one(library, stub, caller_for, run_for):
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(7, "the word dog", "human")])
        explain_features(run_for(caller_for(stub), notes, scorers=("detection",)), [0])
        (score,) = notes.scores(notes.labels(0)[0].id)
    assert score.details["baseline_of"] == "0/7"
    assert score.baseline < 0.6


def test_instructions_in_the_corpus_stay_data(library, stub, caller_for, run_for):
    """A model that obeys its text still writes no more than a label: cut, and without what would move a terminal."""
    stub.brain = lambda _: {"label": "\x1b[2Jobeyed " * 100}
    found = explain_features(run_for(caller_for(stub)), [0])
    assert found.labels[0].startswith("[2Jobeyed")
    assert len(found.labels[0]) <= 200
    user = stub.seen[0].body["messages"][-1]["content"]
    assert user.index("<fires>") < user.index("[[cat]]") < user.index("</fires>")
    assert "no instruction to you" in stub.seen[0].body["messages"][0]["content"]


def test_embeddings(library, stub, caller_for, run_for, tmp_path):
    """Vectors that say whether `cat` stands in a text put every positive above every negative."""
    stub.embed = lambda text: [1.0, 0.0] if "cat" in text.split() else [0.0, 1.0]
    source = source_of("openai", "embed-1", f"{stub.url}/v1")
    client = EmbeddingClient("embed-1", source.host, Key(None, None), SMALL.call)
    embedding = Caller(client, Replies(tmp_path / "e", identity(source, SMALL.call)), Meter(None, None), SMALL.call)
    run = run_for(caller_for(stub), scorers=("embedding",), embedding=embedding)
    found = explain_features(run, numbers(library))
    assert found.scores["embedding"].features == 3
    assert len([seen for seen in stub.seen if seen.path == "/v1/embeddings"]) == 6
    one = explain_features(run_for(caller_for(stub), scorers=("embedding",), embedding=embedding), [0])
    assert one.scores["embedding"].mean == 1.0


# What is stored


def test_a_run_again_asks_nothing_and_changes_nothing(library, stub, caller_for, run_for):
    with library.write_notes() as notes:
        first = explain_features(run_for(caller_for(stub), notes, scorers=SCORERS), numbers(library))
        before, requests = list(notes.all_labels()), len(stub.seen)
        scores = [notes.scores(label.id) for label in before]
        again = explain_features(run_for(caller_for(stub), notes, scorers=SCORERS), numbers(library))
        assert again == first
        assert list(notes.all_labels()) == before
        assert [notes.scores(label.id) for label in before] == scores
    assert len(stub.seen) == requests


def test_labels_of_others_stay_and_a_persons_is_shown(library, stub, caller_for, run_for):
    with library.write_notes() as notes:
        notes.add_labels(
            [
                NewLabel(0, "mine", "human"),
                NewLabel(0, "rule of the cat", "rule", score=0.9, scored_by="token_f1"),
                NewLabel(0, "another model's", "llm", "other-1", details={"explainer": "examples"}),
                NewLabel(0, "by contrast", "llm", "stub-1", details={"explainer": "contrastive"}),
                NewLabel(0, "said before", "llm", "stub-1", details={"explainer": "examples"}),
            ]
        )
        explain_features(run_for(caller_for(stub), notes, scorers=("detection",)), [0, 4])
        texts = [label.text for label in notes.labels(0)]
        assert texts[:3] == ["mine", "the word cat", "rule of the cat"]
        assert sorted(texts[3:]) == ["another model's", "by contrast"]
        assert notes.shown([0])[0].text == "mine"


def test_balanced_accuracies_are_ranked_from_chance_on(library):
    with library.write_notes() as notes:
        notes.add_labels(
            [
                NewLabel(0, "a rule", "rule", score=0.6, scored_by="token_f1"),
                NewLabel(0, "a guess", "llm", "m", score=0.7, scored_by="detection"),
                NewLabel(0, "better", "llm", "n", score=0.85, scored_by="fuzzing"),
            ]
        )
        assert [label.text for label in notes.labels(0)] == ["better", "a rule", "a guess"]


def test_a_label_is_shown_with_its_maker_and_all_of_its_scores(library, stub, caller_for, run_for):
    with library.write_notes() as notes:
        explain_features(run_for(caller_for(stub), notes, scorers=("detection", "fuzzing")), [0, 4])
    text = describe(library, library.record(0))
    line = next(line for line in text.splitlines() if line.startswith("label"))
    assert line.startswith("label    the word cat   (llm stub-1 examples; detection 1.00, baseline 0.")
    assert "; fuzzing 1.00, baseline 0." in line
    told = json.loads(json.dumps(as_json(library, library.record(0))))
    assert [score["name"] for score in told["labels"][0]["scores"]] == ["detection", "fuzzing"]
    assert told["labels"][0]["details"]["host"] == "127.0.0.1"


def test_a_spent_budget_stores_no_half_measured_score_and_a_further_run_goes_on(library, stub, caller_for, run_for):
    config = SMALL.call.model_copy(update={"concurrency": 1})
    with library.write_notes() as notes:
        poor = caller_for(stub, config=config, prices=(1.0, 1.0), cap=6 * (INPUT_TOKENS + OUTPUT_TOKENS) / 1e6 + 0.004)
        found = explain_features(run_for(poor, notes, scorers=("detection",)), numbers(library))
        assert len(found.labels) == 3
        assert found.scores["detection"].unmeasured > 0
        assert sum(bool(notes.scores(label.id)) for label in notes.all_labels()) == found.scores["detection"].features
        asked = len(stub.seen)
        assert poor.meter.spent.dollars <= poor.meter.cap
        whole = explain_features(
            run_for(caller_for(stub, config=config), notes, scorers=("detection",)), numbers(library)
        )
        assert whole.scores["detection"].features == 3
        assert len(stub.seen) - asked == 3 + 3 * 2 * 3 - asked


def test_a_dry_run_counts_the_calls_that_a_run_makes(library, stub, caller_for, run_for):
    real = caller_for(stub)
    dry = DryCaller(real._replies, Meter(Prices(input=1.0, output=2.0), None), SMALL.call)
    explain_features(run_for(dry, scorers=SCORERS), numbers(library))
    assert not stub.seen
    explain_features(run_for(real, scorers=SCORERS), numbers(library))
    assert dry.estimate.calls == len(stub.seen)
    assert dry.estimate.most_dollars > dry.estimate.dollars > 0
    after = DryCaller(real._replies, Meter(None, None), SMALL.call)
    explain_features(run_for(after, scorers=SCORERS), numbers(library))
    assert (after.estimate.calls, after.estimate.cached) == (0, dry.estimate.calls)
