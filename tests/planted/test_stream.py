"""Planted batches fulfil the trainer's protocol: exact places, samples that do not move, a fingerprint."""

import pytest
import torch

from gearscope.dictionaries.training.train import Source
from gearscope.errors import ConfigError
from gearscope.planted.config import PlantedConfig
from gearscope.planted.draw import draw_block
from gearscope.planted.stream import HELD_OUT, PlantedStream, blocks
from gearscope.planted.truth import plant

CONFIG = {"form": "mlp", "n_layers": 2, "trees": 0, "n_truths": 8, "d_model": 6, "block_tokens": 40}
SITES = ("blocks.1.mlp_out", "blocks.0.mlp_in")


def stream(sites=SITES, **changes) -> PlantedStream:
    return PlantedStream(plant(PlantedConfig(**CONFIG | changes)), sites)


def test_batches_are_the_blocks_at_the_sites_in_their_order():
    made = stream()
    assert isinstance(made, Source)
    expected = torch.cat([draw_block(plant(PlantedConfig(**CONFIG)), "train", n).acts for n in range(3)])
    assert torch.equal(made.take(120), expected[:, [3, 0]])


def test_batches_do_not_depend_on_their_size():
    assert torch.equal(stream().take(100), torch.cat([(other := stream()).take(7), other.take(60), other.take(33)]))


@pytest.mark.parametrize("used", [0, 10, 40, 95])
def test_a_place_continues_exactly(used):
    first = stream()
    if used:
        first.take(used)
    place, expected = first.place(), first.take(70)
    second = stream()
    second.take(3)
    second.go_to(place)
    assert torch.equal(second.sample(), second.sample())
    assert torch.equal(second.take(70), expected)


def test_the_fingerprint_changes_with_what_decides_the_batches():
    prints = [stream(), stream(sites=SITES[:1]), stream(world_seed=1), stream(noise=0.5), stream(block_tokens=41)]
    assert len({one.fingerprint for one in prints}) == 5
    assert stream().fingerprint == prints[0].fingerprint


def test_a_site_that_the_world_has_not():
    with pytest.raises(ConfigError, match=r"a site of the planted world was expected \(blocks.0.mlp_in, .*resid_post"):
        stream(sites=("blocks.0.resid_post",))


def test_held_out_tokens_come_in_whole_blocks_of_their_own():
    truth = plant(PlantedConfig(**CONFIG))
    held_out = list(blocks(truth, HELD_OUT, 50))
    assert [len(block.acts) for block in held_out] == [40, 40]
    assert not torch.equal(held_out[0].acts, draw_block(truth, "train", 0).acts)
