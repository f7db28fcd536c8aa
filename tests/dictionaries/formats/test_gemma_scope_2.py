"""Gemma Scope 2's folders, drawn in their layout, against their formulas, single and across layers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.store import read_dictionaries, write_as
from gearscope.errors import ArtifactError, GearscopeError
from tests.oracles.foreign_forward import gemma_scope_2, gemma_scope_2_across
from tests.oracles.planted_dictionaries import plant_at

D, F, L = 6, 10, 3
IN, OUT = "pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64) * 2 - 1


def tensors(seed: int = 0, *, across: int | None = None, skip: bool = False, **more: Tensor) -> dict[str, Tensor]:
    held = {"w_enc": draw(D, F, seed=seed), "b_enc": draw(F, seed=seed), "b_dec": draw(D, seed=seed)}
    held["threshold"] = draw(F, seed=seed + 50).abs()
    held["w_dec"] = draw(F, D, seed=seed) if across is None else draw(F, L, D, seed=seed)
    if across:
        held["w_dec"][:, :across] = 0
    return held | ({"affine_skip_connection": draw(D, D, seed=seed)} if skip else {}) | more


def config(hook: str, out: str | None = None, **more: Any) -> dict[str, Any]:
    hooks = {"hf_hook_point_in": f"model.layers.{hook}", "hf_hook_point_out": f"model.layers.{out or hook}"}
    return hooks | {"architecture": "jump_relu", "type": "sae", "model_name": "google/gemma-3-1b-pt"} | more


def store(folder: Path, settings: dict[str, Any], *held: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(settings))
    for number, each in enumerate(held):
        name = "params.safetensors" if len(held) == 1 else f"params_layer_{number}.safetensors"
        save_file({n: t.contiguous() for n, t in each.items()}, folder / name)
    return folder


@pytest.mark.parametrize(
    ("hook", "out", "reads", "writes", "skip"),
    [
        ("2.output", None, "resid_post", "resid_post", False),
        ("2.post_feedforward_layernorm.output", None, "mlp_out", "mlp_out", False),
        ("2.self_attn.o_proj.input", None, "z", "z", False),
        (f"2.{IN}", f"2.{OUT}", "mlp_in", "mlp_out", False),
        (f"2.{IN}", f"2.{OUT}", "mlp_in", "mlp_out", True),
    ],
)
def test_single_ones(tmp_path: Path, hook: str, out: str | None, reads: str, writes: str, skip: bool) -> None:
    held, x = tensors(skip=skip), draw(30, D, seed=5)
    read = read_dictionaries(store(tmp_path / "one", config(hook, out), held))
    (one,) = read.dictionaries
    assert (one.config.reads, one.config.writes) == ((f"blocks.2.{reads}",), (f"blocks.2.{writes}",))
    assert read.model == "google/gemma-3-1b-pt"
    acts, expected = gemma_scope_2(held, x)
    torch.testing.assert_close(one.encode(x[:, None]).dense(F), acts)
    torch.testing.assert_close(one.reconstruct(x[:, None])[:, 0], expected)


def written(dictionaries: DictionarySet, x: Tensor, layers: list[int]) -> Tensor:
    out = torch.zeros_like(x)
    for i, one in enumerate(dictionaries.dictionaries):
        parts = one.reconstruct(x[:, i, None])
        for number, site in enumerate(one.config.write_sites):
            out[:, layers.index(site.layer or 0)] += parts[:, number]
    return out


@pytest.mark.parametrize("skip", [False, True])
def test_across_layers(tmp_path: Path, skip: bool) -> None:
    held, x = [tensors(i, across=i, skip=skip) for i in range(L)], draw(30, L, D, seed=5)
    settings = config("{all}.x", type="clt") | {"hf_hook_point_in": f"model.layers.{{all}}.{IN}"}
    settings |= {"hf_hook_point_out": f"model.layers.{{all}}.{OUT}"}
    read = read_dictionaries(store(tmp_path / "clt" / "width_262k_l0_medium_affine", settings, *held))
    assert read.kind == "clt"
    read.check_stands_in_for_mlps(n_layers=L, d_model=D)
    acts, expected = gemma_scope_2_across(held, x)
    for i, one in enumerate(read.dictionaries):
        torch.testing.assert_close(one.encode(x[:, i, None]).dense(F), acts[i])
    torch.testing.assert_close(written(read, x, [0, 1, 2]), expected)


def test_crosscoders_read_their_layers_from_the_folder_s_name(tmp_path: Path) -> None:
    held, x = [tensors(i, across=i) for i in range(L)], draw(30, L, D, seed=5)
    settings = config("{all}.output", type="crosscoder")
    read = read_dictionaries(store(tmp_path / "layer_7_13_22_width_65k_l0_medium", settings, *held))
    assert read.kind == "crosscoder"
    assert [c.reads for c in read.configs] == [(f"blocks.{i}.resid_post",) for i in (7, 13, 22)]
    assert read.configs[1].writes == ("blocks.13.resid_post", "blocks.22.resid_post")
    torch.testing.assert_close(written(read, x, [7, 13, 22]), gemma_scope_2_across(held, x)[1])
    with pytest.raises(ArtifactError, match="named after its layers"):
        read_dictionaries(store(tmp_path / "crosscoder", settings, *held))


@pytest.mark.parametrize("skip", [False, True])
def test_what_is_written_computes_the_same_there(tmp_path: Path, skip: bool) -> None:
    places = [((f"blocks.{i}.mlp_in",), tuple(f"blocks.{j}.mlp_out" for j in range(i, L))) for i in range(L)]
    planted = plant_at(places, D, rectified=True, skip=skip, n_features=F)
    write_as(tmp_path / "set", planted, "gemma-scope-2")
    paths = sorted((tmp_path / "set" / "clt").rglob("params_layer_*.safetensors"))
    x = draw(9, L, D, seed=5)
    acts, out = gemma_scope_2_across([load_file(path) for path in paths], x)
    for i, one in enumerate(planted.dictionaries):
        torch.testing.assert_close(one.encode(x[:, i, None]).dense(F), acts[i])
    torch.testing.assert_close(written(planted, x, [0, 1, 2]), out)


@pytest.mark.parametrize(
    ("settings", "held", "message"),
    [
        (config("2.output", architecture="topk"), tensors(), "architecture 'topk' where jump_relu"),
        (config("2.mlp.output"), tensors(), "hf_hook_point_in 'model.layers.2.mlp.output' where"),
        (config("{all}.output"), tensors(), "should name one layer"),
        (config("2.output"), tensors(w_skip=draw(D, D)), "an unknown w_skip"),
        (config("2.output"), tensors(w_dec=draw(F, D + 1)), r"w_dec of shape \(10, 7\) where \(10, 6\) fits"),
        (config("2.output"), {n: t for n, t in tensors().items() if n != "b_enc"}, "no b_enc"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, settings: Any, held: dict[str, Tensor], message: str) -> None:
    with pytest.raises(GearscopeError, match=message):
        read_dictionaries(store(tmp_path / "one", settings, held))


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    settings = config("{all}.output", type="crosscoder")
    folder = store(tmp_path / "layer_7_13_22_width_65k", settings, *(tensors(i, across=i) for i in range(L)))
    (folder / "params_layer_1.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"no params_layer_1\.safetensors"):
        read_dictionaries(folder)
