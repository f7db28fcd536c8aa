"""Training finds planted features, resumes bit for bit, and refuses what cannot be trained on."""

import json

import pytest
import torch

from gearscope.dictionaries.fidelity import measure_fidelity
from gearscope.dictionaries.training.checkpoint import CHECKPOINT, LOG
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.train import train
from gearscope.errors import ArtifactError, DictionaryError
from tests.oracles.planted_activations import FixedSource, planted, planted_directions


def settings(**changes) -> TrainingConfig:
    base = {
        "kind": "transcoder",
        "n_features": 64,
        "k": 4,
        "tokens": 60_000,
        "batch_tokens": 256,
        "learning_rate": 1e-2,
        "dead_after": 10_000,
        "checkpoint_every": 20,
    }
    return TrainingConfig(**base | changes)


def run(config: TrainingConfig, acts: torch.Tensor, folder, **more):
    layout = layout_of(config, 1)
    return train(config, layout, FixedSource(acts), [planted(2000)[:, : len(layout.sites)]], folder, **more)


def readings(acts: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    return [{"blocks.0.mlp_in": acts[:, 0], "blocks.0.mlp_out": acts[:, 1]}]


@pytest.mark.parametrize("selection", ["batch_top_k", "top_k"])
def test_planted_features_are_found(tmp_path, selection):
    seen = []
    trained = run(settings(selection=selection), planted(4000), tmp_path / "run", progress=seen.append)
    found = measure_fidelity(trained, readings(planted(3000)))
    assert found.nmse["blocks.0.mlp_out"] < 0.1
    assert found.nmse_shuffled["blocks.0.mlp_out"] > 0.5
    assert found.features[0].l0 < 4.5
    W_dec = torch.nn.functional.normalize(trained.dictionaries[0].W_dec[:, 0], dim=1)
    nearest = (planted_directions()[1] @ W_dec.T).amax(1)
    assert (nearest > 0.9).float().mean() > 0.8, "most planted directions are among the decoders"
    assert seen[-1].tokens_done == seen[-1].tokens
    assert seen[-1].nmse["blocks.0.mlp_out"] < seen[0].nmse["blocks.0.mlp_out"] / 3
    log = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert [entry["step"] for entry in log] == [*range(20, 234, 20), 234]


@pytest.mark.parametrize(
    ("worst", "changes"),
    [
        (0.5, {"selection": "relu"}),
        (0.1, {"selection": "jumprelu"}),
        (0.1, {"selection": "jumprelu", "ste_everywhere": True, "preact_weight": 1e-3}),
        (0.1, {"selection": "gated"}),
        (0.15, {"prefixes": (16, 32)}),
        (0.15, {"selection": "top_k", "first_k": 16}),
    ],
)
def test_every_selection_learns_to_write_with_about_k_active(tmp_path, worst, changes):
    trained = run(settings(**changes), planted(4000), tmp_path / "run")
    found = measure_fidelity(trained, readings(planted(3000)))
    assert found.nmse["blocks.0.mlp_out"] < worst
    assert found.nmse_shuffled["blocks.0.mlp_out"] > 0.5
    assert 3.4 < found.features[0].l0 < 5


class KilledError(Exception):
    pass


KEPT_FOR_LATER = [
    {},
    {"kind": "skip_transcoder"},
    {"selection": "jumprelu", "preact_weight": 1e-3},
    {"selection": "gated", "prefixes": (20,)},
    {"selection": "top_k", "first_k": 9},
]


@pytest.mark.parametrize("changes", KEPT_FOR_LATER)
def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(tmp_path, changes):
    config, acts = settings(tokens=256 * 70, dead_after=2000, revive_every=16, **changes), planted(3000)
    whole = run(config, acts, tmp_path / "whole")

    def kill(at) -> None:
        if at.tokens_done > 256 * 50:
            raise KilledError

    with pytest.raises(KilledError):
        run(config, acts, tmp_path / "killed", progress=kill)
    resumed = run(config, acts, tmp_path / "killed", resume=True)
    (a,), (b,) = whole.dictionaries, resumed.dictionaries
    assert a.tensors().keys() == b.tensors().keys()
    for name, tensor in a.tensors().items():
        assert torch.equal(tensor, b.tensors()[name]), name
    logs = [(tmp_path / name / LOG).read_text() for name in ("whole", "killed")]
    assert logs[0] == logs[1]


def test_an_unfinished_run_is_not_overwritten_and_a_missing_one_not_resumed(tmp_path):
    config, acts = settings(tokens=256 * 20), planted(1000)
    with pytest.raises(ArtifactError, match="a checkpoint was expected"):
        run(config, acts, tmp_path / "run", resume=True)
    run(config, acts, tmp_path / "run")
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    with pytest.raises(ArtifactError, match="no unfinished run was expected"):
        run(config, acts, tmp_path / "run")
    with pytest.raises(ArtifactError, match="of these settings, this model and this corpus"):
        run(settings(tokens=256 * 20, k=3), acts, tmp_path / "run", resume=True)
    with pytest.raises(ArtifactError, match="of these settings, this model and this corpus"):
        run(config, acts * 2, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before


def test_a_loss_that_is_not_finite_is_one_clear_error_and_the_checkpoint_stays(tmp_path):
    config, acts = settings(tokens=256 * 60), planted(256 * 60)
    acts[256 * 30] = torch.nan
    source = FixedSource(acts)
    source.sample = lambda: acts[:2000]
    layout = layout_of(config, 1)
    with pytest.raises(DictionaryError, match="finite loss was expected; found nan at step 31; lower learning_rate"):
        train(config, layout, source, [planted(500)], tmp_path / "run")
    stored = (tmp_path / "run" / CHECKPOINT).read_bytes()
    assert b'\\"steps_done\\": 20' in stored or b'"steps_done": 20' in stored


def test_dead_features_begin_anew(tmp_path):
    """Ten times more features than the data has: most fall silent, and fewer do where they are begun anew."""
    acts, seen = planted(4000), {}
    for every in (0, 10):
        seen[every] = []
        config = settings(n_features=256, aux_weight=0.0, dead_after=3_000, revive_every=every, tokens=40_000)
        run(config, acts, tmp_path / str(every), progress=seen[every].append)
    assert seen[10][-1].dead < seen[0][-1].dead / 2
    assert seen[10][-1].nmse["blocks.0.mlp_out"] < 0.3
