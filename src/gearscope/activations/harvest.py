"""Activations of some windows, all sites from one forward pass; the first position is left out.

The first position of a window holds a constant (a beginning-of-text token, which attention uses as a resting place):
its activations are the same everywhere, far larger than any other, and no dictionary should spend features on them.
"""

from collections.abc import Generator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.errors import ModelError
from gearscope.models.model import Model


def passes(
    model: Model, ids: Int[Tensor, "B P"], sites: Sequence[str], *, pass_tokens: int
) -> Generator[Float[Tensor, "K M D"]]:
    """Activations of the windows, in their order, as many tokens at a time as one forward pass reads.

    Raises ModelError when an activation is NaN or infinite.
    """
    at_once = max(1, pass_tokens // ids.shape[1])
    for start in range(0, len(ids), at_once):
        read = model.run(ids[start : start + at_once], read=sites).sites
        acts = torch.stack([read[site][:, 1:].flatten(0, 1) for site in sites], dim=1).float()
        if not bool(acts.isfinite().all()):
            bad = sites[int((~acts.isfinite()).any(2).any(0).nonzero()[0])]
            hint = "check the model's weights, or open it in float32"
            raise ModelError("finite activations were expected", found=f"NaN or infinity at {bad}", hint=hint)
        yield acts
