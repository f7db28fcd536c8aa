"""Finished dictionaries are taken apart as they were put together, and training goes on from them."""

import pytest
import torch

from gearscope.dictionaries.fidelity import measure_fidelity
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.finish import finished
from gearscope.dictionaries.training.start import go_on_from
from gearscope.dictionaries.training.train import train
from gearscope.dictionaries.training.weights import first_weights, scaling_of
from gearscope.errors import ArtifactError, ConfigError, DictionaryError
from tests.oracles.planted_activations import FixedSource, planted


def settings(**changes) -> TrainingConfig:
    base = {
        "kind": "transcoder",
        "n_features": 32,
        "k": 4,
        "tokens": 20_000,
        "batch_tokens": 256,
        "learning_rate": 1e-2,
        "dead_after": 4_000,
        "revive_every": 10,
        "checkpoint_every": 20,
    }
    return TrainingConfig(**base | changes)


def run(config: TrainingConfig, folder, acts=None, n_layers: int = 1, **more):
    layout = layout_of(config, n_layers)
    acts = planted(4000, sites=2 * n_layers) if acts is None else acts
    return train(config, layout, FixedSource(acts), [planted(2000, sites=acts.shape[1])], folder, **more)


def nmse(dictionaries) -> float:
    acts = planted(3000)
    return measure_fidelity(dictionaries, [{"blocks.0.mlp_in": acts[:, 0], "blocks.0.mlp_out": acts[:, 1]}]).nmse[
        "blocks.0.mlp_out"
    ]


@pytest.mark.parametrize(("kind", "n_layers"), [("transcoder", 1), ("skip_transcoder", 1), ("clt", 2)])
def test_what_is_taken_apart_and_put_together_again_writes_the_same(tmp_path, kind, n_layers):
    config = settings(kind=kind, tokens=4_000)
    start = run(config, tmp_path / "run", n_layers=n_layers)
    layout, acts = layout_of(config, n_layers), planted(500, sites=2 * n_layers) * 2 - 1
    scaling = scaling_of(acts)
    weights = first_weights(layout, scaling.written(acts), torch.Generator().manual_seed(1))
    assert go_on_from(start, weights, scaling) == [32] * n_layers
    again = finished(weights, scaling, layout, [None] * n_layers, model="")
    for old, new in zip(start.dictionaries, again.dictionaries, strict=True):
        x = acts[:, [layout.sites.index(site) for site in old.config.reads]]
        assert old.threshold is not None
        codes = new.encode(x).dense(32)
        expected = old.encode(x).dense(32)
        sizes = (new.W_dec.flatten(1).norm(dim=1) / old.W_dec.flatten(1).norm(dim=1))[None]
        torch.testing.assert_close((codes * sizes)[expected > 0], expected[expected > 0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(new.W_dec / sizes.T[:, :, None], old.W_dec, rtol=1e-4, atol=1e-5)
        skips = (old.W_skip, new.W_skip)
        assert (skips[0] is None) == (skips[1] is None)
        if skips[0] is not None:
            torch.testing.assert_close(*skips, rtol=1e-4, atol=1e-5)
    biases = [
        sum(d.b_dec[d.config.writes.index(site)] for d in made.dictionaries if site in d.config.writes)
        for made in (start, again)
        for site in start.configs[0].writes
    ]
    half = len(biases) // 2
    for old, new in zip(biases[:half], biases[half:], strict=True):
        torch.testing.assert_close(old, new, rtol=1e-4, atol=1e-4)


def test_going_on_lowers_the_error_and_new_features_find_a_place(tmp_path):
    few = run(settings(n_features=12, k=2, aux_weight=0.0), tmp_path / "few")
    seen = []
    config = settings(n_features=40, k=2, aux_weight=0.0)
    more = run(config, tmp_path / "more", start=few, progress=seen.append)
    assert nmse(more) < 0.8 * nmse(few)
    assert seen[-1].dead < 1 - 20 / 40, "some of the 28 new ones fire"


def test_a_killed_run_goes_on_only_with_the_same_start(tmp_path):
    first, other = (run(settings(seed=seed, tokens=4_000), tmp_path / str(seed)) for seed in (0, 1))
    config = settings(n_features=48, tokens=256 * 40)
    whole = run(config, tmp_path / "whole", start=first)

    class KilledError(Exception):
        pass

    def kill(at) -> None:
        if at.tokens_done > 256 * 30:
            raise KilledError

    with pytest.raises(KilledError):
        run(config, tmp_path / "killed", start=first, progress=kill)
    for start in (other, None):
        with pytest.raises(ArtifactError, match=r"a checkpoint of these settings.*start"):
            run(config, tmp_path / "killed", start=start, resume=True)
    resumed = run(config, tmp_path / "killed", start=first, resume=True)
    for name, tensor in whole.dictionaries[0].tensors().items():
        assert torch.equal(tensor, resumed.dictionaries[0].tensors()[name]), name


def test_what_cannot_be_gone_on_from_is_refused(tmp_path):
    start = run(settings(tokens=1_000), tmp_path / "start")
    with pytest.raises(ConfigError, match="n_features of 32 or more was expected"):
        run(settings(n_features=16), tmp_path / "x", start=start)
    with pytest.raises(ConfigError, match=r"selection batch_top_k or top_k was expected.*found relu"):
        run(settings(selection="relu"), tmp_path / "x", start=start)
    with pytest.raises(DictionaryError, match=r"dictionaries of kind sae.*found kind plt"):
        run(settings(kind="sae"), tmp_path / "x", start=start)
    with pytest.raises(DictionaryError, match="dictionaries of kind skip_transcoder"):
        run(settings(kind="skip_transcoder"), tmp_path / "x", start=start)
