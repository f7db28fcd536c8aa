"""The whole report on worlds where every figure is known."""

import pytest
import torch

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.errors import ConfigError
from gearscope.planted.config import PlantedConfig
from gearscope.planted.recovery import _among, score
from gearscope.planted.report import mean_of
from gearscope.planted.stream import HELD_OUT, blocks
from gearscope.planted.truth import Truth, plant

SITE = "blocks.0.resid_post"


def orthogonal(**changes) -> Truth:
    base = {"n_truths": 20, "d_model": 24, "trees": 4, "branching": 2, "commonest": 0.4, "rarest": 0.05}
    more = {"noise": 0.0, "block_tokens": 1000, "magnitude_within": 0.1}
    return plant(PlantedConfig(**base | more | changes))


def readers(truth: Truth, order: torch.Tensor, scale: torch.Tensor, site: str = SITE) -> DictionarySet:
    """The truths as latents in another order, activations divided by `scale`."""
    d = truth.directions[order, 0]
    config = DictionaryConfig(reads=(site,), writes=(site,), n_features=len(d), d_model=d.shape[1], activation="relu")
    made = Dictionary(
        config=config,
        W_enc=d[:, None] / scale[:, None, None],
        b_enc=-(d @ truth.bias[0] + 0.01) / scale,
        W_dec=d[:, None] * scale[:, None, None],
        b_dec=truth.bias.clone(),
    )
    return DictionarySet(dictionaries=(made,))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_planted_dictionary_scores_one_in_any_order_and_scale(seed):
    truth, draw = orthogonal(world_seed=seed), torch.Generator().manual_seed(seed)
    order, scale = torch.randperm(20, generator=draw), torch.rand(20, generator=draw) * 4 + 0.2
    (found,) = score(truth, readers(truth, order, scale), tokens=4000).dictionaries
    assert (found.truths, found.latents) == (20, 20)
    for figure in (found.mcc, found.precision, found.recall, found.f1, found.f1_by_latent):
        assert figure == pytest.approx(1, abs=1e-4)
    assert found.found == {"0.7": 1.0, "0.9": 1.0}
    assert (found.uniqueness, found.splitting) == (1.0, 1.0)
    assert (found.absorption, found.missed, found.dead) == (0.0, 0.0, 0.0)
    assert found.l0 == pytest.approx(found.l0_true)
    assert found.nmse < 1e-3
    assert found.nmse_shuffled > 0.5
    assert found.f1_shuffled < 0.6
    assert found.mcc_shuffled < 0.3


def test_the_true_l0_is_the_sum_of_rates():
    truth = orthogonal(exclusive=False, correlation_rank=0)
    (found,) = score(truth, readers(truth, torch.arange(20), torch.ones(20)), tokens=20_000).dictionaries
    assert found.l0_true == pytest.approx(float(truth.rates.sum()), rel=0.03)


def test_absorption_that_was_built_in_is_found_at_its_rate():
    """Every child's latent writes its parent too, and every parent's latent is silenced wherever a child fires."""
    truth = orthogonal()
    (plain,) = readers(truth, torch.arange(20), torch.ones(20)).dictionaries
    W_enc, W_dec = plain.W_enc.clone(), plain.W_dec.clone()
    b_enc, parents = plain.b_enc.clone(), truth.parents()
    for child in (parents >= 0).nonzero()[:, 0].tolist():
        W_dec[child] += W_dec[parents[child]]
        W_enc[parents[child]] -= 100 * W_enc[child]
        b_enc[parents[child]] += 100 * (truth.directions[child, 0] @ truth.bias[0])
    made = Dictionary(config=plain.config, W_enc=W_enc, b_enc=b_enc, W_dec=W_dec, b_dec=plain.b_dec)
    (found,) = score(truth, DictionarySet(dictionaries=(made,)), tokens=4000).dictionaries
    assert found.absorption == pytest.approx(1.0, abs=1e-3)
    assert found.missed == pytest.approx(0.0, abs=1e-3)
    assert found.recall < 1


def test_blocks_that_are_drawn_already_score_alike():
    truth = orthogonal()
    made = readers(truth, torch.arange(20), torch.ones(20))
    drawn = list(blocks(truth, HELD_OUT, 2000))
    assert score(truth, made, drawn=drawn) == score(truth, made, tokens=2000)


def test_a_dictionary_for_another_place_is_refused():
    truth = orthogonal()
    with pytest.raises(ConfigError, match="a site of the planted world was expected"):
        score(truth, readers(truth, torch.arange(20), torch.ones(20), site="blocks.1.resid_post"), tokens=100)


def test_parents_among_some_truths():
    parents = torch.tensor([-1, 0, 0, 1, -1])
    assert _among(torch.tensor([0, 1, 3, 4]), parents).tolist() == [-1, 0, 1, -1]
    assert _among(torch.tensor([1, 3]), parents).tolist() == [-1, 0]


def test_means_of_what_is_there():
    assert mean_of([1.0, None, 3.0]) == 2.0
    assert mean_of([None]) is None
