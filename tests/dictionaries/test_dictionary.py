"""Codes and reconstructions against dense arithmetic, and weights that are refused."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.dictionaries import dictionary as module
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.errors import DictionaryError
from tests.oracles.planted_dictionaries import Plan, plant_set

L, D = 3, 6


def inputs(n: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(
    cross_layer=st.booleans(),
    skip=st.booleans(),
    activation=st.sampled_from(["relu", "jumprelu", "topk"]),
    n=st.integers(0, 7),
    seed=st.integers(0, 1000),
)
def test_reconstructions_are_the_definition(cross_layer, skip, activation, n, seed):
    k = 3 if activation == "topk" else None
    plan = Plan(cross_layer=cross_layer, skip=skip, activation=activation, k=k)
    dictionaries, plain = plant_set(plan, L, D, seed=seed)
    x = inputs(n, seed)
    for layer, one in enumerate(dictionaries.dictionaries):
        acts = plain.activations(layer, x)
        torch.testing.assert_close(one.encode(x[:, None]).dense(plan.n_features), acts)
        written = one.reconstruct(x[:, None])
        for site, target in enumerate(range(layer, L if cross_layer else layer + 1)):
            expected = acts @ plain.W_dec[layer, target]
            if target == layer:
                expected = expected + plain.b_dec[layer] + (0 if not skip else x @ plain.W_skip[layer].T)
            torch.testing.assert_close(written[:, site], expected)


def test_codes_do_not_depend_on_chunks(monkeypatch):
    one = plant_set(Plan(), 1, D)[0].dictionaries[0]
    x = inputs(11)[:, None]
    whole = one.encode(x)
    monkeypatch.setattr(module, "_CHUNK_ENTRIES", 30)
    chunked = one.encode(x)
    assert torch.equal(whole.rows, chunked.rows)
    assert torch.equal(whole.columns, chunked.columns)
    torch.testing.assert_close(whole.values, chunked.values, rtol=1e-12, atol=1e-14)


def test_a_crosscoder_reads_the_sum_of_its_sites():
    config = DictionaryConfig(
        reads=("blocks.0.resid_mid", "blocks.1.resid_mid"),
        writes=("blocks.0.resid_mid", "blocks.1.resid_mid"),
        n_features=5,
        d_model=D,
        activation="relu",
    )
    draw = torch.Generator().manual_seed(0)
    W_enc, b_enc, W_dec, b_dec = (torch.randn(*s, generator=draw) for s in ((5, 2, D), (5,), (5, 2, D), (2, D)))
    one = Dictionary(config=config, W_enc=W_enc, b_enc=b_enc, W_dec=W_dec, b_dec=b_dec)
    x = torch.randn(4, 2, D, generator=draw)
    acts = (x[:, 0] @ W_enc[:, 0].T + x[:, 1] @ W_enc[:, 1].T + b_enc).relu()
    for site in range(2):
        torch.testing.assert_close(one.reconstruct(x)[:, site], acts @ W_dec[:, site] + b_dec[site])


@pytest.mark.parametrize("bias", [False, True])
def test_the_gain_is_folded_exactly(bias):
    dictionaries, _ = plant_set(Plan(skip=True, read_form="before_gain"), 1, D)
    one = dictionaries.dictionaries[0]
    gain, shift = inputs(1, 8)[0], inputs(1, 9)[0] if bias else None
    n = inputs(7)
    folded = one.after_norm(gain, shift)
    x = n * gain + (0 if shift is None else shift)
    assert folded.config.read_form == "site"
    torch.testing.assert_close(folded.reconstruct(x[:, None]), one.reconstruct(n[:, None]))
    gain[2] = 0
    with pytest.raises(DictionaryError, match="gain of 0 in dimension 2"):
        one.after_norm(gain, shift)


def test_decoders_that_are_mapped_are_checked_when_they_are_used():
    one = plant_set(Plan(), 1, D)[0].dictionaries[0]
    W_dec = one.W_dec.clone()
    W_dec[4, 0, 1] = torch.nan
    with pytest.raises(DictionaryError, match=r"1 values of W_dec that are NaN"):
        replace(one, W_dec=W_dec)
    mapped = replace(one, W_dec=W_dec, mapped=True)
    assert mapped.decoders(torch.tensor([3]), W_dec).shape == (1, 1, D)
    with pytest.raises(DictionaryError, match="features 4"):
        mapped.decoders(torch.tensor([3, 4]), W_dec)


def test_half_precision_decoders_are_used_in_the_input_s_precision():
    one = plant_set(Plan(), 1, D)[0].dictionaries[0]
    half = replace(one, W_dec=one.W_dec.bfloat16())
    assert half.reconstruct(inputs(3)[:, None]).dtype == torch.float64


def test_half_of_a_dictionary_is_the_nearest_one():
    one = plant_set(Plan(skip=True), 1, D)[0].dictionaries[0]
    half = one.in_half()
    for name in ("W_enc", "W_dec", "W_skip"):
        exact, rounded = getattr(one, name), getattr(half, name)
        assert rounded.dtype == torch.float16
        assert float(((rounded.double() - exact) / exact).abs().max()) <= 2**-11
    assert half.b_enc is one.b_enc
    with pytest.raises(DictionaryError, match="values of W_dec that are NaN or infinite"):
        replace(one, W_dec=one.W_dec * 1e6).in_half()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"W_enc": torch.zeros(12, 1, 5)}, r"W_enc of shape \(12, 1, 5\) where \(12, 1, 6\) fits"),
        ({"b_enc": torch.zeros(11)}, r"b_enc of shape \(11,\) where \(12,\) fits"),
        ({"W_dec": torch.zeros(12, 2, 6)}, r"W_dec of shape \(12, 2, 6\) where \(12, 1, 6\) fits"),
        ({"b_enc": torch.zeros(12, dtype=torch.int64)}, "b_enc of torch.int64"),
        ({"threshold": None}, "no threshold with activation jumprelu"),
        ({"W_skip": torch.zeros(6, 5)}, r"W_skip of shape \(6, 5\) where \(6, 6\) fits"),
        ({"b_dec": torch.full((1, 6), torch.inf)}, "6 values of b_dec that are NaN or infinite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, words):
    one = plant_set(Plan(), 1, D)[0].dictionaries[0]
    with pytest.raises(DictionaryError, match=words) as caught:
        replace(one, **change)
    assert "blocks.0.mlp_in" in str(caught.value)


def test_a_skip_goes_to_the_layer_that_is_read():
    one = plant_set(Plan(skip=True), 2, D)[0].dictionaries[0]
    with pytest.raises(DictionaryError, match=r"blocks\.1\.mlp_out is not in the one layer that is read"):
        replace(one, config=one.config.model_copy(update={"writes": ("blocks.1.mlp_out",)}))
