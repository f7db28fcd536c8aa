"""circuit-tracer's folders, written out by hand in its layout, against dense arithmetic; and every trap of theirs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.store import read_dictionaries, write_as
from gearscope.errors import ArtifactError, DictionaryError, GearscopeError
from tests.dictionaries.test_store import assert_same
from tests.oracles.planted_dictionaries import Plain, Plan, plant_set

L, D = 3, 6
SETTINGS = {
    "model_name": "tiny",
    "model_kind": "transcoder_set",
    "feature_input_hook": "mlp.hook_in",
    "feature_output_hook": "mlp.hook_out",
    "scan": "planted",
    "something_new": [1, 2],
}


def write_yaml(folder: Path, **settings: Any) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(SETTINGS | settings), encoding="utf-8")


def per_layer(folder: Path, plain: Plain, **settings: Any) -> Path:
    for layer in range(L):
        save_file(plt_tensors(plain, layer), folder / f"layer_{layer}.safetensors")
    write_yaml(folder, **settings)
    return folder


def plt_tensors(plain: Plain, layer: int) -> dict[str, Tensor]:
    tensors = {
        "W_enc": plain.W_enc[layer].clone(),
        "b_enc": plain.b_enc[layer].clone(),
        "W_dec": plain.W_dec[layer, layer].clone(),
        "b_dec": plain.b_dec[layer].clone(),
    }
    if plain.plan.activation == "jumprelu":
        tensors["activation_function.threshold"] = plain.threshold[layer].clone()
    if plain.W_skip is not None:
        tensors["W_skip"] = plain.W_skip[layer].clone()
    return tensors


def cross_layer(folder: Path, plain: Plain) -> Path:
    for i in range(L):
        tensors = {f"W_enc_{i}": plain.W_enc[i].clone(), f"b_enc_{i}": plain.b_enc[i].clone()}
        tensors |= {f"b_dec_{i}": plain.b_dec[i].clone(), f"threshold_{i}": plain.threshold[i].clone()}
        save_file(tensors, folder / f"W_enc_{i}.safetensors")
        decoder = torch.stack([plain.W_dec[i, target] for target in range(i, L)], dim=1)
        save_file({f"W_dec_{i}": decoder}, folder / f"W_dec_{i}.safetensors")
    write_yaml(folder, model_kind="cross_layer_transcoder")
    return folder


def test_per_layer_transcoders_with_skips(tmp_path: Path):
    planted, plain = plant_set(Plan(skip=True), L, D)
    read = read_dictionaries(per_layer(tmp_path, plain))
    assert_same(planted, read)
    x = torch.randn(4, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = plain.activations(1, x) @ plain.W_dec[1, 1] + plain.b_dec[1] + x @ plain.W_skip[1].T
    torch.testing.assert_close(read.dictionaries[1].reconstruct(x[:, None])[:, 0], expected)


def test_cross_layer_transcoders(tmp_path: Path):
    planted, plain = plant_set(Plan(cross_layer=True), L, D)
    read = read_dictionaries(cross_layer(tmp_path, plain))
    assert read.kind == "clt"
    assert_same(planted, read)


@pytest.mark.parametrize("shape", [(), (1,), (12,)])
def test_thresholds_may_be_one_number(tmp_path: Path, shape: tuple[int, ...]):
    plain = plant_set(Plan(), L, D)[1]
    per_layer(tmp_path, plain)
    for layer in range(L):
        tensors = plt_tensors(plain, layer) | {"activation_function.threshold": torch.full(shape, 0.25)}
        save_file(tensors, tmp_path / f"layer_{layer}.safetensors")
    read = read_dictionaries(tmp_path)
    assert all(d.threshold is not None and d.threshold.tolist() == [0.25] * 12 for d in read.dictionaries)


def test_no_threshold_is_relu(tmp_path: Path):
    planted, plain = plant_set(Plan(activation="relu"), L, D)
    assert_same(planted, read_dictionaries(per_layer(tmp_path, plain)))
    assert_same(planted, read_dictionaries(per_layer(tmp_path, plain, activation="relu")))


def test_topk_has_its_k_in_the_settings_or_beside_the_weights(tmp_path: Path):
    planted, plain = plant_set(Plan(activation="topk", k=4), L, D)
    assert_same(planted, read_dictionaries(per_layer(tmp_path, plain, activation="topk", k=4)))
    for layer in range(L):
        save_file(plt_tensors(plain, layer) | {"k": torch.tensor(4)}, tmp_path / f"layer_{layer}.safetensors")
    for settings in ({}, {"activation": "topk"}, {"activation": "topk", "k": 4}):
        write_yaml(tmp_path, **settings)
        assert_same(planted, read_dictionaries(tmp_path))
    write_yaml(tmp_path, activation="topk", k=5)
    with pytest.raises(GearscopeError, match=r"5 in config.yaml, 4 in it"):
        read_dictionaries(tmp_path)


def test_topk_without_k_is_refused(tmp_path: Path):
    plain = plant_set(Plan(activation="relu"), L, D)[1]
    with pytest.raises(GearscopeError, match="topk needs `k`"):
        read_dictionaries(per_layer(tmp_path, plain, activation="topk"))


@pytest.mark.parametrize(
    ("hook", "read", "form"),
    [
        ("mlp.hook_in", "mlp_in", "site"),
        ("ln2.hook_normalized", "mlp_in", "before_gain"),
        ("hook_resid_mid", "resid_mid", "site"),
    ],
)
@pytest.mark.parametrize(("out_hook", "out_form"), [("mlp.hook_out", "before_post_norm"), ("hook_mlp_out", "site")])
def test_hooks(tmp_path: Path, hook: str, read: str, form: str, out_hook: str, out_form: str):
    plan = Plan(read=read, read_form=form, write_form=out_form)
    planted, plain = plant_set(plan, L, D)
    opened = read_dictionaries(per_layer(tmp_path, plain, feature_input_hook=hook, feature_output_hook=out_hook))
    assert_same(planted, opened)
    write_as(tmp_path / "again", opened, "circuit-tracer")
    told = yaml.safe_load((tmp_path / "again" / "config.yaml").read_text(encoding="utf-8"))
    assert (told["feature_input_hook"], told["feature_output_hook"]) == (hook, out_hook)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"feature_input_hook": "hook_resid_pre"}, "feature_input_hook 'hook_resid_pre' where one of"),
        ({"feature_output_hook": "hook_resid_post", "model_kind": "sae"}, "model_kind 'sae'.*'hook_resid_post'"),
        ({"activation": "gelu"}, "activation 'gelu'"),
        ({"activation": "topk", "k": 0}, "k 0"),
        ({"activation": "relu"}, "a threshold beside activation relu"),
        ({"activation": "topk", "k": 3}, "a threshold beside activation topk"),
        ({"transcoders": ["hf://google/params.npz"]}, "hf://OWNER/NAME/PATH|OWNER/NAME"),
        ({"transcoders": ["params.npz"]}, "file of numpy arrays"),
        ({"transcoders": ["ae.pt"]}, "never opened"),
        ({"transcoders": "layer_0"}, "not a list"),
        ({"model_kind": "cross_layer_transcoder"}, "no W_dec_0.safetensors.*unknown layer_0.safetensors"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, settings: dict[str, Any], words: str):
    plain = plant_set(Plan(), L, D)[1]
    with pytest.raises(GearscopeError, match=words):
        read_dictionaries(per_layer(tmp_path, plain, **settings))


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "!!python/object/apply:os.getcwd []"])
def test_yaml_that_is_none_or_carries_code(tmp_path: Path, text: str):
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"config\.yaml"):
        read_dictionaries(tmp_path)


def test_files_listed_by_name(tmp_path: Path):
    planted, plain = plant_set(Plan(), L, D)
    for layer in range(L):
        save_file(plt_tensors(plain, layer), tmp_path / f"some_{layer}.safetensors")
    write_yaml(tmp_path, transcoders=[f"some_{layer}.safetensors" for layer in range(L)])
    assert_same(planted, read_dictionaries(tmp_path))


def test_listed_files_may_be_gemma_scope_s(tmp_path: Path):
    planted, plain = plant_set(Plan(read_form="before_gain", write_form="site"), L, D)
    for layer in range(L):
        threshold = plain.threshold[layer].abs()
        weights = {"W_enc": plain.W_enc[layer].T, "W_dec": plain.W_dec[layer, layer], "b_enc": plain.b_enc[layer]}
        weights |= {"b_dec": plain.b_dec[layer], "threshold": threshold}
        np.savez(tmp_path / f"params_{layer}.npz", **{name: tensor.numpy() for name, tensor in weights.items()})
    hooks = {"feature_input_hook": "ln2.hook_normalized", "feature_output_hook": "hook_mlp_out"}
    write_yaml(tmp_path, transcoders=[f"params_{layer}.npz" for layer in range(L)], **hooks)
    read = read_dictionaries(tmp_path)
    assert read.configs == planted.configs
    assert torch.equal(read.dictionaries[2].threshold, plain.threshold[2].abs())
    assert torch.equal(read.dictionaries[2].W_enc, planted.dictionaries[2].W_enc)


@pytest.mark.parametrize("kind", ["transcoder_set", "cross_layer_transcoder"])
def test_listed_files_may_be_gemma_scope_2_s(tmp_path: Path, kind: str):
    """A skip is transposed there; of a cross-layer one's decoders, those into its own layer and later ones count."""
    whole = kind == "cross_layer_transcoder"
    planted, plain = plant_set(Plan(skip=True, cross_layer=whole), L, D)
    for layer in range(L):
        drawn = torch.ones(12, L, D, dtype=torch.float64)
        for target in range(layer, L if whole else layer + 1):
            drawn[:, target] = plain.W_dec[layer, target]
        weights = {"w_enc": plain.W_enc[layer].T, "b_enc": plain.b_enc[layer], "b_dec": plain.b_dec[layer]}
        weights |= {"threshold": plain.threshold[layer].abs(), "affine_skip_connection": plain.W_skip[layer].T}
        weights |= {"w_dec": drawn if whole else drawn[:, layer]}
        save_file({n: t.contiguous() for n, t in weights.items()}, tmp_path / f"params_layer_{layer}.safetensors")
    files = [f"params_layer_{layer}.safetensors" for layer in range(L)]
    write_yaml(tmp_path, transcoders=files, model_kind=kind)
    read = read_dictionaries(tmp_path)
    assert read.configs == planted.configs
    for before, after in zip(planted.dictionaries, read.dictionaries, strict=True):
        for name in ("W_enc", "b_enc", "W_dec", "b_dec", "W_skip"):
            assert torch.equal(getattr(before, name), getattr(after, name)), name


