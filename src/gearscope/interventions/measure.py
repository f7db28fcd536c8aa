"""What the model does: forward passes with vectors added to MLP outputs, in one of three modes.

    direct         attention patterns, norm scales, routing and all MLP outputs held at the prompt's: an affine model
    constrained    MLP outputs of the layers in `held` at the prompt's, later MLPs live; patterns and routing held,
                   norms live unless asked ("constrained patching", Ameisen et al. 2025, appendix; see docs/decisions)
    free           nothing held

Rows of a batch are different edits of one prompt; what is added at held layers is added to the held output. A skip of
the basis is a way and no feature, so it stays open in held layers. What an expert's neuron adds carries the router's
weight on the unedited prompt, in the free mode too. Knows nothing about features.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.ids import SiteId
from gearscope.interventions.config import InterventionConfig
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model
from gearscope.models.sites import Edit
from gearscope.replacement.replacement import Replacement, Skip, WritePlace

WRITE_SITES: dict[WritePlace, str] = {
    "before_post_norm": "mlp_raw",
    "after_post_norm": "mlp_out",
    "resid_post": "resid_post",
}
"""Where a basis writes -> the name of the site in every layer."""


class Measured(NamedTuple):
    """What was there, by row of the batch."""

    inputs: tuple[Float[Tensor, "B P D"], ...]
    """By layer: what the features of the basis read."""
    routing: tuple[Float[Tensor, "B P X"] | None, ...]
    final_in: Float[Tensor, "B P D"]
    logits: Float[Tensor, "B P V"]
    streams: Float[Tensor, "L B P D"] | None = None
    """The residual stream behind each layer, where it was asked for."""


def measure(
    model: Model,
    prompt: FrozenPrompt,
    replacement: Replacement,
    written: Float[Tensor, "B L P D"],
    *,
    config: InterventionConfig,
    held: range,
    site: str,
    streams: bool = False,
) -> Measured:
    """Run the prompt once per row of `written`, what is added to each MLP output (or stream), all rows in one batch.

    `site` is what the basis reads in every layer; with `streams`, the residual stream behind each layer is kept.
    """
    reads = [SiteId(layer, site) for layer in range(prompt.n_layers)]
    routed = {i: SiteId(i, "routing") for i, block in enumerate(prompt.blocks) if block.routing is not None}
    freeze = None
    if config.mode != "free":
        freeze = Frozen(record=prompt, norms=config.mode == "direct" or config.hold_norms, mlp_layers=held)
    edits = [*_open_skips(prompt, replacement, held), *additions(written.movedim(1, 0), replacement)]
    ids = prompt.token_ids.expand(len(written), -1)
    behind = [SiteId(layer, "resid_post") for layer in range(prompt.n_layers)] if streams else []
    wanted = list(dict.fromkeys([*reads, *routed.values(), *behind, SiteId(None, "final_in")]))
    run = model.run(ids, read=wanted, edits=edits, freeze=freeze)
    return Measured(
        inputs=tuple(run.sites[str(site)] for site in reads),
        routing=tuple(run.sites[str(routed[i])] if i in routed else None for i in range(prompt.n_layers)),
        final_in=run.sites["final_in"],
        logits=run.logits,
        streams=torch.stack([run.sites[str(site)] for site in behind]) if streams else None,
    )


def additions(written: Float[Tensor, "L *B P D"], replacement: Replacement) -> list[Edit]:
    """The edits of sites that add `written` where the basis writes; layers that get nothing have none."""
    name = WRITE_SITES[replacement.writes_at]
    return [
        Edit(site=SiteId(layer, name), value=values, mode="add")
        for layer, values in enumerate(written)
        if bool(values.any())
    ]


def _open_skips(prompt: FrozenPrompt, replacement: Replacement, held: range) -> list[Edit]:
    """In held layers, what the skip makes of a changed input is added to the held output."""
    edits = []
    seen: dict[int, Tensor] = {}
    for layer in held:
        skip = replacement.way(layer)
        if isinstance(skip, Skip):
            edits.append(Edit(site=SiteId(layer, skip.reads_at), value=partial(_see, seen, layer)))
            edits.append(
                Edit(
                    site=SiteId(layer, WRITE_SITES[skip.writes_at]),
                    value=_passer(seen, layer, skip.matrix, skip.written),
                )
            )
    return edits


def _see(seen: dict[int, Tensor], layer: int, x: Tensor) -> Tensor:
    seen[layer] = x.clone()
    return x


def _passer(seen: dict[int, Tensor], layer: int, matrix: Tensor, written: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda out: out + (seen[layer] @ matrix.T - written)
