"""A stored bundle, measured again: what holds, and every way in which it may not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gearscope.artifact import write_manifest
from gearscope.errors import ArtifactError
from gearscope.lock import write_lock
from gearscope.organism import verify as verification
from gearscope.organism.behaviours.registry import BEHAVIOURS
from gearscope.organism.evaluate import Measured, Score, measure_all
from gearscope.organism.model import round_to_half, untrained_model
from gearscope.organism.store import (
    ACCURACY,
    BEFORE,
    HELD_OUT,
    held_out_json,
    held_out_truth,
    open_weights,
    read_config,
    read_table,
    table_json,
    write_model,
)
from gearscope.organism.truth.interchange import measure_maps
from gearscope.organism.truth.registry import variable_named
from gearscope.organism.truth.store import INTERCHANGE, maps_text, read_maps
from tests.organism.conftest import PLAN, QUESTIONS, TINY

RHYME = "rhyme/rhyme"
RUNS = {
    "model": replace(PLAN.main_run(), config=TINY.model_copy(update={"bars": {"rhyme": 0.5}})),
    "twins/one": PLAN.twin_run("one", "00ff"),
    "versions/two": PLAN.version_run("two", "00ff", Path("model")),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle of an untrained model, which is its own twin and version, and that model."""
    model = round_to_half(untrained_model(TINY).eval())
    folder = tmp_path_factory.mktemp("made") / "bundle"
    for part, run in RUNS.items():
        texts = {ACCURACY: table_json(measure_all(model, run.behaviours, limit=QUESTIONS), run.config.bars)}
        if part == "model":
            texts |= {HELD_OUT: held_out_json(), INTERCHANGE: maps_text(measure_maps(model, [variable_named(RHYME)]))}
        texts |= {BEFORE: texts[ACCURACY]} if part == "versions/two" else {}
        write_model(folder / part, model, run, made="0" * 16, texts=texts)
    write_lock(folder, "00ff")
    return folder, model


@pytest.fixture
def bundle(made, tmp_path, few_questions):
    """A copy of the bundle; verifying it asks as few questions as making it did."""
    return shutil.copytree(made[0], tmp_path / "bundle")


def verify(bundle, **settings):
    return verification.verify_bundle(bundle, PLAN.parts, **settings)


def reseal(bundle):
    about = {"settings": RUNS["model"].config.model_dump(mode="json")}
    write_manifest(bundle / "model", "organism", config=about, inputs={})
    write_lock(bundle, "00ff")


def test_stored_weights_are_half_size_and_compute_what_was_measured(made):
    folder, model = made
    opened = open_weights(folder / "model")
    ids = torch.arange(12).reshape(2, 6)
    with torch.no_grad():
        torch.testing.assert_close(opened(ids).logits, model(ids).logits, atol=1e-5, rtol=0)
    size = sum(parameter.numel() for parameter in model.parameters())
    assert (folder / "model/model.safetensors").stat().st_size < 2.2 * size
    assert read_config(folder / "model", "organism") == RUNS["model"].config


def test_weights_that_were_not_rounded_before_measuring_are_not_stored(tmp_path):
    with pytest.raises(AssertionError, match="round before"):
        write_model(tmp_path / "out", untrained_model(TINY), RUNS["model"], made="", texts={})
    assert not list(tmp_path.iterdir())


def test_a_bundle_repeats_its_own_figures(bundle):
    seen = []
    done = verify(bundle, progress=lambda part, check: seen.append((part, check)))
    assert seen == [(part.name, check) for part in done.parts for check in part.checks]
    assert [part.name for part in done.parts] == PLAN.parts
    organism, twin, version = done.parts
    assert [check.name for check in organism.checks] == list(BEHAVIOURS)
    assert [check.name for check in version.checks] == ["rhyme", "addition"]
    assert all(check.measured == check.stored for part in done.parts for check in part.checks)
    assert all(check.before == check.stored for check in version.checks)
    assert (twin.about, version.about) == ("It lacks a window.", "It counts.")
    # an untrained model is as bad as it says, and still misses the bar it has
    assert done.missed == ["model: rhyme"]


