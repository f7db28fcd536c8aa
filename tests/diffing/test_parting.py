"""Tokens are kept by KL and evenly, drawn with their weights, and drawn again from any place."""

import torch

from gearscope.diffing.config import ChangeConfig
from gearscope.diffing.parting import Drawn, Parted, part, windows_of
from gearscope.organism.corpus import WorldCorpus

SITES = ("blocks.0.resid_pre",)


def test_half_of_the_draws_are_where_predictions_part(planted):
    config = ChangeConfig(change_tokens=1500, change_kept=40)
    parted = part(planted.pair, WorldCorpus("train", 32), SITES, config, pass_tokens=200)
    differs = parted.differences.flatten(1).norm(dim=1) > 0.1
    assert bool(differs[:40].float().mean() > 0.5)  # first those with the largest KL
    assert len(parted.differences) < 150
    torch.testing.assert_close(parted.weights.sum(), torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(parted.weights[:40].sum(), torch.tensor(0.5, dtype=torch.float64))
    some = differs.nonzero()[0, 0]
    torch.testing.assert_close(parted.differences[some, 0], planted.direction, atol=1e-5, rtol=1e-4)


def test_a_token_without_weight_is_never_drawn_and_a_place_is_found_again():
    kept = Parted(
        torch.arange(3.0)[:, None, None], torch.tensor([0.7, 0.0, 0.3], dtype=torch.float64), torch.zeros(1, 1)
    )
    source = Drawn(kept, 0, "made of")
    first = source.take(5000).flatten()
    assert set(first.tolist()) == {0.0, 2.0}
    assert abs(float((first == 0).double().mean()) - 0.7) < 0.03
    place = source.place()
    then = source.take(50)
    source.sample()
    again = Drawn(kept, 0, "made of")
    again.go_to(place)
    assert torch.equal(again.take(50), then)
    assert Drawn(kept, 1, "made of").fingerprint != source.fingerprint


def test_a_corpus_that_ends_is_read_once():
    class Short:
        context, fingerprint = 4, "short"

        def take(self, n_windows, place):
            from gearscope.corpus.windows import Taken

            return Taken(torch.zeros(n_windows, 4, dtype=torch.int64), {}, 12)

    assert len(list(windows_of(Short(), 10**6))) == 1
