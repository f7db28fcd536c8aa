"""The area counts pairs; ties are halves."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.evaluation.auroc import auroc, mid_ranks, sparse_areas


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 25))
def test_the_area_is_the_share_of_pairs_in_order(seed, n):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 4, (n, 3), generator=generator).float()
    positive = torch.rand(n, 2, generator=generator) < 0.5
    positive[0], positive[1] = True, False
    areas = auroc(scores, positive)
    for question in range(2):
        for feature in range(3):
            above = scores[positive[:, question], feature][:, None]
            below = scores[~positive[:, question], feature][None]
            pairs = (above > below).double() + 0.5 * (above == below).double()
            assert abs(float(areas[question, feature]) - float(pairs.mean())) < 1e-12


def test_ranks_of_equal_scores_are_their_mean():
    assert mid_ranks(torch.tensor([[2.0], [1.0], [2.0], [0.0]])).flatten().tolist() == [3.5, 2.0, 3.5, 1.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 25))
def test_sparse_codes_have_the_areas_of_their_matrix(seed, n):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(-2, 4, (n, 5), generator=generator).float()
    scores[:, 1] = 0
    positive = torch.rand(n, 2, generator=generator) < 0.5
    positive[0], positive[1] = True, False
    rows, columns = scores.nonzero().unbind(1)
    found = sparse_areas(rows, columns, scores[rows, columns], 5, positive)
    assert torch.allclose(found, auroc(scores, positive), atol=1e-12)
