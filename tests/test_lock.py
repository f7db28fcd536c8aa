"""A lock over stand-ins: parts of one model open, mixed, changed, lost and added ones are refused by name."""

import json
import shutil

import pytest

from gearscope.artifact import new_folder, write_manifest, write_text
from gearscope.errors import ArtifactError
from gearscope.lock import LOCK, locked_part, read_lock, verify_lock, write_lock

OURS, OTHER = "00" * 8, "ff" * 8


def part(folder, name, *, model, kind="thing", data="data"):
    with new_folder(folder / name) as scratch:
        write_text(scratch / "weights", data)
        write_manifest(scratch, kind, config={}, inputs={} if model is None else {"model": model})


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    part(folder, "model", model=None, kind="organism")
    part(folder, "twins/one", model=OURS, kind="twin")
    write_text(folder / "seeds/1.json", json.dumps({"kind": "seed", "inputs": {"model": OURS}}))
    write_lock(folder, OURS)
    return folder


def test_every_part_is_locked_and_found_again(bundle):
    lock = verify_lock(bundle)
    assert lock.model == OURS
    assert {name: part.kind for name, part in lock.parts.items()} == {
        "model": "organism",
        "seeds/1.json": "seed",
        "twins/one": "twin",
    }
    assert locked_part(bundle, "twins/one") == bundle / "twins/one"


def test_a_part_of_another_model_is_refused_with_both_models_and_a_way_out(bundle):
    shutil.rmtree(bundle / "twins/one")
    part(bundle, "twins/one", model=OTHER, kind="twin")
    for check in (lambda: locked_part(bundle, "twins/one"), lambda: verify_lock(bundle)):
        with pytest.raises(ArtifactError) as refusal:
            check()
        said = str(refusal.value)
        assert f"made for the model {OURS}; found one made for {OTHER}; make that part again" in said
        assert "twins/one" in said
    with pytest.raises(ArtifactError, match=OTHER):
        write_lock(bundle, OURS)


def test_no_part_opens_beside_a_model_that_was_replaced(bundle):
    shutil.rmtree(bundle / "model")
    part(bundle, "model", model=None, kind="organism", data="others")
    with pytest.raises(ArtifactError, match=r"model should be the part that bundle.json names"):
        locked_part(bundle, "twins/one")


def test_changed_files_lost_parts_and_parts_that_nobody_locked_are_refused(bundle):
    (bundle / "twins/one/weights").write_text("changed")
    with pytest.raises(ArtifactError, match="changed or truncated"):
        verify_lock(bundle)
    (bundle / "twins/one/weights").write_text("data")
    part(bundle, "twins/two", model=OURS)
    with pytest.raises(ArtifactError, match="found twins/two"):
        verify_lock(bundle)
    shutil.rmtree(bundle / "twins/two")
    (bundle / "seeds/1.json").unlink()
    with pytest.raises(ArtifactError, match=r"should hold seeds/1.json"):
        verify_lock(bundle)


def test_unknown_parts_are_refused_with_the_known_ones(bundle):
    with pytest.raises(ArtifactError, match=r"model, seeds/1\.json, twins/one"):
        locked_part(bundle, "../elsewhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format version 1; found 99"),
        ({"kind": "graph"}, "should hold a bundle"),
        ({"parts": None}, "should name a model and parts"),
        ({"inputs": {}}, "should name a model and parts"),
    ],
)
def test_a_lock_of_another_format_is_one_clear_error(bundle, change, message):
    path = bundle / LOCK
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match=message):
        read_lock(bundle)


def test_a_folder_without_a_lock_or_a_model_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="a bundle was expected"):
        read_lock(tmp_path)
    part(tmp_path, "twins/one", model=OURS)
    with pytest.raises(ArtifactError, match="a model was expected"):
        write_lock(tmp_path, OURS)
    assert not (tmp_path / LOCK).exists()
