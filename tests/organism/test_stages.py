"""The whole of a tiny plan: killed in any stage and gone on with, one stage alone, refusals that leave nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gearscope.errors import ArtifactError, ModelError
from gearscope.lock import LOCK, verify_lock
from gearscope.models.load import open_model
from gearscope.organism.runs import Plan, plan_of
from gearscope.organism.seeds import read_seed
from gearscope.organism.stages import train_bundle
from gearscope.organism.twins import TWINS, Twin
from tests.organism.conftest import PLAN, SMALL, KilledError, killed_at

pytestmark = pytest.mark.usefixtures("few_questions")
PARTS = ["model", "twins/one", "versions/two"]


def weights(folder):
    return {part: (folder / part / "model.safetensors").read_bytes() for part in PARTS}


@pytest.fixture
def whole(tmp_path):
    train_bundle(PLAN, tmp_path / "whole")
    return tmp_path / "whole"


def with_bar(plan: Plan, bar: float) -> Plan:
    config = SMALL.model_copy(update={"bars": {"rhyme": bar}})
    return replace(plan, twins={"one": Twin(of="rhyme", lacks="Everything.", config=config)})


def test_one_command_makes_every_model_and_locks_them_together(tmp_path):
    seen = []
    tables = train_bundle(PLAN, tmp_path / "out", progress=seen.append)
    assert list(tables) == PARTS == PLAN.parts
    lock = verify_lock(tmp_path / "out")
    assert {name: part.kind for name, part in lock.parts.items()} == dict(
        zip(PARTS, ("organism", "twin", "version"), strict=True)
    )
    assert lock.model == open_model(tmp_path / "out" / "model").fingerprint
    assert [(stage.part, stage.number, stage.count) for stage in seen] == [
        (part, number, 3) for number, part in enumerate(PARTS, start=1)
    ]


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_kill_in_any_stage_changes_no_bit(tmp_path, whole, stage):
    out = tmp_path / "cut"
    with pytest.raises(KilledError), killed_at(5, run=stage):
        train_bundle(PLAN, out)
    assert not out.exists()
    finished = {part for part in PARTS if (tmp_path / "cut.run" / part).exists()}
    assert finished == set(PARTS[:stage])
    train_bundle(PLAN, out, resume=True)
    assert weights(out) == weights(whole)


def test_a_finished_stage_is_not_trained_again(tmp_path, whole):
    out = tmp_path / "again"
    assert list(train_bundle(PLAN, out, only="model")) == ["model"]
    assert list(train_bundle(PLAN, out, only="twins", resume=True)) == ["twins/one"]
    assert not out.exists()
    with killed_at(0, run=1):  # the version is the only run that is left
        train_bundle(PLAN, out, resume=True)
    assert weights(out) == weights(whole)


def test_twins_and_versions_wait_for_the_organism(tmp_path):
    with pytest.raises(ArtifactError, match="organism folder"):
        train_bundle(PLAN, tmp_path / "out", only="versions")


def test_every_missed_bar_is_named_and_no_bundle_is_written(tmp_path):
    plan = with_bar(PLAN, 0.9)
    version = replace(PLAN.versions["two"], bars={"addition": 0.8})
    plan = replace(plan, versions={"two": version})
    with pytest.raises(ModelError) as refusal:
        train_bundle(plan, tmp_path / "out")
    assert "to write twins/one; found rhyme 0.00% of 2 (bar 90.0%)" in str(refusal.value)
    assert "to write versions/two; found addition" in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["out.run"]
    with pytest.raises(ModelError, match="twins/one"):
        train_bundle(plan, tmp_path / "out", resume=True)


def test_a_seed_that_is_reported_leaves_its_table_with_what_it_missed(tmp_path):
    plan = replace(with_bar(PLAN, 0.9), must_hold=False)
    tables = train_bundle(plan, tmp_path / "out")
    assert list(tables) == PARTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.run"]
    stored = read_seed(tmp_path / "out.json")
    assert (stored.seed, stored.sealed, sorted(stored.tables)) == (0, False, PARTS)
    assert stored.tables["twins/one"]["rhyme"]["bar"] == 0.9
    assert stored.maps == json.loads((tmp_path / "out.run/model/truth/interchange.json").read_text())
    with pytest.raises(ArtifactError, match=r"nothing was expected at .*out\.json"):
        train_bundle(plan, tmp_path / "out", resume=True)
    with pytest.raises(ModelError, match=r"twins/one.*rhyme 0.00%"):
        train_bundle(replace(plan, must_hold=True), tmp_path / "out", resume=True)


def test_a_bar_that_rose_since_is_missed_by_what_was_finished_before(tmp_path, whole):
    (tmp_path / "whole.run").rename(tmp_path / "out.run")
    with pytest.raises(ModelError, match=r"over its bars; found rhyme 0.00%"):
        train_bundle(with_bar(PLAN, 0.9), tmp_path / "out", resume=True)


def test_stages_of_other_settings_are_not_mixed(tmp_path, whole):
    (tmp_path / "whole.run").rename(tmp_path / "out.run")
    other = replace(PLAN, main=PLAN.main.model_copy(update={"learning_rate": 1e-3}))
    with pytest.raises(ArtifactError, match="should be made by this run"):
        train_bundle(other, tmp_path / "out", resume=True)


def test_an_earlier_bundle_is_refused_before_any_work_and_stays(tmp_path, whole):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    with pytest.raises(ArtifactError, match="one that exists"), killed_at(0):
        train_bundle(PLAN, whole)
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before
    (tmp_path / "whole.run").rename(tmp_path / "begun.run")
    with pytest.raises(ArtifactError, match="no unfinished run"), killed_at(0):
        train_bundle(PLAN, tmp_path / "begun")
    with pytest.raises(ArtifactError, match="start without --resume"):
        train_bundle(PLAN, tmp_path / "none", resume=True)
    assert (whole / LOCK).is_file()


def test_the_shipped_plan_gives_every_model_the_seed():
    plan = plan_of(3)
    runs = [plan.main_run(), *(plan.twin_run(name, "") for name in plan.twins)]
    runs += [plan.version_run(name, "", Path("model")) for name in plan.versions]
    assert [run.part for run in runs] == plan.parts
    assert {run.config.seed for run in runs} == {3}
    assert plan.twins == TWINS
