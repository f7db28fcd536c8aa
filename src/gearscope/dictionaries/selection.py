"""Which features are active, as a sparse triple: the one form in which codes exist here.

    relu       a = pre · (pre > 0)
    jumprelu   a = pre · (pre > threshold)                       Rajamanoharan et al. 2024
    topk       a = pre where it is among the token's k largest   Gao et al. 2024; no ReLU after it, as in circuit-tracer
    topk_relu  a = pre where it is, if it is positive            the same with a ReLU, as in SAELens and sparsify

A code that is exactly zero is not active. Triples are sorted by (row, column), so equal codes are equal tensors.
Knows nothing about weights.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.config import TOPK, Activation


class Codes(NamedTuple):
    """Sparse codes of `n_rows` tokens: feature `columns[i]` has the activation `values[i]` on token `rows[i]`."""

    rows: Int[Tensor, " K"]
    columns: Int[Tensor, " K"]
    values: Float[Tensor, " K"]
    n_rows: int

    def offsets(self) -> Int[Tensor, " P"]:
        """Where each row begins."""
        return torch.searchsorted(self.rows, torch.arange(self.n_rows, device=self.rows.device))

    def dense(self, n_features: int) -> Float[Tensor, "P F"]:
        """The codes as a matrix, for few tokens or features."""
        out = self.values.new_zeros(self.n_rows, n_features)
        out[self.rows, self.columns] = self.values
        return out


def select(
    pre: Float[Tensor, "P F"], activation: Activation, *, k: int | None = None, threshold: Tensor | None = None
) -> Codes:
    """The active features of pre-activations. `threshold` is [F] and belongs to jumprelu; `k` belongs to topk."""
    if activation in TOPK:
        assert k is not None
        columns = pre.topk(k, dim=1).indices.sort(dim=1).values.flatten()
        rows = torch.arange(len(pre), device=pre.device).repeat_interleave(k)
        found = pre[rows, columns]
        kept = found != 0 if activation == "topk" else found > 0
        rows, columns = rows[kept], columns[kept]
    else:
        assert (threshold is not None) == (activation == "jumprelu")
        chosen = pre > 0 if threshold is None else (pre > threshold) & (pre != 0)
        rows, columns = chosen.nonzero(as_tuple=True)
    return Codes(rows, columns, pre[rows, columns], len(pre))
