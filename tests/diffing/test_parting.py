"""Parting tokens are kept by KL, ordinary ones evenly; B's own words are no place to part."""

import torch

from gearscope.diffing.config import ChangeConfig
from gearscope.diffing.parting import can_part, part, windows_of
from gearscope.diffing.survey import Outputs, compared
from gearscope.organism.corpus import WorldCorpus

SITES = ("blocks.0.resid_pre",)


def test_parting_tokens_hold_the_difference_and_ordinary_ones_mostly_none(planted):
    config = ChangeConfig(change_tokens=1500, change_kept=40, change_kl=0.005, change_sure=0)
    parted = part(planted.pair, WorldCorpus("train", 32), SITES, config, pass_tokens=200)
    assert len(parted.parting) == 40
    assert len(parted.even) < 110
    assert parted.said.shape == (40,)
    differs = parted.parting.flatten(1).norm(dim=1) > 0.1
    assert bool(differs.all())
    expected = planted.direction.expand(40, 1, -1)
    torch.testing.assert_close(parted.parting, expected, atol=1e-5, rtol=1e-4)
    ordinary = parted.even.flatten(1).norm(dim=1)
    assert float((ordinary < 0.1).double().mean()) > 0.8


def test_a_bound_that_nothing_reaches_keeps_nothing(planted):
    config = ChangeConfig(change_tokens=600, change_kept=40, change_kl=50)
    parted = part(planted.pair, WorldCorpus("train", 32), SITES, config, pass_tokens=200)
    assert len(parted.parting) == 0
    assert len(parted.even) > 0


def outputs(ahead, sure) -> Outputs:
    ahead, sure = torch.tensor(ahead).flatten(), torch.tensor(sure).flatten()
    nothing = torch.zeros_like(ahead)
    return Outputs(nothing, nothing, nothing, nothing.long(), nothing.long(), ahead, sure, nothing.long())


def test_predictions_part_only_where_the_first_model_expects_something_and_is_not_lost():
    ahead = [[0.0, 4.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 4.0]]  # two windows of six tokens, the first left out
    sure = [[1.0, 1.0, 1.0, 1.0, 0.4], [1.0, 1.0, 1.0, 1.0, 1.0]]
    found = can_part(outputs(ahead, sure), 2, ChangeConfig(change_kl=3, change_sure=0.5))
    assert found.view(2, 5).tolist() == [[True, False, False, True, False], [True, True, True, True, False]]


def test_how_much_more_b_expected_a_token_is_the_difference_of_its_log_probabilities():
    draw = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, 4, 7, generator=draw) for _ in range(2))
    ids = torch.tensor([[0, 3, 5, 1], [0, 6, 6, 2]])
    found = compared(a, b, ids)
    for row in range(2):
        for position in range(1, 4):
            one, other = (x[row, position - 1].softmax(-1)[ids[row, position]].log() for x in (a, b))
            torch.testing.assert_close(found.ahead.view(2, 3)[row, position - 1], other - one)
            top = a[row, position].softmax(-1).max()
            torch.testing.assert_close(found.sure.view(2, 3)[row, position - 1], top)
            p, q = (x[row, position].softmax(-1) for x in (a, b))
            said = int((q * (q / p).log()).argmax())
            assert int(found.said.view(2, 3)[row, position - 1]) == said


def test_a_corpus_that_ends_is_read_once():
    class Short:
        context, fingerprint = 4, "short"

        def take(self, n_windows, place):
            from gearscope.corpus.windows import Taken

            return Taken(torch.zeros(n_windows, 4, dtype=torch.int64), {}, 12)

    assert len(list(windows_of(Short(), 10**6))) == 1
