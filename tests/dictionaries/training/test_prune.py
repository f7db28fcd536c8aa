"""What is left out fires on too few tokens; what is left writes as before."""

import pytest
import torch

from gearscope.dictionaries.training.prune import pruned
from gearscope.errors import ConfigError, DictionaryError
from tests.oracles.planted_dictionaries import Plan, plant_set

L, D, P = 3, 6, 600


def activations():
    generator = torch.Generator().manual_seed(0)
    names = [f"blocks.{layer}.{site}" for layer in range(L) for site in ("mlp_in", "mlp_out")]
    return {name: torch.randn(P, D, generator=generator, dtype=torch.float64) for name in names}


@pytest.mark.parametrize("plan", [Plan(), Plan(cross_layer=True), Plan(skip=True)], ids=str)
def test_features_are_counted_over_all_parts(plan):
    dictionaries, plain = plant_set(plan, L, D)
    acts = activations()
    counts = [(plain.activations(layer, acts[f"blocks.{layer}.mlp_in"]) != 0).sum(0) for layer in range(L)]
    least = int(torch.cat(counts).median())
    parts = [{name: x[first : first + 200] for name, x in acts.items()} for first in range(0, P, 200)]
    made = pruned(dictionaries, parts, least)
    for before, after, count in zip(dictionaries.dictionaries, made.dictionaries, counts, strict=True):
        keep = count >= least
        assert 0 < after.config.n_features == int(keep.sum()) <= before.config.n_features
        x = acts[before.config.reads[0]][:, None]
        codes = before.encode(x).dense(before.config.n_features)
        assert torch.allclose(after.encode(x).dense(after.config.n_features), codes[:, keep])
        expected = before.reconstruct(x) - torch.einsum("pf,fsd->psd", codes[:, ~keep], before.W_dec[~keep])
        assert torch.allclose(after.reconstruct(x), expected)
    assert sum(c.n_features for c in made.configs) < sum(c.n_features for c in dictionaries.configs)


def test_each_dictionary_can_have_a_number_of_its_own():
    dictionaries, _ = plant_set(Plan(), L, D)
    made = pruned(dictionaries, [activations()], (1, P // 2, 1))
    one = pruned(dictionaries, [activations()], P // 2)
    every = pruned(dictionaries, [activations()], 1)
    sizes = [[c.n_features for c in found.configs] for found in (made, every, one)]
    assert sizes[0] == [sizes[1][0], sizes[2][1], sizes[1][2]]
    assert sizes[1][1] > sizes[2][1]
    with pytest.raises(ConfigError, match="prune_below as one number or 3 was expected"):
        pruned(dictionaries, [activations()], (1, 2))


def test_a_dictionary_without_features_is_none():
    dictionaries, _ = plant_set(Plan(), L, D)
    with pytest.raises(DictionaryError, match=r"features that fire were expected .*blocks\.0\.mlp_in.*prune_below"):
        pruned(dictionaries, [activations()], P + 1)
