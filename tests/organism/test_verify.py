"""A stored bundle, measured again: what holds, and every way in which it may not."""

import json
import shutil

import pytest
import torch

from gearscope.artifact import write_manifest
from gearscope.errors import ArtifactError
from gearscope.organism import verify as verification
from gearscope.organism.behaviours.registry import BEHAVIOURS
from gearscope.organism.config import OrganismConfig
from gearscope.organism.evaluate import Measured, Score, measure, measure_all
from gearscope.organism.model import round_to_half, untrained_model
from gearscope.organism.store import ACCURACY, HELD_OUT, KIND, read_config, read_table, write_bundle

TINY = OrganismConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=16, context=64, bars={"rhyme": 0.5})
QUESTIONS = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle of an untrained model, and that model."""
    model = round_to_half(untrained_model(TINY).eval())
    folder = tmp_path_factory.mktemp("made") / "bundle"
    write_bundle(folder, model, measure_all(model, limit=QUESTIONS), config=TINY, run="0" * 16)
    return folder, model


@pytest.fixture
def bundle(made, tmp_path, monkeypatch):
    """A copy of the bundle; verifying it asks as few questions as making it did."""
    monkeypatch.setattr(verification, "measure", lambda model, name: measure(model, name, QUESTIONS))
    return shutil.copytree(made[0], tmp_path / "bundle")


def _reseal(bundle):
    write_manifest(bundle, KIND, config=TINY.model_dump(mode="json"), inputs={})


def test_stored_weights_are_half_size_and_compute_what_was_measured(made):
    folder, model = made
    opened = verification.open_model(folder)
    ids = torch.arange(12).reshape(2, 6)
    with torch.no_grad():
        assert torch.equal(opened(ids).logits, model(ids).logits)
    size = sum(parameter.numel() for parameter in model.parameters())
    assert (folder / "model.safetensors").stat().st_size < 2.2 * size
    assert read_config(folder) == TINY


def test_weights_that_were_not_rounded_before_measuring_are_not_stored(tmp_path):
    with pytest.raises(AssertionError, match="round before"):
        write_bundle(tmp_path / "out", untrained_model(TINY), {}, config=TINY, run="")
    assert not list(tmp_path.iterdir())


def test_a_bundle_repeats_its_own_figures(bundle):
    seen = []
    checks = verification.verify_bundle(bundle, progress=seen.append)
    assert seen == checks
    assert [check.name for check in checks] == list(BEHAVIOURS)
    assert all(check.measured == check.stored for check in checks)
    # an untrained model is as bad as it says, and still misses the bar it has
    assert {check.name for check in checks if not check.holds} == {"rhyme"}


@pytest.mark.parametrize(("correct", "holds"), [(998, True), (996, False), (1000, True)])
def test_a_figure_may_move_by_no_more_than_the_tolerance(correct, holds):
    def row(n):
        return Measured(Score(n, 1000), Score(1, 1), Score(0, 1))

    assert verification.Check("addition", row(1000), row(correct), None).holds is holds
    assert verification.Check("addition", row(1000), row(correct), 0.999).holds is (correct >= 999)


def test_damaged_files_and_other_worlds_are_refused(bundle):
    (bundle / ACCURACY).write_text((bundle / ACCURACY).read_text().replace("0", "1", 1))
    with pytest.raises(ArtifactError, match="checksum"):
        verification.verify_bundle(bundle)
    truth = json.loads((bundle / HELD_OUT).read_text())
    truth["addition"].pop()
    (bundle / HELD_OUT).write_text(json.dumps(truth))
    _reseal(bundle)
    with pytest.raises(ArtifactError, match="hold out"):
        verification.verify_bundle(bundle)


def test_a_table_that_leaves_a_behaviour_out_is_refused(bundle):
    rows = json.loads((bundle / ACCURACY).read_text())
    del rows["rhyme"]
    (bundle / ACCURACY).write_text(json.dumps(rows))
    _reseal(bundle)
    with pytest.raises(ArtifactError, match="rhyme_written"):
        verification.verify_bundle(bundle)


@pytest.mark.parametrize("text", ["[", "[1]", '{"rhyme": {}}', '{"rhyme": 3}'])
def test_a_damaged_table_is_one_clear_error(bundle, text):
    (bundle / ACCURACY).write_text(text)
    with pytest.raises(ArtifactError, match="accuracy table"):
        read_table(bundle)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="was expected"):
        verification.verify_bundle(tmp_path)
