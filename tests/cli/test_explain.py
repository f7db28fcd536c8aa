"""`explain` as a user types it, against a server on this machine: nothing unasked, no key on disk, labels shown."""

import json
from random import Random

import pytest

from gearscope.dictionaries.store import write_dictionaries
from gearscope.features.store import Library
from gearscope.ids import FeatureId
from tests.explainers.brains import by_rule
from tests.features.tiny import tiny_library
from tests.oracles.planted_dictionaries import plant_at
from tests.oracles.stub_models import StubModels, Trouble

KEY = "sk-test-0123456789abcdef"
FEW = (
    "--set",
    "around=2",
    "--set",
    "slice_tokens=1500",
    "--set",
    "first_wait=0.01",
    "--set",
    "positives=4",
    "--set",
    "negatives=4",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory, untrained):
    """A library of forty-eight features of a small model, of which some fire rarely."""
    from gearscope.cli.main import main

    folder, rng = tmp_path_factory.mktemp("explained"), Random(0)
    dictionaries = plant_at([((f"blocks.{i}.mlp_in",), (f"blocks.{i}.mlp_out",)) for i in (0, 1)], 32, n_features=24)
    for dictionary in dictionaries.dictionaries:
        dictionary.b_enc.sub_(4.0)
    write_dictionaries(folder / "dictionaries", dictionaries)
    sums = [(rng.randrange(100), rng.randrange(100)) for _ in range(400)]
    (folder / "sums.txt").write_text("\n".join(f"calc : {a} + {b} = {a + b}" for a, b in sums))
    named = ["--model", str(untrained), "--dictionary", str(folder / "dictionaries")]
    told = [*named, "--corpus", str(folder / "sums.txt"), "--set", "tokens=1500", "--set", "context=32"]
    assert main(["library", "build", "--out", str(folder / "lib"), *told]) == 0
    return folder / "lib"


