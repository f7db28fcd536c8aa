"""Every format: what is written comes back with the same codes and reconstructions on the same input, in float32.

Each format is tried with every kind that it has a place for; what it has none for is refused, and nothing is written.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.formats.registry import FORMATS
from gearscope.dictionaries.store import format_of, read_dictionaries, write_as
from gearscope.errors import ConfigError, DictionaryError
from tests.oracles.planted_dictionaries import plant_at

D, L = 6, 3
TOLERANCE = 2e-5
"""In float32, of values up to 20; what is folded (a bias through an encoder) is rounded twice."""


def sae(name: str) -> list[Any]:
    return [((f"blocks.{i}.{name}",), (f"blocks.{i}.{name}",)) for i in range(L)]


def across(read: str, written: str) -> list[Any]:
    return [((f"blocks.{i}.{read}",), tuple(f"blocks.{j}.{written}" for j in range(i, L))) for i in range(L)]


TRANSCODER = [((f"blocks.{i}.mlp_in",), (f"blocks.{i}.mlp_out",)) for i in range(L)]
CLT = across("mlp_in", "mlp_out")
CROSSCODER = [(tuple(f"blocks.{i}.resid_post" for i in range(L)), tuple(f"blocks.{i}.resid_post" for i in range(L)))]
TOPK: dict[str, Any] = {"activation": "topk_relu", "k": 3}
RELU: dict[str, Any] = {"activation": "relu"}
JUMP: dict[str, Any] = {"activation": "jumprelu", "rectified": True}
GEMMA = {"model": "google/gemma-2-2b"}
HELD: dict[str, list[tuple[list[Any], dict[str, Any]]]] = {
    "gearscope": [
        (sae("resid_post"), {"activation": "jumprelu"}),
        (TRANSCODER, {"activation": "topk", "k": 2, "skip": True, "read_form": "before_gain"}),
        (CLT, {"activation": "jumprelu", "skip": True}),
        (CROSSCODER, TOPK),
    ],
    "circuit-tracer": [
        (TRANSCODER, RELU),
        (TRANSCODER, {"activation": "jumprelu", "skip": True, "read_form": "before_gain"}),
        (TRANSCODER, {"activation": "topk", "k": 2, "skip": True, "write_form": "before_post_norm"}),
        (CLT, {"activation": "jumprelu"}),
        (CLT, {"activation": "topk", "k": 2}),
    ],
    "saelens": [
        (sae("resid_post"), RELU),
        (sae("resid_pre"), JUMP),
        (sae("mlp_out"), TOPK),
        (sae("attn_out"), JUMP),
        (sae("z"), TOPK),
        (TRANSCODER, RELU),
        (TRANSCODER, JUMP | {"skip": True}),
        (TRANSCODER, RELU | {"skip": True}),
        (TRANSCODER, JUMP | {"read_form": "before_gain"} | GEMMA),
    ],
    "sparsify": [
        (sae("resid_post"), TOPK),
        (sae("mlp_raw"), TOPK),
        (sae("mlp_out"), TOPK),
        (sae("attn_out"), TOPK),
        ([(("embed",), ("embed",))], TOPK),
        (TRANSCODER, TOPK),
        (TRANSCODER, TOPK | {"skip": True, "write_form": "before_post_norm"} | GEMMA),
        (TRANSCODER, TOPK | {"skip": True, "model": "openai-community/gpt2"}),
    ],
    "dictionary_learning": [
        (sae("resid_post"), RELU),
        (sae("resid_post"), TOPK),
        (sae("resid_post"), JUMP),
        (sae("mlp_raw"), TOPK),
        (sae("attn_out"), RELU),
        ([(("embed",), ("embed",))], JUMP),
    ],
    "gemma-scope": [
        (sae("resid_post"), JUMP | GEMMA),
        (sae("mlp_out"), RELU),
        (sae("z"), JUMP | {"model": "google/gemma-2-9b-it"}),
        (TRANSCODER, JUMP | {"read_form": "before_gain"} | GEMMA),
    ],
    "gemma-scope-2": [
        (sae("resid_post"), JUMP | {"model": "google/gemma-3-1b-pt"}),
        (sae("mlp_out"), RELU),
        (sae("z"), JUMP),
        (TRANSCODER, JUMP),
        (TRANSCODER, JUMP | {"skip": True}),
        (CLT, JUMP),
        (CLT, JUMP | {"skip": True}),
        (across("resid_post", "resid_post"), JUMP),
    ],
}
CASES = [(name, places, options) for name, cases in HELD.items() for places, options in cases]


def together(dictionaries: DictionarySet, x: dict[str, Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Dense codes by dictionary, and the sums that are written, by layer and kind of site."""
    codes, written = [], {}
    for one in dictionaries.dictionaries:
        read = torch.stack([x[site] for site in one.config.reads], dim=1)
        found = one.encode(read)
        codes.append(found.dense(one.config.n_features))
        for site, out in zip(one.config.write_sites, one.write(read, found).unbind(1), strict=True):
            name = "mlp_out" if site.name == "mlp_raw" else site.name
            written[f"{site.layer}.{name}"] = written.get(f"{site.layer}.{name}", 0) + out
    return codes, written


