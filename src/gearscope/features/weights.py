"""What follows from weights alone: the tokens that a feature promotes, its direction, its neighbours.

    effect      (W_dec [centred] · gain) (W_U − mean W_U)ᵀ, in logits per unit of activation at a final norm of scale 1
    direction   W_dec summed over the sites it writes, of length 1; a site outside the residual stream counts as nothing
    neighbours  the features, of all layers, with the largest cosine between directions

Products are taken in tiles, so that memory does not grow with features x features or features x tokens.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.features.coders import Coder
from gearscope.models.frozen import FrozenNorm, FrozenPrompt
from gearscope.models.model import Model

IN_STREAM = ("attn_out", "mlp_out", "mlp_raw", "resid_pre", "resid_mid", "resid_post")
"""Names of sites that are the residual stream, or are added to it."""
_TILE_ENTRIES = 8_000_000
_ROWS = 4096


class Extremes(NamedTuple):
    """Tokens each feature promotes most (descending) and suppresses most (ascending)."""

    promoted: Int[Tensor, "F M"]
    promoted_by: Float[Tensor, "F M"]
    suppressed: Int[Tensor, "F M"]
    suppressed_by: Float[Tensor, "F M"]


class Output:
    """The way from the residual stream to the logits, at a norm of scale 1."""

    def __init__(self, model: Model, ids: Int[Tensor, " P"]) -> None:
        """`ids` are any prompt: norms are opened by running it."""
        record: FrozenPrompt = model.record(ids)
        self.W_U = record.W_U
        self._read = (record.W_U - record.W_U.mean(0)).T
        self._final = _unscaled(record.final_norm)
        self._post = [None if b.mlp_post_norm is None else _unscaled(b.mlp_post_norm) for b in record.blocks]

    def written(self, coder: Coder, features: Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
        """What features add to the residual stream, behind the norm that some families put behind the MLP."""
        total = self.W_U.new_zeros(len(features), self.W_U.shape[1])
        for (site, early), vectors in zip(coder.write_sites, coder.writes(features, total).unbind(1), strict=True):
            post = None if site.layer is None or not early else self._post[site.layer]
            if site.name in IN_STREAM:
                total += vectors if post is None else _apply(post, vectors)
        return total

    def effects(self, written: Float[Tensor, "K D"], most: int) -> Extremes:
        """The tokens that these writes promote and suppress most."""
        parts = []
        for rows in written.split(max(1, _TILE_ENTRIES // self._read.shape[1])):
            effect = _apply(self._final, rows) @ self._read
            up, down = effect.topk(most), effect.topk(most, largest=False)
            parts.append((up.indices, up.values, down.indices, down.values))
        return Extremes(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _apply(norm: FrozenNorm, x: Float[Tensor, "K D"]) -> Float[Tensor, "K D"]:
    return norm.linear_at(x, torch.zeros(len(x), dtype=torch.int64, device=x.device))


def _unscaled(norm: FrozenNorm) -> FrozenNorm:
    return replace(norm, scale=torch.ones_like(norm.scale[:1]))


def directions(written: Float[Tensor, "K D"]) -> Float[Tensor, "K D"]:
    """Of length 1; a feature that writes nothing has the direction 0."""
    return torch.nn.functional.normalize(written, dim=1)


def neighbours(all_directions: Float[Tensor, "F D"], first: int, stop: int, most: int) -> Int[Tensor, "J M"]:
    """The nearest of all features for those from `first` to `stop`, itself left out; −1 where there are fewer."""
    F = len(all_directions)
    near = torch.full((stop - first, most), -1, device=all_directions.device)
    step = max(1, _TILE_ENTRIES // F)
    for start in range(first, stop, step):
        end = min(start + step, stop)
        cosine = all_directions[start:end] @ all_directions.T
        cosine[torch.arange(end - start), torch.arange(start, end)] = -torch.inf
        best = cosine.topk(min(most, F - 1), dim=1).indices
        near[start - first : end - first, : best.shape[1]] = best
    return near


def plane(all_directions: Float[Tensor, "F D"]) -> Float[Tensor, "F 2"]:
    """The two directions in which they differ most (PCA), each with the sign that makes its largest entry positive."""
    centre = all_directions.mean(0)
    D = all_directions.shape[1]
    covariance = torch.zeros(D, D, dtype=torch.float64)
    for rows in all_directions.split(_ROWS):
        apart = (rows - centre).double().cpu()
        covariance += apart.T @ apart
    axes = torch.linalg.eigh(covariance).eigenvectors[:, -2:].flip(1)
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    return torch.cat([((rows - centre).double().cpu() @ axes).float() for rows in all_directions.split(_ROWS)])
