"""Errors, sparsity and statistics against plain dense sums; parts do not matter."""

import pytest
import torch

from gearscope.dictionaries.fidelity import measure_fidelity, shuffled, with_statistics
from tests.oracles.planted_dictionaries import Plan, plant_set

L, D, P = 2, 6, 400


@pytest.fixture(params=[{"cross_layer": True}, {"skip": True}, {"activation": "topk", "k": 2}], ids=str)
def case(request):
    dictionaries, plain = plant_set(Plan(n_features=9, **request.param), L, D, dtype=torch.float32)
    generator = torch.Generator().manual_seed(5)
    acts = {
        f"blocks.{i}.{site}": torch.randn(P, D, generator=generator) for i in range(L) for site in ("mlp_in", "mlp_out")
    }
    return dictionaries, plain, acts


def test_against_dense_sums(case):
    dictionaries, plain, acts = case
    found = measure_fidelity(dictionaries, [acts])
    assert found.n_tokens == P
    for layer in range(L):
        y = acts[f"blocks.{layer}.mlp_out"]
        expected = torch.zeros_like(y)
        for source in range(layer + 1):
            if (source, layer) in plain.W_dec:
                expected += plain.activations(source, acts[f"blocks.{source}.mlp_in"]) @ plain.W_dec[source, layer]
        expected += plain.b_dec[layer]
        if plain.W_skip is not None:
            expected += acts[f"blocks.{layer}.mlp_in"] @ plain.W_skip[layer].T
        nmse = (expected - y).square().sum() / (y - y.mean(0)).square().sum()
        assert found.nmse[f"blocks.{layer}.mlp_out"] == pytest.approx(float(nmse), rel=1e-4)
        codes = plain.activations(layer, acts[f"blocks.{layer}.mlp_in"])
        features = found.features[layer]
        assert features.l0 == pytest.approx(float((codes != 0).sum() / P), rel=1e-4)
        assert features.dead == pytest.approx(float((codes == 0).all(0).float().mean()))
        assert torch.allclose(features.density, (codes != 0).float().mean(0))
        assert torch.allclose(features.max_activation, codes.amax(0).clamp(min=0), atol=1e-5)


def test_parts_do_not_matter(case):
    dictionaries, _, acts = case
    whole = measure_fidelity(dictionaries, [acts])
    parts = [{site: x[start : start + 90] for site, x in acts.items()} for start in range(0, P, 90)]
    split = measure_fidelity(dictionaries, parts)
    assert split.nmse == pytest.approx(whole.nmse, rel=1e-5)
    assert torch.allclose(split.features[0].density, whole.features[0].density)


def test_shuffling_exchanges_decoders_and_nothing_else(case):
    dictionaries, _, acts = case
    for plain, random in zip(dictionaries.dictionaries, shuffled(dictionaries).dictionaries, strict=True):
        assert torch.equal(plain.W_enc, random.W_enc)
        assert not torch.equal(plain.W_dec, random.W_dec)
        assert torch.equal(plain.W_dec.flatten(1).sum(1).sort().values, random.W_dec.flatten(1).sum(1).sort().values)
    found = measure_fidelity(dictionaries, [acts]).nmse_shuffled
    assert found == pytest.approx(measure_fidelity(shuffled(dictionaries), [acts]).nmse)


def test_statistics_are_carried(case):
    dictionaries, _, acts = case
    found = measure_fidelity(dictionaries, [acts])
    carried = with_statistics(dictionaries, found)
    assert torch.equal(carried.dictionaries[1].density, found.features[1].density)
    assert carried.fingerprint() == dictionaries.fingerprint()
