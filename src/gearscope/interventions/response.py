"""What the graph predicts: the linear response of the whole local replacement model to what the edits write.

With patterns, norms and routing frozen, a vector δ written into MLP outputs changes what feature t reads linearly, and
every feature of a layer whose MLP is not held passes its change on:

    Δv_t = ⟨x_t, Σ paths J▼ (δ + Σ_s Δa_s W_dec[s])⟩        Δa_s = (a_s / v_s) Δv_s      for layers after the held ones

which is Δv = A_direct + Σ_s A[t, s] Δv_s / v_s of the attribution graph, solved over *all* active features: the edges
of an unpruned graph, without building it (Ameisen et al. 2025, "Circuit tracing", section 3). One sweep from the
first layer to the last. Signed; features may go below zero. Where SAEs stand for the residual stream, it changes by
what their features write and by nothing else; MLPs between SAEs pass changes on as frozen linear maps, unless they are
held. Knows nothing about edits, graphs or the running model.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.models.frozen import FrozenBlock, FrozenPrompt
from gearscope.replacement.replacement import Replacement, Skip, WritePlace


class Response(NamedTuple):
    """Predicted changes."""

    value: Float[Tensor, " K"]
    """Of the active features, in their order; 0 for those below the first edit."""
    final_in: Float[Tensor, "P D"]
    """Of what the unembedding reads."""


def respond(prompt: FrozenPrompt, replacement: Replacement, written: Float[Tensor, "L P D"], held: range) -> Response:
    """The response to `written` at the MLP outputs, when the MLPs of the layers in `held` do not respond."""
    active = replacement.active
    change = torch.zeros_like(active.value)
    passed = torch.zeros_like(active.activation)  # by column, as features write
    ratio = torch.where(active.value == 0, 0.0, active.activation / active.value)
    stream = torch.zeros_like(written[0])
    for layer, block in enumerate(prompt.blocks):
        before = stream
        stream = before + _attention(block, before)
        x = before if block.parallel else stream
        normed, mine = block.mlp_norm.linear(x), slice(active.below(layer), active.below(layer + 1))
        way = replacement.way(layer)
        if way is not None and (isinstance(way, Skip) or layer not in held):
            passing = way.linear(normed if way.reads_at == "mlp_in" else x)
            stream = stream + _behind(block, passing, way.writes_at)
        if replacement.writes_at != "resid_post":
            _read(replacement, layer, normed if replacement.reads_at == "mlp_in" else x, change)
            if layer not in held:
                passed[active.column[mine]] = ratio[mine] * change[mine]
            out = _with_features(written[layer], replacement, layer, passed)
            stream = stream + _behind(block, out, replacement.writes_at)
        elif replacement.stream(layer) is not None:
            _read(replacement, layer, stream, change)
            passed[active.column[mine]] = ratio[mine] * change[mine]
            stream = _with_features(written[layer], replacement, layer, passed)
    return Response(change, prompt.final_norm.linear(stream))


def _behind(block: FrozenBlock, out: Float[Tensor, "P D"], writes_at: WritePlace) -> Float[Tensor, "P D"]:
    """What reaches the residual stream of something written at the MLP."""
    post = block.mlp_post_norm if writes_at == "before_post_norm" else None
    return out if post is None else post.linear(out)


def _with_features(
    written: Float[Tensor, "P D"], replacement: Replacement, layer: int, passed: Float[Tensor, " K"]
) -> Float[Tensor, "P D"]:
    """What the edits write at `layer`, and what features whose activations change by `passed` (by column) write."""
    out = written.clone()
    for position in range(len(out)):
        for write in replacement.writes(layer, position):
            out[position] += passed[write.columns] @ write.vectors
    return out


def _attention(block: FrozenBlock, stream: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
    out = block.attn.linear(block.attn_norm.linear(stream))
    return out if block.attn_post_norm is None else block.attn_post_norm.linear(out)


def _read(replacement: Replacement, layer: int, x: Float[Tensor, "P D"], change: Float[Tensor, " K"]) -> None:
    """Fill in how much the values of the features of one layer change; positions where nothing changed are skipped."""
    for position in torch.nonzero(x.any(dim=1))[:, 0].tolist():
        here = replacement.active.at(layer, position)
        if here.start < here.stop:
            numbers = torch.arange(here.start, here.stop, device=x.device)
            change[here] = replacement.read(numbers).vectors @ x[position]
