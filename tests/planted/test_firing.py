"""Precision, recall, F1 and absorption on tokens that were counted by hand."""

import pytest
import torch

from gearscope.planted.firing import Firing, carries_parent
from gearscope.planted.matching import match

LONE = torch.tensor([-1, -1])
TREE = torch.tensor([-1, 0])
PARENT = torch.ones(10, dtype=torch.bool)
CHILD = torch.arange(10) >= 6


def firing(decoders, truths, parents, active, fires, parts=1) -> Firing:
    made = Firing(match(decoders, truths), decoders, truths, parents)
    for a, b in zip(active.chunk(parts), fires.chunk(parts), strict=True):
        made.add(a, b)
    return made


def test_detection_by_hand():
    """Truth 0 fires on 0-3, its latent on 2-5: 2 of 4 either way. Truth 1 fires on 5-9, its latent never."""
    fires = torch.stack([torch.arange(10) < 4, torch.arange(10) >= 5], dim=1)
    active = torch.stack([torch.zeros(10).bool(), (torch.arange(10) >= 2) & (torch.arange(10) < 6)], dim=1)
    decoders = torch.tensor([[0.0, 1], [1, 0]])
    made = firing(decoders, torch.eye(2), LONE, active, fires, parts=3)
    assert made.matched.detection() == pytest.approx((0.25, 0.25, 0.25))
    assert made.by_latent.detection().f1 == pytest.approx(0.25)
    assert (made.absorption(), made.missed()) == (None, None)


def test_latents_beyond_the_truths_count_by_latent_only():
    fires = torch.stack([torch.arange(10) < 4, torch.arange(10) >= 5], dim=1)
    active = torch.cat([fires, torch.arange(10)[:, None] < 2], dim=1)
    decoders = torch.tensor([[1.0, 0], [0, 1], [0.9, 0.1]])
    made = firing(decoders, torch.eye(2), LONE, active, fires)
    assert made.matched.detection() == (1, 1, 1)
    assert made.by_latent.detection().f1 == pytest.approx((1 + 1 + 2 * 2 / 6) / 3), "the third fires on 2 of 4"


def test_a_truth_without_a_latent_counts_nothing():
    fires = torch.stack([PARENT, CHILD], dim=1)
    made = firing(torch.tensor([[1.0, 0]]), torch.eye(2), LONE, PARENT[:, None], fires)
    assert made.matched.detection() == pytest.approx((0.5, 0.5, 0.5))


@pytest.mark.parametrize(("child_decoder", "absorbed"), [([1.0, 1.0], 3 / 4), ([0.0, 1.0], 0.0), ([0.2, 1.0], 0.0)])
def test_absorption_by_hand(child_decoder, absorbed):
    """The child fires on tokens 6-9; there its latent fires, and the parent's is silent on 7, 8 and 9, and on 2."""
    fires = torch.stack([PARENT, CHILD], dim=1)
    own = (torch.arange(10) < 7) & (torch.arange(10) != 2)
    decoders = torch.tensor([[1.0, 0.0], child_decoder])
    made = firing(decoders, torch.eye(2), TREE, torch.stack([own, CHILD], dim=1), fires, parts=2)
    assert made.absorption() == pytest.approx(absorbed), (
        "a child's latent that does not write the parent absorbs nothing"
    )
    assert made.missed() == pytest.approx(1 / 6)


def test_nothing_is_absorbed_where_the_childs_latent_is_silent_too():
    fires = torch.stack([PARENT, CHILD], dim=1)
    decoders = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    active = torch.stack([~CHILD, CHILD & (torch.arange(10) > 7)], dim=1)
    assert firing(decoders, torch.eye(2), TREE, active, fires).absorption() == pytest.approx(2 / 4)


def test_the_truth_itself_scores_one_and_absorbs_nothing():
    draw = torch.Generator().manual_seed(0)
    truths = torch.randn(6, 4, generator=draw)
    parent = torch.rand(500, 3, generator=draw) < 0.5
    fires = torch.cat([parent, parent & (torch.rand(500, 3, generator=draw) < 0.4)], dim=1)
    order = torch.randperm(6, generator=draw)
    made = firing(truths[order] * 3, truths, torch.tensor([-1, -1, -1, 0, 1, 2]), fires[:, order], fires)
    assert made.matched.detection() == (1, 1, 1)
    assert made.by_latent.detection() == (1, 1, 1)
    assert (made.absorption(), made.missed()) == (0, 0)
    assert made.shuffled.detection().f1 < 0.8


def test_what_a_child_carries_is_told_apart_from_overlap():
    """Directions that overlap: the fit counts what is beyond the overlap."""
    parent, child = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.6, 0.8, 0]])
    truths, first = torch.cat([parent, child]), torch.tensor([0])
    for share, carried in ((0.0, False), (0.2, False), (1.0, True)):
        decoders = torch.cat([parent, child + share * parent])
        found = carries_parent(decoders, truths, torch.tensor([0, 1]), first, first + 1)
        assert found.tolist() == [carried], share
    assert not carries_parent(truths, truths, torch.tensor([0, -1]), first, first + 1).any()