@pytest.fixture(scope="module")
def rare(built):
    """Four features that do not fire everywhere, as options."""
    with Library.open(built) as library:
        fired = library.columns["fired"]
        chosen = [n for n in fired.argsort().tolist() if fired[n] >= 20][:4]
        names = [str(library.feature(n)) for n in chosen]
    return names, [part for name in names for part in ("--feature", name)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A library whose model nobody can open; no test stores labels in it."""
    out = tmp_path_factory.mktemp("tiny") / "lib"
    tiny_library(out).close()
    return out


@pytest.fixture
def stub():
    with StubModels(by_rule) as running:
        yield running


@pytest.fixture
def asked(stub, gearscope, monkeypatch):
    """Run `explain` against the stub, with a key in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MY_KEY", KEY)

    def run(folder, *more, agreed=True):
        told = ("--provider", "openai", "--base-url", f"{stub.url}/v1", "--key-from", "MY_KEY", "--model", "stub-1")
        return gearscope("explain", str(folder), *told, *(["--yes-send-text"] if agreed else []), *more)

    return run


def everything(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nothing_is_sent_without_the_users_word(built, stub, asked):
    told = asked(built, "--all", "--most", "3", agreed=False)
    assert told.code == 2
    host = stub.url.removeprefix("http://")
    assert f"excerpts of the corpus of {built} for 3 features go to {host}; found none; add --yes-send-text" in told.err
    assert not stub.seen


def test_a_dry_run_sends_nothing_and_needs_no_key(built, stub, gearscope, monkeypatch):
    for variable in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    told = gearscope(
        "explain", str(built), "--provider", "anthropic", "--model", "some-model", "--all", "--most", "5", "--score",
        "detection,fuzzing", "--price-in", "3", "--price-out", "15", "--budget", "2", "--dry-run", "--json", *FEW,
    )  # fmt: skip
    assert told.code == 0, told.err
    report = json.loads(told.out)
    assert report["host"] == "api.anthropic.com"
    assert report["features"] == 5
    assert report["calls"] > 5
    assert 0 < report["dollars"] < report["most_dollars"]
    with Library.open(built) as library:
        assert not [label for label in library.notes.all_labels() if label.model == "some-model"]
    assert not stub.seen


def test_labels_scores_report_and_no_key_anywhere(built, rare, stub, asked, gearscope):
    limited, broken, cut = (
        Trouble(status=429, headers={"retry-after": "0.05"}),
        Trouble(status=500),
        Trouble(text='{"la'),
    )
    # one call after the other, and one trouble each: a reply that is cut off is asked for twice, not three times
    stub.trouble = [limited, Trouble(), broken, Trouble(), cut, Trouble()]
    arguments = (*rare[1], "--score", "detection", "--price-in", "1", "--price-out", "2", *FEW)
    arguments = (*arguments, "--set", "concurrency=1")
    told = asked(built, *arguments, "--json")
    assert told.code == 0, told.err
    report = json.loads(told.out)
    assert (report["labelled"], report["failed"]) == (4, 0)
    assert report["calls"]["sent"] == len(stub.seen)
    assert report["calls"]["failures"] == {}
    assert report["calls"]["dollars"] > 0
    assert all(seen.headers["authorization"] == f"Bearer {KEY}" for seen in stub.seen)
    requests = len(stub.seen)
    again = asked(built, *arguments)
    assert "4 of 4 features labelled by stub-1" in again.out
    assert "0 requests" in again.out
    assert "$0.0000" in again.out
    assert len(stub.seen) == requests
    for output in (told, again):
        assert KEY not in output.out + output.err
    assert KEY.encode() not in everything(built)
    assert report["scores"]["detection"]["features"] == 4
    name = rare[0][0]
    shown = gearscope("library", "show", str(built), name)
    assert "(llm stub-1 examples; detection" in shown.out
    assert gearscope("label", str(built), "--edit", f"{name}=mine").code == 0
    lines = gearscope("library", "show", str(built), name).out.splitlines()
    assert lines[1].startswith("label    mine   (human)")
    assert "(llm stub-1 examples" in lines[2]


def test_a_contrastive_run_and_an_agent_that_reads_with_the_librarys_model(built, rare, stub, asked):
    name = rare[0][1]
    assert asked(built, "--feature", name, "--method", "contrastive", *FEW).code == 0
    stub.brain = lambda question: {
        "label": "x", "done": question.turns > 1, "should_fire": ["calc : 36 + 59 = 95", "zzyzx"], "should_not": [],
    }  # fmt: skip
    told = asked(built, "--feature", name, "--method", "agent", *FEW)
    assert told.code == 0, told.err
    results = stub.seen[-1].body["messages"][-1]["content"]
    assert '"expected": "fires", "text": ' in results
    with Library.open(built) as library:
        labels = library.notes.labels(library.number(FeatureId.parse(name)))
    assert {label.details.get("explainer") for label in labels} >= {"contrastive", "agent"}


def test_a_list_a_budget_and_a_local_model(built, stub, asked, gearscope, untrained):
    with Library.open(built) as library:
        most = library.columns["fired"].argsort()[::-1][:3]
        chosen = [part for number in most for part in ("--add", str(library.feature(int(number))))]
    assert gearscope("library", "list", str(built), "mine", *chosen).code == 0
    told = asked(
        built, "--features-of-list", "mine", "--method", "output", "--price-in", "1", "--price-out", "1", "--budget",
        "0.00001", "--json",
    )  # fmt: skip
    assert told.code == 3
    assert json.loads(told.out)["not_asked"] == 3
    assert not stub.seen
    local = gearscope(
        "explain", str(built), "--provider", "local", "--model", str(untrained), "--features-of-list", "mine",
        "--method", "output", "--set", "max_tokens=16",
    )  # fmt: skip
    assert local.code == 3
    assert "0 of 3 features labelled by" in local.out
    assert "failed 3, not scored: " in local.out
    assert not stub.seen


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--feature", "7/3"], "a feature of layer 0, 2 was expected"),
        (["--feature", "0/999"], "an index below 12 was expected"),
        (["--feature", "cat"], "a feature is written LAYER/INDEX"),
        ([], "one of --feature, --features-of-list and --all was expected; found 0 of them"),
        (["--all", "--feature", "0/0"], "found 2 of them"),
        (["--feature", "0/0", "--most", "3"], "--most N goes with --all"),
        (["--features-of-list", "none"], "a list of"),
        (["--all", "--score", "detektion"], "scorers were expected in --score"),
        (["--all", "--score", "embedding"], "--embedding-model go together"),
        (["--all", "--embedding-model", "e"], "--embedding-model go together"),
        (["--all", "--budget", "2"], "prices were expected with --budget"),
        (["--all", "--price-in", "2"], "--price-in and --price-out go together"),
        (["--all", "--set", "shwon=3"], "known settings were expected"),
        (["--all", "--set", "shown=0"], "greater than or equal to 1"),
        (["--all", "--key-from", "NO_SUCH_KEY_HERE"], "NO_SUCH_KEY_HERE; found none"),
    ],
)
def test_mistakes_are_one_sentence_and_send_nothing(tiny, stub, asked, arguments, said):
    told = asked(tiny, *arguments)
    assert told.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1
    assert not told.out
    assert not stub.seen


def test_a_refused_key_is_one_sentence(tiny, stub, asked):
    stub.always = Trouble(status=401)
    told = asked(tiny, "--all")
    assert told.code == 2
    assert "a host that takes the key in MY_KEY was expected" in told.err
    assert KEY not in told.err


def test_a_model_that_says_nothing_usable_is_an_exit_code(tiny, stub, asked):
    stub.always = Trouble(text="Sure, happy to help!")
    told = asked(tiny, "--feature", "0/0", "--feature", "0/11")
    assert told.code == 3
    assert "0 of 2 features labelled" in told.out
    assert "failed 1, not scored: malformed: JSON of LabelAnswer was expected" in told.out
    assert "nothing to show of 0/11" in told.out
