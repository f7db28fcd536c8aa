"""SAELens' checkpoints: what is opened computes what their formulas say, and what cannot be opened is one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.store import read_dictionaries, write_as
from gearscope.errors import ArtifactError, GearscopeError
from tests.oracles.foreign_forward import saelens
from tests.oracles.planted_dictionaries import plant_at

D, F = 6, 10


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64) * 2 - 1


def weights(**more: Tensor) -> dict[str, Tensor]:
    return {"W_enc": draw(D, F), "W_dec": draw(F, D), "b_enc": draw(F), "b_dec": draw(D)} | more


def config(architecture: str, hook: str = "blocks.1.hook_resid_post", **more: Any) -> dict[str, Any]:
    metadata = {"hook_name": hook, "model_name": "tiny", **more.pop("metadata", {})}
    return {"architecture": architecture, "d_in": D, "d_sae": F, "metadata": metadata, **more}


def store(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True)
    (folder / "cfg.json").write_text(json.dumps(settings))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "sae_weights.safetensors")
    return folder


def only(folder: Path) -> Dictionary:
    (one,) = read_dictionaries(folder).dictionaries
    return one


def largest(pre: Tensor, k: int) -> Tensor:
    return torch.where(pre.argsort(dim=1, descending=True).argsort(dim=1) < k, pre, 0.0)


def check(one: Dictionary, acts: Tensor, out: Tensor, x: Tensor) -> None:
    codes = one.encode(x[:, None])
    assert (codes.values > 0).all()
    torch.testing.assert_close(codes.dense(one.config.n_features), acts)
    torch.testing.assert_close(one.reconstruct(x[:, None])[:, 0], out)


@pytest.mark.parametrize("centred", [False, True])
def test_standard(tmp_path: Path, centred: bool) -> None:
    w, x = weights(), draw(7, D)
    one = only(store(tmp_path / "sae", config("standard", apply_b_dec_to_input=centred), w))
    acts = ((x - w["b_dec"] if centred else x) @ w["W_enc"] + w["b_enc"]).clamp(min=0)
    check(one, acts, acts @ w["W_dec"] + w["b_dec"], x)
    assert one.config.reads == one.config.writes == ("blocks.1.resid_post",)


def test_jumprelu_keeps_its_relu(tmp_path: Path) -> None:
    w, x = weights(threshold=draw(F, seed=5) * 0.3), draw(7, D)
    one = only(store(tmp_path / "sae", config("jumprelu"), w))
    pre = x @ w["W_enc"] + w["b_enc"]
    acts = pre.clamp(min=0) * (pre > w["threshold"])
    check(one, acts, acts @ w["W_dec"] + w["b_dec"], x)


@pytest.mark.parametrize("by_norm", [False, True])
def test_topk(tmp_path: Path, by_norm: bool) -> None:
    w, x = weights(), draw(7, D)
    one = only(store(tmp_path / "sae", config("topk", k=6, rescale_acts_by_decoder_norm=by_norm), w))
    norm = w["W_dec"].norm(dim=1) if by_norm else torch.ones(F, dtype=torch.float64)
    acts = largest((x @ w["W_enc"] + w["b_enc"]) * norm, 6).clamp(min=0)
    assert (acts > 0).sum(1).min() < 6, "the ReLU matters here"
    check(one, acts, (acts / norm) @ w["W_dec"] + w["b_dec"], x)


def test_skip_transcoder(tmp_path: Path) -> None:
    w, x = weights(W_skip=draw(D, D)), draw(7, D)
    hooks = {"hook_name_out": "blocks.1.hook_mlp_out"}
    one = only(store(tmp_path / "t", config("skip_transcoder", "blocks.1.mlp.hook_in", metadata=hooks), w))
    acts = (x @ w["W_enc"] + w["b_enc"]).clamp(min=0)
    check(one, acts, acts @ w["W_dec"] + w["b_dec"] + x @ w["W_skip"].T, x)
    assert (one.config.reads, one.config.writes) == (("blocks.1.mlp_in",), ("blocks.1.mlp_out",))


def test_flat_settings_of_before_version_six(tmp_path: Path) -> None:
    w, x = weights(), draw(7, D)
    old = {"hook_point": "blocks.0.hook_mlp_out", "activation_fn_str": "relu", "d_in": D, "model_name": "tiny"}
    acts = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).clamp(min=0)
    check(only(store(tmp_path / "relu", old, w)), acts, acts @ w["W_dec"] + w["b_dec"], x)
    top = {**old, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3}}
    acts = largest((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"], 3).clamp(min=0)
    check(only(store(tmp_path / "topk", top, w)), acts, acts @ w["W_dec"] + w["b_dec"], x)


def test_a_folder_of_checkpoints_is_one_set(tmp_path: Path) -> None:
    for layer in (10, 2):
        store(tmp_path / "all" / f"layer_{layer}", config("standard", f"blocks.{layer}.hook_mlp_out"), weights())
    found = read_dictionaries(tmp_path / "all")
    assert (found.kind, found.model) == ("sae", "tiny")
    assert [c.reads for c in found.configs] == [("blocks.2.mlp_out",), ("blocks.10.mlp_out",)]


@pytest.mark.parametrize(
    ("settings", "tensors", "message"),
    [
        (config("matching_pursuit"), weights(), "architecture 'matching_pursuit'"),
        (config("gated"), weights(), "no b_gate, no b_mag, no r_mag, an unknown b_enc"),
        (config("batchtopk"), weights(), "no threshold"),
        (config("topk"), weights(), "k None"),
        (config("jumprelu"), weights(), "no threshold"),
        (config("standard"), weights(r_mag=draw(F)), "an unknown r_mag"),
        (config("standard"), {**weights(), "b_dec": draw(1, D)}, r"b_dec of shape \(1, 6\)"),
        (config("standard"), {**weights(), "b_enc": draw(F + 1)}, r"b_enc of shape \(11,\) where \(10,\)"),
        (config("standard"), {**weights(), "W_dec": draw(F, D) / 0}, "NaN or infinite"),
        (config("standard", normalize_activations="layer_norm"), weights(), "normalize_activations 'layer_norm'"),
        (config("standard", "blocks.1.attn.hook_result"), weights(), "no site that gearscope knows"),
        (config("transcoder"), weights(), "no hook_name_out"),
        (config("jumprelu", "blocks.1.ln2.hook_normalized"), weights(), "of model 'tiny', whose norms are not known"),
        (config("standard", reshape_activations="hook_z"), weights(), "reshape_activations 'hook_z'"),
        ({}, weights(), "no hook_name"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, settings: dict[str, Any], tensors: dict[str, Tensor], message: str):
    with pytest.raises(GearscopeError, match=message):
        read_dictionaries(store(tmp_path / "sae", settings, tensors))


def test_damaged_files(tmp_path: Path) -> None:
    folder = store(tmp_path / "sae", config("standard"), weights())
    (folder / "sae_weights.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ArtifactError, match="should be a safetensors file"):
        read_dictionaries(folder)
    (folder / "cfg.json").write_text("{")
    with pytest.raises(ArtifactError, match="should be JSON"):
        read_dictionaries(folder)
    (folder / "cfg.json").write_text("[1]")
    with pytest.raises(ArtifactError, match="settings by name"):
        read_dictionaries(folder)


DRAWN = {
    "gated": {"r_mag": draw(F, seed=1), "b_gate": draw(F, seed=2) * 0.5, "b_mag": draw(F, seed=3) * 0.5},
    "batchtopk": {"topk_threshold": torch.tensor(0.4, dtype=torch.float64)},
    "matryoshka_batchtopk": {"topk_threshold": torch.tensor(0.4, dtype=torch.float64)},
}


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("by_norm", [False, True])
@pytest.mark.parametrize("architecture", DRAWN)
def test_gates_and_thresholds_of_training(tmp_path: Path, architecture: str, by_norm: bool, centred: bool) -> None:
    w, x = weights(**DRAWN[architecture]), draw(40, D)
    if architecture == "gated":
        w.pop("b_enc")
        if by_norm:
            pytest.skip("only TopK knows norms")
    settings = config(architecture, apply_b_dec_to_input=centred, rescale_acts_by_decoder_norm=by_norm)
    one = only(store(tmp_path / "sae", settings, w))
    assert one.config.activation == "jumprelu"
    acts, out = saelens(settings, w, x)
    assert 0 < int((acts > 0).sum()) < acts.numel() * 0.7
    check(one, acts, out, x)


def test_heads_side_by_side_are_one_site(tmp_path: Path) -> None:
    settings = config("standard", "blocks.1.attn.hook_z", reshape_activations="hook_z")
    assert only(store(tmp_path / "sae", settings, weights())).config.reads == ("blocks.1.z",)


@pytest.mark.parametrize(("model", "form"), [("gpt2-small", "site"), ("google/gemma-2-2b", "before_gain")])
def test_the_norm_s_hook_is_behind_a_layer_norm_s_gain_and_before_that_of_an_rms_norm(tmp_path, model, form) -> None:
    hooks = {"hook_name_out": "blocks.1.hook_mlp_out", "model_name": model}
    settings = config("transcoder", "blocks.1.ln2.hook_normalized", metadata=hooks)
    assert only(store(tmp_path / "t", settings, weights())).config.read_form == form


@pytest.mark.parametrize(
    "options", [{"activation": "relu"}, {"activation": "jumprelu"}, {"activation": "topk_relu", "k": 3}]
)
@pytest.mark.parametrize("transcoder", [False, True])
def test_what_is_written_computes_the_same_there(tmp_path: Path, options: dict[str, Any], transcoder: bool) -> None:
    if transcoder and "k" in options:
        pytest.skip("SAELens has no TopK transcoder")
    sites = (("blocks.0.mlp_in",), ("blocks.0.mlp_out",)) if transcoder else (("blocks.0.z",), ("blocks.0.z",))
    planted = plant_at([sites], D, skip=transcoder, rectified=True, **options)
    write_as(tmp_path / "set", planted, "saelens")
    settings = json.loads((tmp_path / "set" / "cfg.json").read_text())
    x = draw(9, D)
    acts, out = saelens(settings, load_file(tmp_path / "set" / "sae_weights.safetensors"), x)
    check(planted.dictionaries[0], acts, out, x)
