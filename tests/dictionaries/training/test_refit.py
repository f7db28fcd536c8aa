"""Refitted decoders against dense least squares; the error on the same tokens never grows."""

import pytest
import torch

from gearscope.dictionaries.fidelity import measure_fidelity
from gearscope.dictionaries.training.refit import refit
from tests.oracles.planted_dictionaries import Plan, plant_set

L, D, P = 3, 6, 3000


@pytest.mark.parametrize("plan", [Plan(), Plan(cross_layer=True), Plan(skip=True)], ids=str)
def test_against_dense_least_squares(plan):
    dictionaries, plain = plant_set(plan, L, D)
    generator = torch.Generator().manual_seed(0)
    names = [f"blocks.{layer}.{site}" for layer in range(L) for site in ("mlp_in", "mlp_out")]
    acts = {name: torch.randn(P, D, generator=generator, dtype=torch.float64) for name in names}
    fitted = refit(dictionaries, [{name: x[s : s + 1000] for name, x in acts.items()} for s in range(0, P, 1000)])
    for layer in range(L):
        writers = [source for source in range(layer + 1) if (source, layer) in plain.W_dec]
        codes = [plain.activations(source, acts[f"blocks.{source}.mlp_in"]) for source in writers]
        wide = torch.cat([*codes, torch.ones(P, 1, dtype=torch.float64)], dim=1)
        y = acts[f"blocks.{layer}.mlp_out"].clone()
        if plain.W_skip is not None:
            y -= acts[f"blocks.{layer}.mlp_in"] @ plain.W_skip[layer].T
        old = [dictionaries.dictionaries[s].W_dec[:, layer - s if plan.cross_layer else 0] for s in writers]
        start = torch.cat([*old, plain.b_dec[layer][None]])
        pull = (1e-4 * wide[:, :-1].square().sum(0).mean()).sqrt()
        eye = torch.eye(wide.shape[1], dtype=torch.float64)
        expected = torch.linalg.lstsq(torch.cat([wide, pull * eye]), torch.cat([y, pull * start])).solution
        found = torch.cat([fitted.dictionaries[s].W_dec[:, layer - s if plan.cross_layer else 0] for s in writers])
        assert torch.allclose(found, expected[:-1], atol=1e-8)
        assert torch.allclose(fitted.dictionaries[layer].b_dec[0], expected[-1], atol=1e-8)
    before, after = measure_fidelity(dictionaries, [acts]), measure_fidelity(fitted, [acts])
    assert all(after.nmse[site] < before.nmse[site] for site in after.nmse)
    assert [f.l0 for f in after.features] == [f.l0 for f in before.features]


def test_a_feature_that_never_fires_keeps_its_decoder():
    dictionaries, _ = plant_set(Plan(), 1, D)
    (one,) = dictionaries.dictionaries
    one.threshold[3] = 1e9
    acts = {site: torch.randn(200, D, dtype=torch.float64) for site in ("blocks.0.mlp_in", "blocks.0.mlp_out")}
    fitted = refit(dictionaries, [acts]).dictionaries[0]
    assert torch.allclose(fitted.W_dec[3], one.W_dec[3])
    assert not torch.allclose(fitted.W_dec[4], one.W_dec[4])
