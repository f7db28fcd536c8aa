"""sparsify's folders, drawn in its layout, against its formulas; what cannot be opened is one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.store import read_dictionaries, write_as
from gearscope.errors import GearscopeError
from tests.oracles.foreign_forward import sparsify
from tests.oracles.planted_dictionaries import plant_at

D, F = 6, 10
PLAIN: dict[str, Any] = {"activation": "topk", "expansion_factor": 2, "num_latents": F, "k": 7, "d_in": D}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64) * 2 - 1


def tensors(**more: Tensor) -> dict[str, Tensor]:
    return {"encoder.weight": draw(F, D), "encoder.bias": draw(F), "W_dec": draw(F, D, seed=1), "b_dec": draw(D)} | more


def store(folder: Path, settings: dict[str, Any], held: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True)
    (folder / "cfg.json").write_text(json.dumps(settings))
    save_file(held, folder / "sae.safetensors")
    return folder


def check(one: Dictionary, settings: dict[str, Any], held: dict[str, Tensor]) -> None:
    x = draw(30, D, seed=9)
    acts, out = sparsify(settings, held, x)
    assert int((acts > 0).sum(1).min()) < settings["k"], "the ReLU matters here"
    torch.testing.assert_close(one.encode(x[:, None]).dense(F), acts)
    torch.testing.assert_close(one.reconstruct(x[:, None])[:, 0], out)


@pytest.mark.parametrize("transcode", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_coders(tmp_path: Path, transcode: bool, skip: bool) -> None:
    if skip and not transcode:
        pytest.skip("an SAE with a skip would copy its input")
    settings = PLAIN | {"transcode": transcode, "skip_connection": skip}
    held = tensors(**({"W_skip": draw(D, D)} if skip else {}))
    (one,) = read_dictionaries(store(tmp_path / "layers.1.mlp", settings, held)).dictionaries
    check(one, settings, held)


def test_a_skip_says_transcoder_where_the_settings_are_old(tmp_path: Path) -> None:
    settings = PLAIN | {"skip_connection": True, "signed": False}
    held = tensors(W_skip=draw(D, D))
    (one,) = read_dictionaries(store(tmp_path / "layers.1.mlp", settings, held)).dictionaries
    assert one.config.writes == ("blocks.1.mlp_out",)
    check(one, settings, held)


@pytest.mark.parametrize(
    ("module", "transcode", "reads", "writes"),
    [
        ("layers.10", False, "blocks.10.resid_post", "blocks.10.resid_post"),
        ("model.layers.3", True, "blocks.3.resid_pre", "blocks.3.resid_post"),
        ("h.2.mlp", False, "blocks.2.mlp_raw", "blocks.2.mlp_raw"),
        ("layers.2.mlp", True, "blocks.2.mlp_in", "blocks.2.mlp_out"),
        ("layers.0.attention", False, "blocks.0.attn_out", "blocks.0.attn_out"),
        ("embed_in", False, "embed", "embed"),
    ],
)
def test_modules_are_sites(tmp_path: Path, module: str, transcode: bool, reads: str, writes: str) -> None:
    read = read_dictionaries(store(tmp_path / module, PLAIN | {"transcode": transcode}, tensors()))
    assert (read.configs[0].reads, read.configs[0].writes) == ((reads,), (writes,))
    assert (read.configs[0].write_form == "before_post_norm") == (transcode and "mlp" in module)


def test_a_folder_of_modules_is_one_set_with_its_model(tmp_path: Path) -> None:
    for layer in (10, 2):
        store(tmp_path / "run" / f"layers.{layer}", PLAIN, tensors())
    (tmp_path / "run" / "config.json").write_text(json.dumps({"model": "EleutherAI/pythia-70m", "ctx_len": 64}))
    found = read_dictionaries(tmp_path / "run")
    assert (found.kind, found.model) == ("sae", "EleutherAI/pythia-70m")
    assert [c.reads for c in found.configs] == [("blocks.2.resid_post",), ("blocks.10.resid_post",)]


@pytest.mark.parametrize("skip", [False, True])
def test_what_is_written_computes_the_same_there(tmp_path: Path, skip: bool) -> None:
    sites = (("blocks.0.mlp_in",), ("blocks.0.mlp_out",)) if skip else (("blocks.0.resid_post",),) * 2
    planted = plant_at([sites], D, activation="topk_relu", k=7, skip=skip, n_features=F)
    write_as(tmp_path / "set", planted, "sparsify")
    folder = tmp_path / "set" / ("layers.0.mlp" if skip else "layers.0")
    settings = json.loads((folder / "cfg.json").read_text())
    check(planted.dictionaries[0], settings, load_file(folder / "sae.safetensors"))


@pytest.mark.parametrize(
    ("module", "settings", "held", "message"),
    [
        ("layers.1", {"activation": "groupmax"}, tensors(), "activation 'groupmax' where topk"),
        ("layers.1", {"k": 0}, tensors(), "k 0"),
        ("layers.1", {"k": 11}, tensors(), "k = 11 is more than the 10 features"),
        ("layers.1.self_attn", {}, tensors(), "a folder 'layers.1.self_attn' where a module"),
        ("layers.1", {}, tensors(W_skip=draw(D, D)), "an unknown W_skip"),
        ("layers.1", {}, {n: t for n, t in tensors().items() if n != "b_dec"}, "no b_dec"),
        ("layers.1", {}, tensors(b_dec=draw(D + 1)), r"b_dec of shape \(7,\) where \(6,\) fits"),
        ("layers.1", {}, tensors(W_dec=draw(D, F)), r"W_dec of shape \(6, 10\) where \(10, 6\) fits"),
        ("layers.1", {}, tensors(b_dec=draw(D) / 0), "NaN or infinite"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, module: str, settings: Any, held: Any, message: str) -> None:
    with pytest.raises(GearscopeError, match=message):
        read_dictionaries(store(tmp_path / module, PLAIN | settings, held))


def test_layers_named_twice_are_refused(tmp_path: Path) -> None:
    store(tmp_path / "layers.1", PLAIN, tensors())
    store(tmp_path / "other" / "layers.1", PLAIN, tensors())
    with pytest.raises(GearscopeError, match=r"two that read blocks\.1\.resid_post"):
        read_dictionaries(tmp_path)
