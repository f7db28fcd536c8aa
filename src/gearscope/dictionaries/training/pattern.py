"""Which entries of a matrix tokens x features are kept: the form that all sparse products share."""

from typing import NamedTuple

from jaxtyping import Int
from torch import Tensor


class Pattern(NamedTuple):
    """Which entries are kept, sorted by token; and the same sorted by feature."""

    rows: Int[Tensor, " K"]
    columns: Int[Tensor, " K"]
    offsets: Int[Tensor, " P"]
    """Where each token begins."""
    order: Int[Tensor, " K"]
    """The entries sorted by feature."""
    rows_by_feature: Int[Tensor, " K"]
    starts: Int[Tensor, " F"]
    """Where each feature begins in `order`."""
    counts: Int[Tensor, " F"]
    """Entries of each feature."""
