"""A cache gives what the live stream gives; a killed harvest goes on; what does not fit is one sentence."""

import pytest
import torch

from gearscope.activations.cache import CachedStream, write_cache
from gearscope.activations.config import ReadingConfig
from gearscope.activations.harvest import passes
from gearscope.activations.stream import ActivationStream
from gearscope.dictionaries.training.train import Source
from gearscope.errors import ArtifactError, ConfigError
from gearscope.models.model import Model, wrap
from tests.oracles.counted_corpus import Counted
from tests.oracles.tiny_models import tiny

SITES = ("blocks.0.mlp_in", "blocks.0.mlp_out")


@pytest.fixture(scope="module")
def model() -> Model:
    return wrap(tiny("gpt2"))


def live(model: Model, salt: int = 0) -> ActivationStream:
    config = ReadingConfig(block_tokens=45, pass_tokens=40)
    return ActivationStream(model, Counted(salt=salt), SITES, config, tangents=[0])


def kept(model: Model):
    return passes(model, Counted(salt=1).take(6, None).ids, SITES, pass_tokens=40)


def written(model: Model, out, **more):
    write_cache(out, live(model), kept(model), tokens=100, inputs={"model": "m"}, **more)
    return out


def test_the_first_reading_is_the_live_stream(model, tmp_path):
    folder = written(model, tmp_path / "acts")
    made, plain = CachedStream(folder, SITES, tangents=[0]), live(model)
    assert isinstance(made, Source)
    assert (made.tokens, made.inputs) == (135, {"model": "m"})
    assert torch.equal(made.sample(), plain.sample())
    for n in (7, 100, 28):
        assert torch.equal(made.take(n), plain.take(n))
    assert torch.equal(torch.cat(list(made.held_out(11))), torch.cat(list(kept(model))))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["acts"]


def test_later_readings_have_the_same_tokens_in_another_order(model, tmp_path):
    made = CachedStream(written(model, tmp_path / "acts"), SITES)
    first, second = made.take(135), made.take(135)
    assert not torch.equal(first, second)
    key = lambda acts: acts.flatten(1)[acts.flatten(1).double().sum(1).argsort()]  # noqa: E731
    assert torch.equal(key(first), key(second))
    assert not torch.equal(made.take(135), second)


@pytest.mark.parametrize("used", [0, 44, 45, 150, 300])
def test_a_place_continues_exactly(model, tmp_path, used):
    first, second = (CachedStream(written(model, tmp_path / name), SITES) for name in "ab")
    if used:
        first.take(used)
    second.take(3)
    second.go_to(first.place())
    assert torch.equal(first.take(70), second.take(70))


def test_sites_are_found_by_name_and_halves_are_close(model, tmp_path):
    whole, half = written(model, tmp_path / "a"), written(model, tmp_path / "b", precision="float16")
    swapped = CachedStream(whole, SITES[::-1]).take(20)
    assert torch.equal(swapped.flip(1), CachedStream(whole, SITES).take(20))
    rounded = CachedStream(half, SITES[::-1]).take(20)
    assert rounded.dtype == torch.float32
    assert torch.allclose(rounded, swapped, rtol=1e-3, atol=1e-3)
    assert CachedStream(whole, SITES).fingerprint != CachedStream(half, SITES).fingerprint


class KilledError(Exception):
    pass


def test_a_killed_harvest_goes_on_and_another_one_is_refused(model, tmp_path):
    def kill(done: int, total: int) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        written(model, tmp_path / "acts", progress=kill)
    with pytest.raises(ArtifactError, match="no unfinished harvest was expected"):
        written(model, tmp_path / "acts")
    with pytest.raises(ArtifactError, match="found another"):
        write_cache(tmp_path / "acts", live(model, salt=2), kept(model), tokens=100, inputs={}, resume=True)
    resumed, whole = written(model, tmp_path / "acts", resume=True), written(model, tmp_path / "whole")
    for path in whole.glob("*.safetensors"):
        assert (resumed / path.name).read_bytes() == path.read_bytes()


def test_what_is_not_there(model, tmp_path):
    folder = written(model, tmp_path / "acts")
    with pytest.raises(ConfigError, match=r"found no blocks\.1\.mlp_in; stored are"):
        CachedStream(folder, ["blocks.1.mlp_in"])
    with pytest.raises(ConfigError, match="no slopes of layer 1"):
        CachedStream(folder, SITES, tangents=[1])
    with pytest.raises(ArtifactError, match="a new folder"):
        written(model, folder)
    with pytest.raises(ArtifactError, match="an unfinished harvest was expected"):
        written(model, tmp_path / "new", resume=True)
    (folder / "block_00000.safetensors").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="should be a whole block"):
        CachedStream(folder, SITES).sample()