def test_a_map_that_is_not_what_the_model_does_is_reported(bundle, made):
    (stored,) = read_maps(bundle / "model")
    full = tuple((stored.counted + 1,) * len(row) for row in stored.moved)
    told = stored.model_copy(update={"moved": full, "counted": stored.counted + 1})
    assert verification.truth_problems(made[1], (told,), planned=False) == ["rhyme/rhyme differs by 100.0%"]
    assert verification.truth_problems(made[1], (), planned=False) == ["rhyme/rhyme on one side only"]


def test_a_model_that_does_not_plan_misses_the_bar_of_planning(bundle, made):
    (problem,) = verification.truth_problems(made[1], read_maps(bundle / "model"), planned=True)
    assert problem.startswith("planning: ")


def test_one_model_of_a_bundle_is_measured_alone(bundle):
    (part,) = verify(bundle / "twins" / "one").parts
    assert (part.name, part.kind, [check.name for check in part.checks]) == ("one", "twin", ["rhyme"])


@pytest.mark.parametrize(("correct", "holds"), [(998, True), (996, False), (1000, True)])
def test_a_figure_may_move_by_no_more_than_the_tolerance(correct, holds):
    def row(n):
        return Measured(Score(n, 1000), Score(1, 1), Score(0, 1))

    assert verification.Check("addition", row(1000), row(correct), None).holds is holds
    assert verification.Check("addition", row(1000), row(correct), 0.999).holds is (correct >= 999)


@pytest.mark.parametrize(("correct", "holds"), [(99, True), (98, False)])
def test_one_question_of_few_may_go_either_way(correct, holds):
    def row(n):
        return Measured(Score(n, 100), Score(1, 1), Score(0, 1))

    assert verification.Check("rhyme", row(100), row(correct), None).holds is holds


def test_damaged_files_and_other_worlds_are_refused(bundle):
    held_out = bundle / "model" / HELD_OUT
    held_out.write_text(held_out.read_text().replace("0", "1", 1))
    with pytest.raises(ArtifactError, match="checksum"):
        verify(bundle)
    reseal(bundle)
    with pytest.raises(ArtifactError, match="hold out"):
        verify(bundle)


def test_a_bundle_that_lacks_a_twin_or_has_one_of_another_model_is_refused(bundle):
    one = bundle / "twins" / "one"
    manifest = one / "manifest.json"
    manifest.write_text(manifest.read_text().replace("00ff", "ff00"))
    with pytest.raises(ArtifactError, match=r"for the model 00ff; found one made for ff00"):
        verify(bundle)
    shutil.rmtree(one)
    write_lock(bundle, "00ff")
    with pytest.raises(ArtifactError, match="found no twins/one"):
        verify(bundle)


def test_a_table_that_leaves_a_behaviour_out_is_refused(bundle):
    path = bundle / "model" / ACCURACY
    rows = json.loads(path.read_text())
    del rows["rhyme"]
    path.write_text(json.dumps(rows))
    reseal(bundle)
    with pytest.raises(ArtifactError, match="rhyme_written"):
        verify(bundle)


@pytest.mark.parametrize("text", ["[", "[1]", '{"rhyme": {}}', '{"rhyme": 3}'])
def test_a_damaged_table_is_one_clear_error(bundle, text):
    (bundle / "model" / ACCURACY).write_text(text)
    with pytest.raises(ArtifactError, match="accuracy table"):
        read_table(bundle / "model")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="was expected"):
        verify(tmp_path)
    write_manifest(tmp_path, "dictionary", config={}, inputs={})
    with pytest.raises(ArtifactError, match="an organism, a twin or a version; found 'dictionary'"):
        verify(tmp_path)


def test_held_out_truth_covers_every_phenomenon_that_holds_something_out():
    truth = held_out_truth()
    assert {"addition", "two_hops", "rhyme"} <= set(truth)
    for entry in truth.values():
        assert len(entry["texts"]) == min(entry["count"], 2000)
        assert len(set(entry["texts"])) == len(entry["texts"])
    assert "calc : 36 + 59 = 95" in " | ".join(truth["addition"]["texts"])
    assert len(held_out_json()) < 3e6
