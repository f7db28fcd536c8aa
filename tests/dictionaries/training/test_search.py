"""Found entries are those that torch's own comparison and sorting find."""

import pytest
import torch

from gearscope.dictionaries.training.search import above, k_largest


def mask_for(pre: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(pre, dtype=torch.bool)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("n_features", "k"), [(96, 1), (96, 4), (96, 30), (96, 96), (1000, 7), (7, 3), (0, 0)])
def test_the_largest_of_each_row_and_where_they_are(n_features, k, dtype):
    pre = torch.randn(11, n_features, generator=torch.Generator().manual_seed(k)).add(0.3).to(dtype)
    values, columns = k_largest(pre, k, mask_for(pre))
    assert torch.equal(values.clamp(min=0).sort(1).values, pre.topk(k, dim=1).values.clamp(min=0).sort(1).values)
    assert torch.equal(pre.gather(1, columns)[values > 0], values[values > 0])
    assert all(
        len(set(row[value > 0].tolist())) == int((value > 0).sum()) for row, value in zip(columns, values, strict=True)
    )


def test_equal_entries_never_make_more_than_k():
    pre = torch.ones(3, 64)
    pre[1, :5] = 2
    values, columns = k_largest(pre, 4, mask_for(pre))
    assert values.tolist() == [[1.0] * 4, [2.0] * 4, [1.0] * 4]
    assert (columns[1] < 5).all()


def test_what_is_not_positive_is_not_taken():
    pre = -torch.ones(2, 64)
    pre[0, 9] = 3
    values, columns = k_largest(pre, 4, mask_for(pre))
    assert values.sum(1).tolist() == [3.0, 0.0]
    assert columns[0, values[0].argmax()] == 9


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("level", [0.5, torch.linspace(-1, 1, 11)[:, None]])
def test_entries_above_a_level_or_one_for_each_row(level, dtype):
    pre = torch.randn(11, 70, generator=torch.Generator().manual_seed(1)).to(dtype)
    level = level.to(dtype) if isinstance(level, torch.Tensor) else level
    row, column = (pre > level).nonzero(as_tuple=True)
    assert torch.equal(above(pre, level, mask_for(pre)), row * 70 + column)
