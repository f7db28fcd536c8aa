"""A stretch of the corpus through the model and its coders: blocks of what fired.

Passes are numbered over the whole corpus and always hold the same windows, so that a stretch gives the same floats
whoever reads it, and wherever it begins.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

from gearscope.activations.harvest import passes
from gearscope.dictionaries.selection import Codes
from gearscope.features.coders import Coder, sites_of
from gearscope.features.firings import Block
from gearscope.features.plan import BLOCK_PASSES
from gearscope.models.model import Model

PASS_TOKENS = 512


class Subject(NamedTuple):
    """What is looked into."""

    model: Model
    coders: Sequence[Coder]

    @property
    def n_features(self) -> int:
        """Of all coders together."""
        return sum(coder.shelf.n_features for coder in self.coders)


def windows_per_pass(context: int) -> int:
    """Windows of one forward pass."""
    return max(1, PASS_TOKENS // context)


@torch.no_grad()
def blocks(
    subject: Subject,
    windows: np.ndarray,
    stretch: range,
    progress: Callable[[int], None] | None = None,
    *,
    block_passes: int = BLOCK_PASSES,
) -> Generator[tuple[Block, range]]:
    """What fires in the windows of these passes, block by block, with the windows of each block.

    A block is of `block_passes` passes at most. `progress` is called with the tokens of each. Raises ModelError for
    activations that are not finite.
    """
    context, per_pass = windows.shape[1], windows_per_pass(windows.shape[1])
    sites = sites_of(subject.coders)
    for start in range(stretch.start, stretch.stop, block_passes):
        here = range(start * per_pass, min(min(start + block_passes, stretch.stop) * per_pass, len(windows)))
        ids = torch.from_numpy(windows[here.start : here.stop].astype(np.int64)).to(subject.model.device)
        found: list[list[Codes]] = [[] for _ in subject.coders]
        for acts in passes(subject.model, ids, sites, pass_tokens=per_pass * context):
            for number, coder in enumerate(subject.coders):
                planes = [sites.index(site) for site in coder.shelf.reads]
                found[number].append(coder.encode(acts[:, planes]))
        by_coder = [
            _by_feature(codes, coder.shelf.n_features) for codes, coder in zip(found, subject.coders, strict=True)
        ]
        yield _block(by_coder, here, context), here
        if progress is not None:
            progress(len(here) * (context - 1))


def pairs_per_token(subject: Subject, windows: np.ndarray) -> float:
    """Pairs of features that fire on one token, both ways round and with itself: the mean over the first pass."""
    block, here = next(blocks(subject, windows, range(1)))
    active = np.bincount(block.place).astype(np.float64)
    return float((active**2).sum()) / (len(here) * (windows.shape[1] - 1))


def _by_feature(codes: Sequence[Codes], n_features: int) -> Any:
    """The codes of some passes as one sparse matrix by columns, rows one pass after another."""
    before = np.cumsum([0, *(some.n_rows for some in codes)])
    rows = np.concatenate([some.rows.cpu().numpy() + at for some, at in zip(codes, before[:-1], strict=True)])
    columns = np.concatenate([some.columns.cpu().numpy() for some in codes])
    values = np.concatenate([some.values.float().cpu().numpy() for some in codes])
    begin = np.searchsorted(rows, np.arange(before[-1] + 1))
    by_row = sparse.csr_array((values, columns.astype(np.int32), begin), shape=(int(before[-1]), n_features))
    return by_row.tocsc()


def _block(by_coder: Sequence[Any], here: range, context: int) -> Block:
    begin, ends = [np.zeros(1, np.int64)], 0
    for matrix in by_coder:
        begin.append(matrix.indptr[1:].astype(np.int64) + ends)
        ends += int(matrix.indptr[-1])
    row = np.concatenate([matrix.indices for matrix in by_coder]).astype(np.int64)
    place = (here.start + row // (context - 1)) * context + 1 + row % (context - 1)
    return Block(np.concatenate(begin), place, np.concatenate([matrix.data for matrix in by_coder]))
