"""Our own folders: what is written comes back, decoders stay on disk, and damage is one sentence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from gearscope.artifact import MANIFEST, verify
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.formats.own import KIND
from gearscope.dictionaries.store import read_dictionaries, write_dictionaries
from gearscope.errors import ArtifactError, ConfigError, DictionaryError
from tests.oracles.planted_dictionaries import Plan, plant_set


def assert_same(left: DictionarySet, right: DictionarySet) -> None:
    assert left.configs == right.configs
    assert (left.model, left.scan) == (right.model, right.scan)
    for a, b in zip(left.dictionaries, right.dictionaries, strict=True):
        assert a.tensors().keys() == b.tensors().keys()
        for name, tensor in a.tensors().items():
            assert torch.equal(tensor, b.tensors()[name]), name


@settings(max_examples=12, deadline=None)
@given(
    cross_layer=st.booleans(),
    skip=st.booleans(),
    activation=st.sampled_from(["relu", "jumprelu", "topk"]),
    read_form=st.sampled_from(["site", "before_gain"]),
    n_layers=st.integers(1, 3),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_round_trip(tmp_path_factory, cross_layer, skip, activation, read_form, n_layers, dtype):
    k = 2 if activation == "topk" else None
    plan = Plan(cross_layer=cross_layer, skip=skip, activation=activation, k=k, read_form=read_form, n_features=4)
    written = plant_set(plan, n_layers, 5, dtype=dtype)[0]
    out = tmp_path_factory.mktemp("store") / "set"
    write_dictionaries(out, written, inputs={"model": "0123"})
    assert verify(out, KIND)["inputs"] == {"model": "0123"}
    read = read_dictionaries(out)
    assert_same(written, read)
    assert all(dictionary.mapped for dictionary in read.dictionaries)


def test_statistics_of_features_are_stored_beside_the_weights(tmp_path: Path):
    plain = plant_set(Plan(), 1, 6)[0].dictionaries[0]
    F = plain.config.n_features
    measured = replace(plain, max_activation=torch.arange(F) * 1.5, density=torch.linspace(0, 1, F))
    write_dictionaries(tmp_path / "set", DictionarySet(dictionaries=(measured,)))
    write_dictionaries(tmp_path / "without", DictionarySet(dictionaries=(plain,)))
    read = read_dictionaries(tmp_path / "set")
    (only,) = read.dictionaries
    assert only.statistics().keys() == {"max_activation", "density"}
    assert torch.equal(only.max_activation, torch.arange(F) * 1.5)
    assert torch.equal(only.density, torch.linspace(0, 1, F))
    assert (tmp_path / "set" / "layer_0.safetensors").stat().st_mode & 0o044 == 0o044, "others may read them"
    older = read_dictionaries(tmp_path / "without")
    assert older.dictionaries[0].statistics() == {}
    assert older.fingerprint() == read.fingerprint(), "statistics are no part of what a dictionary is"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_activation": torch.zeros(3)}, "max_activation of shape"),
        ({"density": torch.full((8,), torch.nan)}, "8 values of density that are NaN"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(DictionaryError, match=message):
        replace(plant_set(Plan(n_features=8), 1, 6)[0].dictionaries[0], **wrong)


def test_half_precision_is_single_where_it_is_read_at_once(tmp_path: Path):
    one = plant_set(Plan(), 1, 6)[0].dictionaries[0]
    half = replace(one, **{name: tensor.bfloat16() for name, tensor in one.tensors().items()})
    write_dictionaries(tmp_path / "set", DictionarySet(dictionaries=(half,)))
    read = read_dictionaries(tmp_path / "set").dictionaries[0]
    assert read.W_dec.dtype == torch.bfloat16
    assert {t.dtype for name, t in read.tensors().items() if name != "W_dec"} == {torch.float32}
    assert torch.equal(read.W_enc, half.W_enc.float())


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="resident memory is read from Linux's /proc")
def test_only_active_rows_are_read(tmp_path: Path):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * 4096

    plan = Plan(cross_layer=True, n_features=4000)
    written = plant_set(plan, 16, 128, dtype=torch.float32)[0].dictionaries[0]
    size = written.W_dec.nbytes
    assert size > 30 * 2**20
    write_dictionaries(tmp_path / "set", DictionarySet(dictionaries=(written,)))
    before = resident()
    read = read_dictionaries(tmp_path / "set").dictionaries[0]
    rows = read.decoders(torch.tensor([3, 700, 3999]), read.b_enc)
    assert torch.equal(rows, written.W_dec[torch.tensor([3, 700, 3999])])
    assert resident() - before < size / 3


def damaged(tmp_path: Path) -> Path:
    out = tmp_path / "set"
    write_dictionaries(out, plant_set(Plan(), 2, 5)[0])
    return out


def test_missing_and_unknown_tensors_are_named(tmp_path: Path):
    out = damaged(tmp_path)
    tensors = load_file(out / "layer_1.safetensors")
    b_enc = tensors.pop("b_enc")
    save_file(tensors | {"b_encoder": b_enc}, out / "layer_1.safetensors")
    with pytest.raises(ArtifactError, match=r"layer_1.safetensors.*no b_enc.*unknown b_encoder"):
        read_dictionaries(out)


def test_every_damaged_layer_is_named_at_once(tmp_path: Path):
    out = damaged(tmp_path)
    (out / "layer_0.safetensors").write_bytes(b"no tensors")
    (out / "layer_1.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"layer_0.safetensors.*layer_1.safetensors"):
        read_dictionaries(out)


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path):
    out = damaged(tmp_path)
    tensors = load_file(out / "layer_0.safetensors")
    tensors["W_enc"][2, 0, 1] = torch.nan
    save_file(tensors, out / "layer_0.safetensors")
    with pytest.raises(DictionaryError, match="1 values of W_enc that are NaN"):
        read_dictionaries(out)


def test_settings_that_contradict_the_weights_are_refused(tmp_path: Path):
    out = damaged(tmp_path)
    manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    manifest["config"]["dictionaries"][0]["d_model"] = 6
    (out / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(DictionaryError, match=r"\(12, 1, 5\) where \(12, 1, 6\) fits"):
        read_dictionaries(out)
    manifest["config"]["dictionaries"][0]["activation"] = "topk"
    (out / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ConfigError, match="topk needs k"):
        read_dictionaries(out)
    manifest["config"] = {}
    (out / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtifactError, match="list the dictionaries"):
        read_dictionaries(out)


def test_folders_that_are_none(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no such folder"):
        read_dictionaries(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="none of them"):
        read_dictionaries(tmp_path)
    for name in ("weights.pkl", "ae.pt"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(ArtifactError, match="name the folder that it is in"):
            read_dictionaries(tmp_path / name)
    with pytest.raises(ArtifactError, match=r"found ae\.pt, weights\.pkl.*never opened"):
        read_dictionaries(tmp_path)


def test_a_folder_is_never_overwritten(tmp_path: Path):
    out = damaged(tmp_path)
    with pytest.raises(ArtifactError, match="new folder"):
        write_dictionaries(out, plant_set(Plan(), 1, 5)[0])
    assert len(read_dictionaries(out).dictionaries) == 2
