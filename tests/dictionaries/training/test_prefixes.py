"""Groups of features: together they are the whole code, and each entry is in one of them."""

import torch

from gearscope.dictionaries.training.prefixes import shares_of
from gearscope.dictionaries.training.sparse import pattern_of


def test_shares_divide_the_entries_and_count_features_from_their_first():
    chosen = torch.rand(20, 12, generator=torch.Generator().manual_seed(1)) < 0.3
    rows, columns = chosen.nonzero(as_tuple=True)
    pattern = pattern_of(rows, columns, 20, 12)
    groups = ((0, 3), (3, 4), (4, 12))
    shares = shares_of(pattern, groups)
    assert torch.equal(torch.cat([share.entries for share in shares]).sort().values, torch.arange(len(rows)))
    for share, (first, end) in zip(shares, groups, strict=True):
        assert share.features == slice(first, end)
        assert torch.equal(share.pattern.columns + first, columns[share.entries])
        assert torch.equal(share.pattern.counts, chosen[:, first:end].sum(0))


def test_one_group_is_the_pattern_itself():
    pattern = pattern_of(torch.tensor([0, 1]), torch.tensor([2, 0]), 2, 3)
    (share,) = shares_of(pattern, ((0, 3),))
    assert share.pattern is pattern
