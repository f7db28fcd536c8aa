"""What a trace will take, before it takes it: of memory, in bytes, by the size of the prompt.

    record      H P² per layer for the patterns, some vectors per layer and position, the logits
    rows        8 bytes per stored entry, three times at the worst moment (rows, matrix, pruning), 1 KiB per node;
                whole rows: a third of all pairs of features (lower layers, earlier positions), twice;
                what threads are making at the time

How many rows a coverage needs is not known before they are made. The estimate is the cube of the coverage, which is
more than any of the random models needed, where attention is spread evenly (docs/decisions/0027-long-prompts.md).
"""

from collections.abc import Sequence

from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.kept import WholeRows
from gearscope.attribution.rows import RowMaker
from gearscope.memory import GIB, free_bytes, require
from gearscope.models.model import Model

_VECTORS = 8
"""Vectors of the model's width that a record keeps, or that exist while it is made, per layer and position."""
_PATTERNS = 3
"""Patterns of one layer that exist at once while it runs, besides those that are kept."""
_TIMES = 3
_NODE_BYTES = 1024
SHORTER = "give a shorter prompt"
LESS = "give a shorter prompt, expand fewer features (--max-features), or cover less (--coverage)"


def free_for(config: AttributionConfig) -> int | float | None:
    """Bytes that a trace may take."""
    return free_bytes() if config.memory is None else config.memory * GIB


def record_bytes(model: Model, n_positions: int) -> int:
    """What a record of a prompt takes while it is made."""
    P, L = n_positions, model.n_layers
    numbers = (L + _PATTERNS) * model.n_heads * P**2 + L * P * _VECTORS * model.d_model + 2 * P * model.vocab_size
    return numbers * model.dtype.itemsize


def require_record(model: Model, n_positions: int, config: AttributionConfig) -> None:
    """Raise PromptError when a prompt of this length will not fit."""
    what = f"a forward pass of {n_positions} tokens whose attention is kept"
    require(record_bytes(model, n_positions), what, free=free_for(config), hint=SHORTER)


def rows_bytes(n_active: int, config: AttributionConfig, entries: float | None) -> int | float:
    """What a graph takes while it is made, with so many stored entries in a row; None: with all of them."""
    rows = n_active * (config.coverage**3 or 1)
    if config.max_features is not None:
        rows = min(rows, config.max_features)
    stored = 16 * rows / 3 if entries is None else 8 * _TIMES * entries
    return rows * (stored + _NODE_BYTES)


def require_rows(maker: RowMaker, targets: Sequence[WholeRows], config: AttributionConfig, tolerance: float) -> None:
    """Raise PromptError when the rows of a prompt will not fit, as far as those of its targets tell."""
    n_active, constants = len(maker.replacement.active), maker.leaves.constants
    entries = None
    if tolerance:
        counts = [int(block.strong(tolerance, n_active, constants).counts.sum()) for block in targets]
        entries = sum(counts) / sum(len(block.features) for block in targets)
    what = f"the circuit of {n_active:,} active features on {maker.prompt.n_positions} tokens"
    needed = rows_bytes(n_active, config, entries) + maker.waiting_bytes()
    require(needed, what, free=free_for(config), hint=LESS)
