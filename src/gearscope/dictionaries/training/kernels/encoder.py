"""Pre-activations on a GPU and what is kept of them, in one pass: tokens x features is never written to memory.

    above_level    all above a number      a tile of x W_encᵀ + b_enc is computed, compared, and its hits are written
    largest        the k largest of each token

Hits go to one list. A tile takes as many places there as it needs from a counter, in whatever order tiles come to it;
then the list is sorted by (token, feature), so the result has one order and no sum depends on it. When the list is too
short, the counter says how long it has to be, and the pass is made again.

`largest` makes two passes: the first keeps the maximum of every `_GROUP` features, and a token's k-th largest of them
is a bound that at least k of its entries reach; the second collects what is above the bounds. Products are made as
torch.set_float32_matmul_precision has it: "highest" (torch's default) is float32, "high" three passes of TF32, "medium"
one. The same functions as in `../strongest.py`, which say what is computed.
"""

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

_TOKENS, _FEATURES, _INPUTS = 64, 64, 32
"""The tile of one program, and how much of the sum it has at one time."""
_WARPS = 8
"""Of one program; with 4 a tile does not fit into the registers (sm_90, by the compiler's count)."""
_GROUP = 16
"""Features of one group; divides the tile."""
_ROOM = 256
"""Places in the list for each token, at first."""
_SLACK = 1e-4
"""The bound of a token is lowered by this share of it, so that rounding cannot lose an entry."""
_PRECISION = {"highest": "ieee", "high": "tf32x3", "medium": "tf32"}