def inputs(dictionaries: DictionarySet, seed: int) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    sites = [site for config in dictionaries.configs for site in config.reads]
    x = {site: torch.randn(5, D, generator=draw) for site in sites}
    return x | {site.replace("mlp_out", "mlp_raw"): value for site, value in x.items()}


def test_every_format_is_tried():
    assert set(HELD) == {form.name for form in FORMATS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), n_features=st.integers(4, 9))
def test_codes_and_reconstructions_survive(tmp_path_factory, case, seed, n_features):
    name, places, options = case
    planted = plant_at(places, D, seed=seed, n_features=n_features, dtype=torch.float32, **options)
    out = tmp_path_factory.mktemp("round") / "set"
    write_as(out, planted, name)
    assert format_of(out).name == name
    back = read_dictionaries(out)
    x = inputs(planted, seed)
    (codes, written), (codes_back, written_back) = together(planted, x), together(back, x)
    assert len(codes) == len(codes_back)
    for before, after in zip(codes, codes_back, strict=True):
        torch.testing.assert_close(after, before, rtol=TOLERANCE, atol=TOLERANCE)
    assert written.keys() == written_back.keys()
    for site, before in written.items():
        torch.testing.assert_close(written_back[site], before, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_what_they_are_survives(tmp_path: Path, case: tuple[str, list[Any], dict[str, Any]]) -> None:
    name, places, options = case
    planted = plant_at(places, D, **options)
    write_as(tmp_path / "set", planted, name)
    back = read_dictionaries(tmp_path / "set")
    assert back.kind == planted.kind
    assert (back.model == planted.model) or (name == "gemma-scope" and planted.model == "tiny")
    for before, after in zip(planted.configs, back.configs, strict=True):
        assert (after.n_features, after.k, after.read_form) == (before.n_features, before.k, before.read_form)
        assert after.activation == before.activation or (before.activation, after.activation) == ("relu", "jumprelu")
    assert [one.W_skip is None for one in back.dictionaries] == [one.W_skip is None for one in planted.dictionaries]


@pytest.mark.parametrize(
    ("name", "places", "options", "words"),
    [
        ("circuit-tracer", sae("resid_post"), JUMP, "one that reads each of"),
        ("circuit-tracer", TRANSCODER, TOPK, "activation topk_relu"),
        ("circuit-tracer", CLT, JUMP | {"skip": True}, "W_skip in a cross-layer transcoder"),
        ("saelens", CLT, JUMP, r"writes blocks\.0\.mlp_out, blocks\.1\.mlp_out"),
        ("saelens", sae("resid_post"), {"activation": "topk", "k": 2}, "activation topk on"),
        ("saelens", TRANSCODER, TOPK, "activation topk_relu on"),
        ("saelens", sae("resid_post"), {"activation": "jumprelu"}, "negative thresholds"),
        ("saelens", sae("resid_post"), JUMP | {"skip": True}, "W_skip on"),
        ("saelens", sae("mlp_raw"), RELU, r"the site blocks\.0\.mlp_raw"),
        ("saelens", TRANSCODER, RELU | {"write_form": "before_post_norm"}, "before the norm behind it"),
        ("saelens", TRANSCODER, RELU | {"read_form": "before_gain"}, "before the gain, of model 'tiny'"),
        ("sparsify", sae("resid_post"), RELU, "activation relu"),
        ("sparsify", sae("mlp_out"), TOPK | GEMMA, r"reads blocks\.0\.mlp_out"),
        ("sparsify", TRANSCODER, TOPK | {"read_form": "before_gain"}, r"reads blocks\.0\.mlp_in"),
        ("sparsify", CROSSCODER, TOPK, "one that reads blocks.0.resid_post, blocks.1.resid_post"),
        ("dictionary_learning", TRANSCODER, RELU, r"reads blocks\.0\.mlp_in"),
        ("dictionary_learning", sae("z"), RELU, r"reads blocks\.0\.z"),
        ("dictionary_learning", sae("mlp_out"), RELU | GEMMA, r"reads blocks\.0\.mlp_out"),
        ("dictionary_learning", sae("resid_post"), RELU | {"skip": True}, "W_skip on"),
        ("gemma-scope", TRANSCODER, JUMP, r"reads blocks\.0\.mlp_in"),
        ("gemma-scope", sae("resid_post"), TOPK, "activation topk_relu"),
        ("gemma-scope", sae("resid_post"), JUMP | {"skip": True}, "with W_skip"),
        ("gemma-scope-2", sae("resid_post"), TOPK, "activation topk_relu"),
        ("gemma-scope-2", CROSSCODER, JUMP, "layer 0 that writes"),
        ("gemma-scope-2", TRANSCODER, JUMP | {"read_form": "before_gain"}, "before a gain"),
        ("gemma-scope-2", sae("attn_out"), JUMP, r"reads blocks\.0\.attn_out"),
        ("gemma-scope-2", across("mlp_out", "mlp_out"), JUMP, "across layers"),
    ],
)
def test_what_a_format_has_no_place_for_is_refused(tmp_path: Path, name: str, places: Any, options: Any, words: str):
    with pytest.raises(DictionaryError, match=words):
        write_as(tmp_path / "set", plant_at(places, D, **options), name)
    assert not list(tmp_path.iterdir())


def test_a_format_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gearscope, circuit-tracer.*found 'onnx'"):
        write_as(tmp_path / "set", plant_at(sae("resid_post"), D), "onnx")
