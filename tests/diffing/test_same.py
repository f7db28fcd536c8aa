"""Directions do the same if each undoes the other; one of another word, or one that undoes in part, stays apart."""

import torch

from gearscope.diffing.same import Saying, doing_the_same, together
from gearscope.diffing.turning import fired_on, undone_by
from gearscope.organism.corpus import WorldCorpus


def test_groups_hold_what_undoes_each_other():
    undone = torch.tensor(
        [
            [1.0, 0.95, 0.3, 0.95],
            [0.95, 1.0, 0.3, 0.5],  # undoes the first, and not the last
            [0.9, 0.9, 0.9, 0.9],  # undone by everything, and undoes nothing
            [0.95, 0.5, 0.3, 1.0],
        ]
    )
    assert together(undone) in ([[0, 1], [2], [3]], [[0, 3], [1], [2]])
    assert together(torch.tensor([[0.0]])) == [[0]]
    assert together(torch.zeros(2, 2)) == [[0], [1]]


def test_a_direction_is_undone_by_itself_and_less_by_an_ordinary_one(planted):
    dictionary, change = planted.done.changes, planted.done.report.changes[0]
    assert dictionary is not None
    feature, ordinary = change.features[0], 0
    sites = ("blocks.0.resid_post", "blocks.1.resid_post")
    ids = WorldCorpus("held_out", 32).take(60, None).ids
    fires = (fired_on(planted.pair, dictionary, sites, ids)[..., feature] > 0).any(1)
    assert bool(fires.any())
    ids = ids[fires]
    itself, other = undone_by(planted.pair, dictionary, sites, feature, [feature, ordinary], ids)
    assert itself > max(0.2, other + 0.1)
    both = [Saying(feature, 3, ids), Saying(ordinary, 3, ids)]
    assert doing_the_same(planted.pair, dictionary, sites, both) == [[ordinary], [feature]]
    apart = [Saying(feature, 3, ids), Saying(feature, None, ids), Saying(feature, 4, ids)]
    assert len(doing_the_same(planted.pair, dictionary, sites, apart)) == 3
