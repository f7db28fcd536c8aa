"""Checkpoints come back whole; what is damaged or of another run is one clear error, and a full disk loses nothing."""

import pytest
import torch

from gearscope.dictionaries.training.checkpoint import (
    CHECKPOINT,
    State,
    load_checkpoint,
    read_log,
    save_checkpoint,
    write_log,
)
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.schedule import make_optimizer
from gearscope.dictionaries.training.weights import Scaling, first_weights
from gearscope.errors import ArtifactError


def state(seed: int) -> State:
    config = TrainingConfig(kind="clt", n_features=6, k=2)
    generator = torch.Generator().manual_seed(seed)
    weights = first_weights(layout_of(config, 2), torch.randn(10, 4, 3, generator=generator), generator)
    optimizer = make_optimizer(config, weights.named().values())
    for tensor in weights.named().values():
        tensor.grad = torch.randn(tensor.shape, generator=generator)
    optimizer.step()
    scaling = Scaling(torch.randn(4, 3, generator=generator), torch.rand(4, generator=generator))
    silent = [torch.randint(0, 99, (6,), generator=generator) for _ in range(2)]
    return State(
        weights=weights, optimizer=optimizer, scaling=scaling, silent=silent, bounds=(0.1 * seed, None), steps_done=seed
    )


def test_everything_comes_back(tmp_path):
    stored, other = state(3), state(4)
    save_checkpoint(tmp_path, stored, place='{"at": 7}', run={"k": 2})
    assert load_checkpoint(tmp_path, other, run={"k": 2}) == '{"at": 7}'
    assert (other.steps_done, other.bounds) == (3, (stored.bounds[0], None))
    for name, tensor in stored.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


@pytest.mark.parametrize("kept", [0, 8, 300, -1])
def test_a_truncated_checkpoint_is_refused(tmp_path, kept):
    save_checkpoint(tmp_path, state(3), place="{}", run={"k": 2})
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match="should be a whole checkpoint"):
        load_checkpoint(tmp_path, state(4), run={"k": 2})


def test_other_settings_are_named(tmp_path):
    save_checkpoint(tmp_path, state(3), place="{}", run={"k": 2, "seed": 1, "activations": "ab"})
    with pytest.raises(ArtifactError, match='"ab" where "cd" is asked for, k 2 where 3 is asked for; give'):
        load_checkpoint(tmp_path, state(4), run={"k": 3, "seed": 1, "activations": "cd"})


def test_one_that_cannot_be_written_leaves_the_last(tmp_path):
    save_checkpoint(tmp_path, state(3), place="{}", run={"k": 2})
    before = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / f".{CHECKPOINT}.new").mkdir()
    with pytest.raises(ArtifactError, match="cannot write"):
        save_checkpoint(tmp_path, state(5), place="{}", run={"k": 2})
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_the_log_is_cut_where_the_checkpoint_is(tmp_path):
    write_log(tmp_path, [{"step": step, "loss": 1 / step} for step in (20, 40, 60)])
    assert [entry["step"] for entry in read_log(tmp_path, up_to=40)] == [20, 40]
    assert read_log(tmp_path, up_to=0) == []
