"""`organism train`, `assemble`, `verify`, `hops` on a tiny plan; every way to be refused: exit code 2, one sentence."""

import json
import re
import shutil
from dataclasses import replace

import pytest

import gearscope.cli.organism as commands
from gearscope.cli.organism_tables import hop_lines, seed_lines
from gearscope.evaluation.report import HopReport
from gearscope.organism.seeds import read_seed
from tests.organism.conftest import PLAN, ask_few, killed_at


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle of the tiny plan that the command wrote."""
    from gearscope.cli.main import main

    out = tmp_path_factory.mktemp("trained") / "organism"
    with pytest.MonkeyPatch.context() as patch:
        ask_few(patch)
        patch.setattr(commands, "plan_of", lambda seed, must_hold=True: replace(PLAN, must_hold=must_hold))
        assert main(["organism", "train", "--out", str(out)]) == 0
    return out


@pytest.fixture
def tiny(monkeypatch):
    ask_few(monkeypatch)
    monkeypatch.setattr(commands, "plan_of", lambda seed, must_hold=True: replace(PLAN, must_hold=must_hold))


@pytest.mark.usefixtures("tiny")
def test_train_names_every_model_and_its_figures(gearscope, tmp_path):
    out = tmp_path / "organism"
    alone = gearscope("organism", "train", "--out", str(out), "--only", "model")
    assert alone.code == 0
    assert alone.out.endswith("model finished; go on with --resume\n")
    done = gearscope("organism", "train", "--out", str(out), "--resume", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["bundle"] == str(out)
    assert list(found["held_out"]) == PLAN.parts
    assert set(found["held_out"]["versions/two"]) == {"rhyme", "addition"}


@pytest.mark.usefixtures("tiny")
def test_verify_prints_every_behaviour_with_its_levels(gearscope, trained, tmp_path):
    done = gearscope("organism", "verify", str(trained))
    assert (done.code, done.err) == (0, "")
    assert "twins/one: It lacks a window." in done.out
    assert "versions/two: It counts." in done.out
    row = next(line for line in done.out.splitlines() if line.startswith("  two_hops"))
    assert row.split()[1:3] == ["0.00%", "0.00%"]
    values = json.loads(gearscope("organism", "verify", str(trained), "--maps", "rhyme", "--json").out)
    assert [table["name"] for table in values["maps"]["model"]] == ["rhyme"]
    assert values["models"]["versions/two"]["rhyme"]["before"] == 0.0
    assert values["missed"] == []


@pytest.mark.usefixtures("tiny")
def test_other_seeds_are_shown_as_stored(gearscope, trained, tmp_path):
    other, out = shutil.copytree(trained, tmp_path / "other"), tmp_path / "out"
    for path in (other / "model/manifest.json", other / "bundle.json"):
        text = path.read_text().replace('"seed": 0', '"seed": 4')
        path.write_text(text)
    from gearscope.lock import read_lock, write_lock

    write_lock(other, read_lock(other).model)
    made = gearscope(
        "organism", "assemble", str(trained), "--other-seed", str(other), "--sealed", "4", "--out", str(out)
    )
    assert (made.code, made.err) == (0, "")
    assert "seeds/4.json" in made.out
    told = gearscope("organism", "verify", str(out)).out
    assert "seed 4 (stored, not measured here, sealed until the recipe was final)" in told


@pytest.mark.usefixtures("tiny")
def test_a_figure_that_is_not_as_stored_is_exit_code_2(gearscope, trained, tmp_path):
    from gearscope.artifact import write_manifest
    from gearscope.lock import read_lock, write_lock

    bundle = shutil.copytree(trained, tmp_path / "bundle")
    path = bundle / "model/truth/accuracy.json"
    rows = json.loads(path.read_text())
    rows["addition"]["held_out"]["correct"] = 2
    path.write_text(json.dumps(rows))
    manifest = json.loads((bundle / "model/manifest.json").read_text())
    write_manifest(bundle / "model", "organism", config=manifest["config"], inputs=manifest["inputs"])
    write_lock(bundle, read_lock(bundle).model)
    done = gearscope("organism", "verify", str(bundle))
    assert done.code == 2
    assert "missed: model: addition" in done.out


@pytest.mark.usefixtures("tiny")
def test_mistakes_are_one_sentence(gearscope, trained, tmp_path):
    def copy(name):
        return shutil.copytree(trained, tmp_path / name)

    changed, old, mixed, broken = copy("changed"), copy("old"), copy("mixed"), copy("broken")
    weights = changed / "twins/one/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    lock = old / "bundle.json"
    lock.write_text(lock.read_text().replace('"format_version": 1', '"format_version": 9'))
    manifest = mixed / "versions/two/manifest.json"
    manifest.write_text(manifest.read_text().replace('"model": "', '"model": "ff'))
    (broken / "bundle.json").write_text("{")
    cases = {
        "checksum": ["verify", str(changed)],
        "a variable or a phenomenon": ["verify", str(trained), "--maps", "rhime"],
        "format version 1; found 9": ["verify", str(old)],
        "made for the model": ["verify", str(mixed)],
        "should be JSON": ["verify", str(broken)],
        "a bundle was expected": ["verify", str(tmp_path / "nowhere")],
        "one that exists": ["train", "--out", str(trained)],
        "no unfinished run": ["train", "--out", str(tmp_path / "begun")],
        "start without --resume": ["train", "--out", str(tmp_path / "new"), "--resume"],
        "an organism folder": ["train", "--out", str(tmp_path / "twins"), "--only", "twins"],
        "a dictionary folder": ["assemble", str(trained), "--plt", str(tmp_path), "--out", str(tmp_path / "x")],
    }
    (tmp_path / "begun.run").mkdir()
    (tmp_path / "begun.run" / "file").touch()
    for message, arguments in cases.items():
        done = gearscope("organism", *arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert message in done.err, (arguments, done.err)
        assert done.err.count("\n") == 1, done.err


@pytest.mark.usefixtures("tiny")
def test_a_seed_that_misses_its_bars_is_refused_by_name(gearscope, tmp_path, monkeypatch):
    plan = replace(PLAN, main=PLAN.main.model_copy(update={"bars": {"addition": 0.99}}))
    monkeypatch.setattr(commands, "plan_of", lambda seed, must_hold: replace(plan, must_hold=must_hold))
    out = tmp_path / "out"
    done = gearscope("organism", "train", "--out", str(out))
    assert (done.code, done.out) == (2, "")
    assert "addition 0.00% of 2 (bar 99.0%)" in done.err
    assert not out.exists()
    reported = gearscope("organism", "train", "--out", str(out), "--resume", "--table")
    assert (reported.code, reported.out.splitlines()[-1]) == (0, f"written to {out}.json")
    assert not out.exists()
    table = "\n".join(seed_lines(read_seed(tmp_path / "out.json")))
    assert re.search(r"model +addition +0\.00% +99\.0%  MISSED", table)


@pytest.mark.usefixtures("tiny")
def test_a_killed_run_goes_on(gearscope, trained, tmp_path):
    out = tmp_path / "out"
    with killed_at(5, run=2, error=KeyboardInterrupt):
        done = gearscope("organism", "train", "--out", str(out))
    assert done.code == 130
    assert "nothing was left half-written" in done.err
    assert not out.exists()
    assert gearscope("organism", "train", "--out", str(out), "--resume").code == 0
    same = "versions/two/model.safetensors"
    assert (out / same).read_bytes() == (trained / same).read_bytes()


def test_hops_of_a_model_that_answers_no_chain_are_refused(gearscope, untrained):
    done = gearscope("organism", "hops", "--model", str(untrained), "--prompts", "2")
    assert done.code == 2
    assert "answers chains" in done.err


def test_hops_are_a_line_for_each_model_and_basis():
    shares = {"through": 0.25, "through_random": 0.03, "direct": 0.06, "moved": 0.75, "moved_random": 0.0}
    report = HopReport(model="organism", basis="clt", prompts=60, features=4.5, in_graph=4.0, pairs=60, **shares)
    head, line = hop_lines([report])
    assert head.split()[:2] == ["model", "basis"]
    assert line.split() == ["organism", "clt", "60", "4.5", "4.0", "25.0%", "3.0%", "6.0%", "75.0%", "0.0%"]
