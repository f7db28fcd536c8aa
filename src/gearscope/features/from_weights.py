"""What follows from the weights of all coders, stored: effects on tokens, directions, neighbours, the map."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gearscope.features import layout
from gearscope.features.arrays import write_arrays
from gearscope.features.config import Contents
from gearscope.features.reading import Subject
from gearscope.features.spread import spread_out
from gearscope.features.weights import Output, directions, neighbours

_ROWS = 8192


def write_weights(
    columns: Path, laid: Path, subject: Subject, contents: Contents, ids: np.ndarray, tell: Callable[[str, int], None]
) -> None:
    """Write the columns that need no corpus, and the file of directions. `ids` are any prompt."""
    n, settings, first = contents.n_features, contents.settings, 0
    output, where = Output(subject.model, torch.from_numpy(ids.astype(np.int64))), torch.empty(n, contents.d_model)
    columns_of = layout.weight_columns(n, contents.n_vocabulary, settings)
    made = {name: np.zeros(layout.shape(column), column.dtype) for name, column in columns_of.items()}
    for coder in subject.coders:
        for features in torch.arange(coder.shelf.n_features).split(_ROWS):
            written = output.written(coder, features)
            rows = slice(first + int(features[0]), first + int(features[-1]) + 1)
            where[rows] = directions(written).float().cpu()
            for name, values in output.effects(written, settings.effects)._asdict().items():
                made[name][rows] = _in_half(values) if name.endswith("_by") else values.cpu().numpy()
            tell("features written", len(features))
        first += coder.shelf.n_features
    for start in range(0, n, _ROWS):
        stop = min(start + _ROWS, n)
        made["neighbours"][start:stop] = neighbours(where, start, stop, settings.neighbours).numpy()
        tell("features compared", stop - start)
    steps, scale = layout.in_steps(where.numpy())
    write_arrays(laid, {"direction": steps, "scale": scale, "on_map": spread_out(where).astype(np.float32)})
    write_arrays(columns, made)


def _in_half(values: torch.Tensor) -> np.ndarray:
    return values.clamp(-layout.LARGEST, layout.LARGEST).half().cpu().numpy()
