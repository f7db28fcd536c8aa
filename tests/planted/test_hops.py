"""A chain that is kept, collapsed, halved or not written at all, by construction."""

from dataclasses import replace

import pytest
import torch

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.planted.config import PlantedConfig
from gearscope.planted.recovery import score
from gearscope.planted.truth import Truth, plant

N, D = 8, 16


@pytest.fixture(scope="module", params=[False, True], ids=["with its cause only", "alone too"])
def truth(request) -> Truth:
    """Orthogonal directions, no noise: a linear encoder reads the truth exactly."""
    return plant(
        PlantedConfig(
            form="mlp",
            n_layers=2,
            reach=1,
            hops=3,
            trees=0,
            n_truths=N,
            d_model=D,
            commonest=0.3,
            rarest=0.1,
            noise=0.0,
            correlation_rank=0,
            block_tokens=1000,
            effects_alone=request.param,
        )
    )


def planted(truth: Truth, *, across: bool) -> list[Dictionary]:
    """Encoders are the read directions themselves."""
    made = []
    for layer in range(2):
        writes = tuple(f"blocks.{t}.mlp_out" for t in range(layer, 2 if across else layer + 1))
        config = DictionaryConfig(
            reads=(f"blocks.{layer}.mlp_in",), writes=writes, n_features=N, d_model=D, activation="relu"
        )
        here = slice(layer * N, (layer + 1) * N)
        read = truth.directions[here, layer]
        made.append(
            Dictionary(
                config=config,
                W_enc=read[:, None].clone(),
                b_enc=-(read @ truth.bias[layer]) - 1e-3,
                W_dec=truth.written(config)[here].view(N, -1, D).clone(),
                b_dec=torch.zeros(len(writes), D),
            )
        )
    return made


def measured(truth: Truth, made: list[Dictionary]):
    found = score(truth, DictionarySet(dictionaries=tuple(made)), tokens=3000).hops
    assert found is not None
    return found


def moved(truth: Truth, made: list[Dictionary], share: float) -> list[Dictionary]:
    """A share of what each effect writes is written by its cause's latent instead."""
    first, second = made
    W_first, W_second = first.W_dec.clone(), second.W_dec.clone()
    for cause, effect in zip(*truth.hops, strict=True):
        W_first[cause, 1] = share * W_second[effect - N, 0]
        W_second[effect - N] *= 1 - share
    return [replace(first, W_dec=W_first), replace(second, W_dec=W_second)]


@pytest.mark.parametrize("across", [True, False])
def test_the_planted_dictionary_keeps_every_hop(truth, across):
    found = measured(truth, planted(truth, across=across))
    assert found.kept == pytest.approx(1, abs=0.02)
    assert found.written == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
def test_what_the_cause_writes_itself_is_collapsed(truth, share):
    found = measured(truth, moved(truth, planted(truth, across=True), share))
    assert found.kept == pytest.approx(1 - share, abs=0.02)
    assert found.written == pytest.approx(1, abs=0.02)


def test_effects_that_nobody_writes_have_no_share(truth):
    first, second = planted(truth, across=True)
    W_dec = second.W_dec.clone()
    W_dec[truth.hops.second - N] = 0
    found = measured(truth, [first, replace(second, W_dec=W_dec)])
    assert found.written == pytest.approx(0, abs=0.04)
    assert found.kept is None


def test_a_world_without_chains_has_no_such_figure():
    truth = plant(PlantedConfig(form="mlp", n_layers=2, trees=0, n_truths=N, d_model=D, block_tokens=100))
    assert score(truth, DictionarySet(dictionaries=tuple(planted(truth, across=False))), tokens=100).hops is None
