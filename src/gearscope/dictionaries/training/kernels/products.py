"""Products with sparse codes on a GPU: bags of rows, and products sampled at the kept entries.

    decode, transposed, summed    one program adds up the rows of one bag, in the order of its entries
    value_gradient                one program has some entries, and a dot product for each
    pattern_of, counted           stock operators that need no word from the GPU

A bag is a token (`decode`) or a feature (`transposed`). Some features are active on most tokens and most on few, so the
bags of features are cut into parts of `_PART` entries: the first part is written where the result belongs, the others
behind it, and a second kernel adds them in order. How many parts there can be follows from the number of entries alone,
so the GPU is never waited for. The same functions as in `../sparse.py`, which say what is computed.
"""

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.dictionaries.training.pattern import Pattern

_PART = 128
"""Entries of a feature that one program adds up."""
_ENTRIES = 16
"""Entries whose rows are read at one time."""
_WIDTH = 128
"""Numbers of a row that one program has at one time."""


@triton.jit
@no_type_check
def _add_bags(
    out, table, index, weights, bag_of, part_of, starts, ends, n_bags, width, stride, part,
    ENTRIES: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Row i of `out`: the sum of weights x rows of `table`, over part `part_of[i]` of the bag `bag_of[i]`."""
    program = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    inside = column < width
    bag = tl.load(bag_of + program)
    exists = bag < n_bags
    begin = tl.load(starts + bag, mask=exists, other=0) + tl.load(part_of + program) * part
    end = tl.minimum(tl.load(ends + bag, mask=exists, other=0), begin + part)
    total = tl.zeros([WIDTH], tl.float32)
    for first in range(begin, end, ENTRIES):
        entry = first + tl.arange(0, ENTRIES)
        here = entry < end
        row = tl.load(index + entry, mask=here, other=0)
        weight = tl.load(weights + entry, mask=here, other=0.0)
        rows = tl.load(table + row[:, None] * stride + column[None, :], mask=here[:, None] & inside[None, :], other=0.0)
        total += tl.sum(rows * weight[:, None], axis=0)
    tl.store(out + program * width + column, total, mask=inside & exists)


@triton.jit
@no_type_check
def _add_parts(out, further, first_slot, n_bags, width, ENTRIES: tl.constexpr, WIDTH: tl.constexpr):
    """To each bag's row of `out`, add those of its further parts, which lie behind all bags."""
    bag = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    inside = column < width
    count = tl.load(further + bag)
    if count > 0:
        total = tl.load(out + bag * width + column, mask=inside, other=0.0)
        first = n_bags + tl.load(first_slot + bag)
        for slot in range(first, first + count):
            total += tl.load(out + slot * width + column, mask=inside, other=0.0)
        tl.store(out + bag * width + column, total, mask=inside)


@triton.jit
@no_type_check
def _dot_entries(out, g, W, rows, columns, n, width, g_stride, W_stride, ENTRIES: tl.constexpr, WIDTH: tl.constexpr):
    """Entry i of `out`: the product of row `rows[i]` of `g` and row `columns[i]` of `W`."""
    entry = tl.program_id(0).to(tl.int64) * ENTRIES + tl.arange(0, ENTRIES)
    here = entry < n
    row = tl.load(rows + entry, mask=here, other=0)
    column = tl.load(columns + entry, mask=here, other=0)
    total = tl.zeros([ENTRIES], tl.float32)
    for first in range(0, width, WIDTH):
        at = first + tl.arange(0, WIDTH)
        inside = here[:, None] & (at < width)[None, :]
        left = tl.load(g + row[:, None] * g_stride + at[None, :], mask=inside, other=0.0)
        right = tl.load(W + column[:, None] * W_stride + at[None, :], mask=inside, other=0.0)
        total += tl.sum(left * right, axis=1)
    tl.store(out + entry, total, mask=here)


def _blocks(width: int) -> dict[str, Any]:
    """The constants that kernels are compiled for."""
    return {"WIDTH": min(_WIDTH, triton.next_power_of_2(width)), "ENTRIES": _ENTRIES}


def _bags(
    index: Int[Tensor, " K"],
    weights: Float[Tensor, " K"],
    table: Tensor,
    starts: Tensor,
    ends: Tensor,
    part: int | None,
) -> Tensor:
    """Sums [bags, W] of rows of `table` [rows, W], for bags that lie between `starts` and `ends` [bags] of the entries.

    Long bags are added up in parts of so many entries, where `part` is given.
    """
    n_bags, width = len(starts), table.shape[1]
    bag_of, part_of = torch.arange(n_bags, device=table.device), torch.zeros_like(starts)
    further = first_slot = None
    if part is not None and len(index) > part:
        further = (ends - starts - 1).clamp(min=0) // part
        after = further.cumsum(0)
        first_slot = after - further
        slot = torch.arange(len(index) // part, device=table.device)
        bag = torch.searchsorted(after, slot, right=True)
        number = slot - first_slot[bag.clamp(max=n_bags - 1)] + 1
        bag_of, part_of = torch.cat([bag_of, bag]), torch.cat([part_of, number])
    out = table.new_empty(len(bag_of), width)
    blocks = _blocks(width)
    across = triton.cdiv(width, blocks["WIDTH"])
    table = table if table.stride(1) == 1 else table.contiguous()
    longest = len(index) if further is None else part
    with torch.cuda.device_of(table):
        _add_bags[(len(bag_of), across)](
            out, table, index, weights.contiguous(), bag_of, part_of, starts, ends, n_bags, width, table.stride(0),
            longest, **blocks,
        )  # fmt: skip
        if further is not None:
            _add_parts[(n_bags, across)](out, further, first_slot, n_bags, width, **blocks)
    return out[:n_bags]


def pattern_of(rows: Int[Tensor, " K"], columns: Int[Tensor, " K"], n_rows: int, n_features: int) -> Pattern:
    """The pattern of entries that are sorted by token."""
    by_feature, order = columns.sort(stable=True)
    edges = torch.searchsorted(by_feature, torch.arange(n_features + 1, device=rows.device))
    return Pattern(
        rows=rows,
        columns=columns,
        offsets=torch.searchsorted(rows, torch.arange(n_rows, device=rows.device)),
        order=order,
        rows_by_feature=rows[order],
        starts=edges[:-1],
        counts=edges.diff(),
    )


def decode(pattern: Pattern, values: Float[Tensor, " K"], W: Float[Tensor, "F W"]) -> Float[Tensor, "P W"]:
    """What the codes write: S W."""
    if not len(values):
        return W.new_zeros(len(pattern.offsets), W.shape[1])
    ends = torch.cat([pattern.offsets[1:], pattern.offsets.new_full((1,), len(values))])
    return _bags(pattern.columns, values, W, pattern.offsets, ends, None)


def value_gradient(pattern: Pattern, g: Float[Tensor, "P W"], W: Float[Tensor, "F W"]) -> Float[Tensor, " K"]:
    """The gradient of the kept values, for a gradient `g` of what they write."""
    n, width = len(pattern.rows), W.shape[1]
    out = g.new_empty(n)
    if not n:
        return out
    g = g if g.stride(1) == 1 else g.contiguous()
    W = W if W.stride(1) == 1 else W.contiguous()
    with torch.cuda.device_of(g):
        _dot_entries[(triton.cdiv(n, _ENTRIES),)](
            out, g, W, pattern.rows, pattern.columns, n, width, g.stride(0), W.stride(0),
            **_blocks(width),
        )  # fmt: skip
    return out


def transposed(pattern: Pattern, values: Float[Tensor, " K"], x: Float[Tensor, "P W"]) -> Float[Tensor, "F W"]:
    """Sᵀ x: for each feature, the tokens it is active on, weighted by its values there."""
    if not len(values):
        return x.new_zeros(len(pattern.starts), x.shape[1])
    ends = pattern.starts + pattern.counts
    return _bags(pattern.rows_by_feature, values[pattern.order], x, pattern.starts, ends, _PART)


def summed(pattern: Pattern, values: Float[Tensor, " K"]) -> Float[Tensor, " F"]:
    """Sᵀ 1: the sum of each feature's values."""
    return transposed(pattern, values, values.new_ones(len(pattern.offsets), 1))[:, 0]


def counted(pattern: Pattern, chosen: Bool[Tensor, " K"]) -> Int[Tensor, " F"]:
    """How many of each feature's entries are chosen."""
    return torch.zeros_like(pattern.counts).index_add_(0, pattern.columns, chosen.to(pattern.counts))
