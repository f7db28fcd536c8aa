"""What trained weights are worth, measured in one way for every trainer, from the arrays that it exported.

    FVU    sum |y' - y|^2 / sum |y - mean y|^2 over held-out tokens and all sites that are written

Features are selected as in training (k per token, or k times the tokens of a batch), so thresholds play no part.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file

from gearscope.dictionaries.training.sparse import decode, pattern_of
from gearscope.dictionaries.training.strongest import batch_top_k, top_k


@torch.inference_mode()
def fvu(weights: Path, data: Path, case: str, k: int, batch: int) -> float:
    """Of one file of exported weights on the held-out activations of `training_data.py`."""
    found, stored = load_file(weights), load_file(data)
    held_out = stored["held_out"] / (stored["factor"] if case == "live" else 1)
    n_targets = len(found["b_dec"])
    x = held_out[:, :n_targets] if case == "clt" else held_out[:, None]
    y = held_out[:, n_targets:] if case == "clt" else held_out[:, None]
    error = torch.zeros((), dtype=torch.float64)
    for start in range(0, len(x), batch):
        read, left = x[start : start + batch], y[start : start + batch] - found["b_dec"]
        for number in range(n_targets):
            W_enc, b_enc = found[f"W_enc.{number}"], found[f"b_enc.{number}"]
            one = read[:, number].contiguous()
            kept = batch_top_k(one, W_enc, b_enc, k, None)[0] if case == "batchtopk" else top_k(one, W_enc, b_enc, k)
            pattern = pattern_of(kept.rows, kept.columns, len(one), len(W_enc))
            left[:, number:] -= decode(pattern, kept.values, found[f"W_dec.{number}"]).view(len(one), -1, y.shape[2])
        error += left.double().square().sum()
    return float(error / (y - y.mean(0)).double().square().sum())
