"""Tuned dictionaries: the model goes on more as it does by itself, and as many features are active as before."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from gearscope.dictionaries.store import read_dictionaries
from gearscope.evaluation.agreement import compare
from gearscope.evaluation.replaced import replaced_logits
from gearscope.models.load import open_model
from gearscope.recipes.config import RECIPES, TuningConfig
from gearscope.recipes.corpora import open_sides
from gearscope.recipes.train import train_recipe
from gearscope.recipes.tune import as_active, tune
from tests.recipes.test_train import SMALL, recipe

TUNING = TuningConfig(tune_tokens=6000, tune_batch=128, tune_rate=3e-3, kl_weight=2e4)
"""The untrained model hardly uses what is replaced, so the KL is of the order of 1e-5."""


@pytest.fixture(scope="module", params=["sae", "skip_transcoder", "clt"])
def before(request, untrained, texts, tmp_path_factory):
    """Model, corpora, and dictionaries of a short run that write half as much again, and something beside."""
    folder = tmp_path_factory.mktemp("before") / "made"
    train_recipe(recipe(request.param, untrained, texts), folder)
    model = open_model(untrained)
    made = read_dictionaries(folder)
    noise = torch.Generator().manual_seed(0)
    worse = [
        replace(d, W_dec=1.5 * d.W_dec, b_dec=d.b_dec + 0.1 * torch.randn(d.b_dec.shape, generator=noise))
        for d in made.dictionaries
    ]
    sides = open_sides(str(texts), model, SMALL["context"], SMALL["batch_tokens"])
    return model, sides, replace(made, dictionaries=tuple(worse))


def test_the_model_goes_on_more_as_it_does_by_itself(before):
    model, (train_on, held_out), dictionaries = before
    untouched = [tensor.clone() for d in dictionaries.dictionaries for tensor in d.tensors().values()]
    seen = []
    tuned = tune(model, dictionaries, (train_on, held_out), TUNING, tokens_before=1000, progress=seen.append)
    ids = held_out.take(20, None).ids
    runs = [partial(replaced_logits, model, which) for which in (dictionaries, tuned)]
    kl = [float(run.kl.sum()) for run in compare(model, runs, [ids])[1:]]
    assert kl[1] < 0.5 * kl[0]
    sites = sorted({site for c in dictionaries.configs for site in c.reads})
    acts = model.read(ids, sites)
    for old, new in zip(dictionaries.dictionaries, tuned.dictionaries, strict=True):
        x = torch.stack([acts[site][:, 1:].flatten(0, 1) for site in old.config.reads], 1)
        assert len(new.encode(x).values) == pytest.approx(len(old.encode(x).values), rel=0.05)
        assert not any(tensor.requires_grad for tensor in new.tensors().values())
    assert all(map(torch.equal, untouched, [t for d in dictionaries.dictionaries for t in d.tensors().values()]))
    assert [seen[0].tokens_done > 1000, seen[-1].tokens_done == seen[-1].tokens, seen[-1].dead < 1] == [True] * 3
    assert seen[-1].nmse.keys() == {site for c in dictionaries.configs for site in c.writes}


def test_as_many_are_active_as_before(before):
    model, (_, held_out), dictionaries = before
    ids = held_out.take(40, None).ids
    moved = tuple(replace(d, threshold=1.4 * d.threshold) for d in dictionaries.dictionaries)
    found = as_active(replace(dictionaries, dictionaries=moved), dictionaries, model, ids)
    for old, new in zip(dictionaries.dictionaries, found.dictionaries, strict=True):
        acts = [model.read(ids, [site])[site][:, 1:].flatten(0, 1) for site in old.config.reads]
        counts = [len(d.encode(torch.stack(acts, 1)).values) for d in (old, new)]
        assert abs(counts[0] - counts[1]) <= 2
        assert torch.allclose(new.threshold, old.threshold, rtol=0.05)


def test_the_same_settings_give_the_same_weights(before):
    model, sides, dictionaries = before
    short = TUNING.changed({"tune_tokens": 600})
    one, other = (tune(model, dictionaries, sides, short) for _ in range(2))
    for a, b in zip(one.dictionaries, other.dictionaries, strict=True):
        assert all(torch.equal(a.tensors()[name], b.tensors()[name]) for name in a.tensors())


def test_a_recipe_tunes_at_its_end(untrained, texts, tmp_path):
    tuned = {"tune_tokens": 6000, "tune_batch": 128, "tune_rate": 3e-3, "kl_weight": 2e4}
    plain, after = (
        train_recipe(recipe("transcoder", untrained, texts, **more), tmp_path / name).report
        for name, more in {"plain": {}, "tuned": tuned}.items()
    )
    assert after.replaced.kl < plain.replaced.kl
    assert RECIPES["transcoder"].tuning.tune_tokens == 0