def test_missing_and_extra_tensors_are_named_in_one_sentence(tmp_path: Path):
    plain = plant_set(Plan(), L, D)[1]
    per_layer(tmp_path, plain)
    first, last = plt_tensors(plain, 0), plt_tensors(plain, 2)
    first.pop("b_dec")
    save_file(first, tmp_path / "layer_0.safetensors")
    save_file(last | {"W_skipped": torch.zeros(2)}, tmp_path / "layer_2.safetensors")
    with pytest.raises(
        ArtifactError, match=r"layer_0.safetensors: no b_dec, layer_2.safetensors: an unknown W_skipped"
    ):
        read_dictionaries(tmp_path)


def test_a_skip_in_the_cross_layer_layout_is_refused(tmp_path: Path):
    plain = plant_set(Plan(cross_layer=True), L, D)[1]
    cross_layer(tmp_path, plain)
    tensors = load_file(tmp_path / "W_enc_1.safetensors") | {"W_skip_1": torch.zeros(D, D)}
    save_file(tensors, tmp_path / "W_enc_1.safetensors")
    with pytest.raises(ArtifactError, match=r"W_enc_1\.safetensors: an unknown W_skip"):
        read_dictionaries(tmp_path)


def test_missing_layers_are_named(tmp_path: Path):
    plain = plant_set(Plan(), L, D)[1]
    per_layer(tmp_path, plain)
    (tmp_path / "layer_1.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"no layer_1\.safetensors"):
        read_dictionaries(tmp_path)


def test_shapes_that_do_not_fit_are_named(tmp_path: Path):
    plain = plant_set(Plan(), L, D)[1]
    per_layer(tmp_path, plain)
    wrong = {"W_dec": torch.zeros(12, 5), "b_enc": torch.zeros(11)}
    save_file(plt_tensors(plain, 1) | wrong, tmp_path / "layer_1.safetensors")
    with pytest.raises(DictionaryError, match=r"b_enc of shape \(11,\).*W_dec of shape \(12, 1, 5\)"):
        read_dictionaries(tmp_path)
    save_file(plt_tensors(plain, 1) | {"W_dec": torch.zeros(12, 1, D)}, tmp_path / "layer_1.safetensors")
    with pytest.raises(DictionaryError, match=r"W_dec \(12, 1, 6\)"):
        read_dictionaries(tmp_path)


@pytest.mark.parametrize("plan", [Plan(skip=True), Plan(activation="topk", k=3), Plan(cross_layer=True)])
def test_written_folders_have_their_layout_and_come_back(tmp_path: Path, plan: Plan):
    planted, plain = plant_set(plan, L, D)
    write_as(tmp_path / "ours", planted, "circuit-tracer")
    assert_same(planted, read_dictionaries(tmp_path / "ours"))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    cross_layer(theirs, plain) if plan.cross_layer else per_layer(theirs, plain)
    assert {p.name for p in (tmp_path / "ours").iterdir()} == {p.name for p in theirs.iterdir()}
    for path in theirs.glob("*.safetensors"):
        ours, expected = load_file(tmp_path / "ours" / path.name), load_file(path)
        assert ours.keys() == expected.keys()
        assert all(torch.equal(ours[name], expected[name]) for name in ours)


def test_biases_of_a_cross_layer_transcoder_are_summed_per_layer(tmp_path: Path):
    planted = plant_set(Plan(cross_layer=True), L, D)[0]
    one = planted.dictionaries[0]
    biases = torch.arange(L * D, dtype=torch.float64).reshape(L, D)
    changed = type(one)(**{**vars(one), "b_dec": biases})
    write_as(tmp_path / "set", DictionarySet(dictionaries=(changed, *planted.dictionaries[1:])), "circuit-tracer")
    read = read_dictionaries(tmp_path / "set")
    expected = biases[2] + planted.dictionaries[2].b_dec[0]
    assert torch.equal(read.dictionaries[2].b_dec[0], expected)
    assert not read.dictionaries[0].b_dec[1:].any()


def test_what_their_folders_cannot_hold_is_refused(tmp_path: Path):
    skip = plant_set(Plan(cross_layer=True, skip=True), L, D)[0]
    with pytest.raises(DictionaryError, match="W_skip in a cross-layer transcoder"):
        write_as(tmp_path / "a", skip, "circuit-tracer")
    small, large = plant_set(Plan(n_features=8), L, D)[0], plant_set(Plan(), L, D)[0]
    mixed = DictionarySet(dictionaries=(*small.dictionaries[:2], large.dictionaries[2]))
    with pytest.raises(DictionaryError, match="n_features 12 and 8"):
        write_as(tmp_path / "b", mixed, "circuit-tracer")
    clt = plant_set(Plan(cross_layer=True), L, D)[0]
    narrow = plant_set(Plan(), L, D)[0]
    holes = DictionarySet(dictionaries=(narrow.dictionaries[0], *clt.dictionaries[1:]))
    with pytest.raises(DictionaryError, match=r"layer 0 that writes blocks\.0\.mlp_out"):
        write_as(tmp_path / "c", holes, "circuit-tracer")
    assert not list(tmp_path.iterdir())
