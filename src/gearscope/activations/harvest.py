"""Activations of some windows, all sites from one forward pass; the first position is left out.

The first position of a window holds a constant (a beginning-of-text token, which attention uses as a resting place):
its activations are the same everywhere, far larger than any other, and no dictionary should spend features on them.
"""

from collections.abc import Generator, Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.activations.gelu import replaceable, replaced
from gearscope.errors import ModelError
from gearscope.models.model import Model


def passes(
    model: Model,
    ids: Int[Tensor, "B P"],
    sites: Sequence[str],
    *,
    pass_tokens: int,
    tangents: Sequence[int] = (),
    draw: torch.Generator | None = None,
) -> Generator[Float[Tensor, "K M D"]]:
    """Activations of the windows, in their order, as many tokens at a time as one forward pass reads.

    Behind the sites, for each layer of `tangents` (its `mlp_in` is among the sites), two more planes: a direction v,
    standard normal by `draw`, and J v of the layer's MLP. Raises ModelError when an activation is NaN or infinite.
    """
    at_once = max(1, pass_tokens // ids.shape[1])
    gelus = replaceable(model.anatomy.hf)
    for start in range(0, len(ids), at_once):
        with replaced(gelus):
            read = model.read(ids[start : start + at_once], sites)
        planes = [read[site][:, 1:].flatten(0, 1) for site in sites]
        for layer in tangents:
            x = planes[list(sites).index(f"blocks.{layer}.mlp_in")]
            v = torch.randn(x.shape, generator=draw).to(x)
            planes += [v, model.mlp_tangent(layer, x, v)]
        acts = torch.stack(planes, dim=1).float()
        if not bool(acts.isfinite().all()):
            names = [*sites, *(f"the slope of blocks.{layer}" for layer in tangents for _ in range(2))]
            bad = names[int((~acts.isfinite()).any(2).any(0).nonzero()[0])]
            hint = "check the model's weights, or open it in float32"
            raise ModelError("finite activations were expected", found=f"NaN or infinity at {bad}", hint=hint)
        yield acts


def in_batches(acts: Iterable[Float[Tensor, "K M D"]], n_tokens: int) -> Generator[Float[Tensor, "P M D"]]:
    """The same in parts of at least so many tokens, but for the last: each a fair sample of the text."""
    parts, held = [], 0
    for some in acts:
        parts.append(some)
        held += len(some)
        if held >= n_tokens:
            yield torch.cat(parts)
            parts, held = [], 0
    if parts:
        yield torch.cat(parts)