@triton.jit
@no_type_check
def _pre_activations(
    x, W, b, row, column, n_tokens, n_features, n_inputs, x_stride, W_stride,
    TOKENS: tl.constexpr, FEATURES: tl.constexpr, INPUTS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One tile of x Wᵀ + b."""
    total = tl.zeros([TOKENS, FEATURES], tl.float32)
    for first in range(0, n_inputs, INPUTS):
        at = first + tl.arange(0, INPUTS)
        left = tl.load(
            x + row[:, None] * x_stride + at[None, :],
            mask=(row < n_tokens)[:, None] & (at < n_inputs)[None, :],
            other=0.0,
        )
        right = tl.load(
            W + column[None, :] * W_stride + at[:, None],
            mask=(column < n_features)[None, :] & (at < n_inputs)[:, None],
            other=0.0,
        )
        total = tl.dot(left, right, total, input_precision=PRECISION)
    return total + tl.load(b + column, mask=column < n_features, other=0.0)[None, :]


@triton.jit
@no_type_check
def _collect(
    keys, values, counter, room, x, W, b, levels, n_tokens, n_features, n_inputs, x_stride, W_stride,
    TOKENS: tl.constexpr, FEATURES: tl.constexpr, INPUTS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Write (token x n_features + feature, value) of a tile's entries above their token's level."""
    row = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    column = tl.program_id(1).to(tl.int64) * FEATURES + tl.arange(0, FEATURES)
    pre = _pre_activations(
        x, W, b, row, column, n_tokens, n_features, n_inputs, x_stride, W_stride, TOKENS, FEATURES, INPUTS, PRECISION
    )
    level = tl.load(levels + row, mask=row < n_tokens, other=0.0)
    hit = (pre > level[:, None]) & (row < n_tokens)[:, None] & (column < n_features)[None, :]
    number = hit.to(tl.int32)
    of_row = tl.sum(number, axis=1)
    count = tl.sum(of_row, axis=0)
    if count > 0:
        first = tl.atomic_add(counter, count)
        before = tl.cumsum(of_row, axis=0) - of_row
        place = first + before[:, None] + tl.cumsum(number, axis=1) - number
        fits = hit & (place < room)
        tl.store(keys + place, row[:, None] * n_features + column[None, :], mask=fits)
        tl.store(values + place, pre, mask=fits)


@triton.jit
@no_type_check
def _group_maxima(
    out, x, W, b, n_groups, n_tokens, n_features, n_inputs, x_stride, W_stride,
    TOKENS: tl.constexpr, FEATURES: tl.constexpr, INPUTS: tl.constexpr, PRECISION: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """The largest of every GROUP neighbouring features, by token."""
    row = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    column = tl.program_id(1).to(tl.int64) * FEATURES + tl.arange(0, FEATURES)
    pre = _pre_activations(
        x, W, b, row, column, n_tokens, n_features, n_inputs, x_stride, W_stride, TOKENS, FEATURES, INPUTS, PRECISION
    )
    pre = tl.where((column < n_features)[None, :], pre, float("-inf"))
    highest = tl.max(tl.reshape(pre, [TOKENS, FEATURES // GROUP, GROUP]), axis=2)
    group = tl.program_id(1).to(tl.int64) * (FEATURES // GROUP) + tl.arange(0, FEATURES // GROUP)
    inside = (row < n_tokens)[:, None] & (group < n_groups)[None, :]
    tl.store(out + row[:, None] * n_groups + group[None, :], highest, mask=inside)


def above_level(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"], level: float
) -> tuple[Tensor, Tensor, Tensor]:
    """All pre-activations above one number, sorted by token, then by feature: rows, columns, values."""
    return _above_levels(x, W_enc, b_enc, x.new_full((len(x),), level))


def largest(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"], k: int
) -> tuple[Float[Tensor, "P K"], Int[Tensor, "P K"]]:
    """Values and features of the k largest positive pre-activations of each token, the largest first.

    Where there are fewer, a 0 is in their place. Of equal ones, the first features are taken.
    """
    n_groups = triton.cdiv(len(W_enc), _GROUP)
    levels = x.new_zeros(len(x))
    if n_groups > k and len(x):
        maxima = x.new_empty(len(x), n_groups)
        x, W_enc = _by_rows(x), _by_rows(W_enc)
        with torch.cuda.device_of(x):
            _group_maxima[_tiles(x, W_enc)](maxima, x, W_enc, b_enc, n_groups, *_sizes(x, W_enc), **_tile(GROUP=_GROUP))
        highest = maxima.topk(k, dim=1).values[:, -1]
        levels = (highest - _SLACK * highest.abs()).clamp(min=0)
    return _strongest_of(*_above_levels(x, W_enc, b_enc, levels), len(x), k)


def _strongest_of(
    rows: Int[Tensor, " K"], columns: Int[Tensor, " K"], values: Float[Tensor, " K"], n_tokens: int, k: int
) -> tuple[Tensor, Tensor]:
    """The k largest of each token's entries [n_tokens, k], from entries that are sorted by token."""
    by_value = values.argsort(descending=True, stable=True)
    order = by_value[rows[by_value].argsort(stable=True)]  # by token, the largest first
    begin = torch.searchsorted(rows, torch.arange(n_tokens, device=rows.device))
    place = torch.arange(len(rows), device=rows.device) - begin[rows]
    target = torch.where(place < k, rows * k + place, n_tokens * k)  # what is too many goes behind the end
    found, features = values.new_zeros(n_tokens * k + 1), columns.new_zeros(n_tokens * k + 1)
    found[target], features[target] = values[order], columns[order]
    return found[:-1].view(n_tokens, k), features[:-1].view(n_tokens, k)


def _above_levels(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"], levels: Float[Tensor, " P"]
) -> tuple[Tensor, Tensor, Tensor]:
    """All pre-activations above their token's level."""
    F, found = len(W_enc), []
    at_once = max(1, (2**31 - 1) // F)  # the counter has 32 bits
    for start in range(0, max(1, len(x)), at_once):
        keys, values = _hits(x[start : start + at_once], W_enc, b_enc, levels[start : start + at_once])
        keys, order = keys.sort()
        found.append((keys // F + start, keys % F, values[order]))
    if len(found) == 1:
        return found[0]
    rows, columns, values = zip(*found, strict=True)
    return torch.cat(rows), torch.cat(columns), torch.cat(values)


def _hits(x: Tensor, W_enc: Tensor, b_enc: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values above the levels, in any order."""
    x, W_enc = _by_rows(x), _by_rows(W_enc)
    room, needed = min(len(x) * len(W_enc), _ROOM * len(x)), 1
    keys, values = levels.new_empty(0, dtype=torch.int64), levels.new_empty(0)
    while needed > len(keys) and len(x):
        keys, values = keys.new_empty(room), values.new_empty(room)
        counter = torch.zeros(1, dtype=torch.int32, device=x.device)
        with torch.cuda.device_of(x):
            _collect[_tiles(x, W_enc)](
                keys, values, counter, room, x, W_enc, b_enc, levels, *_sizes(x, W_enc), **_tile()
            )
        needed = room = int(counter)  # the one word that is waited for
    return keys[:needed], values[:needed]


def _by_rows(matrix: Tensor) -> Tensor:
    return matrix if matrix.stride(1) == 1 else matrix.contiguous()


def _sizes(x: Tensor, W_enc: Tensor) -> tuple[int, int, int, int, int]:
    return len(x), len(W_enc), x.shape[1], x.stride(0), W_enc.stride(0)


def _tiles(x: Tensor, W_enc: Tensor) -> tuple[int, int]:
    return triton.cdiv(len(x), _TOKENS), triton.cdiv(len(W_enc), _FEATURES)


def _tile(**more: int) -> dict[str, Any]:
    """The constants that kernels are compiled for."""
    precision = _PRECISION[torch.get_float32_matmul_precision()]
    return {
        "TOKENS": _TOKENS,
        "FEATURES": _FEATURES,
        "INPUTS": _INPUTS,
        "PRECISION": precision,
        "num_warps": _WARPS,
        **more,
    }
