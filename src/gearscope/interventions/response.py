"""What the graph predicts: the linear response of the whole local replacement model to what the edits write.

With patterns, norms and routing frozen, a vector δ written into MLP outputs changes what feature t reads linearly, and
every feature of a layer whose MLP is not held passes its change on:

    Δv_t = ⟨x_t, Σ paths J▼ (δ + Σ_s Δa_s W_dec[s])⟩        Δa_s = (a_s / v_s) Δv_s      for layers after the held ones

which is Δv = A_direct + Σ_s A[t, s] Δv_s / v_s of the attribution graph, solved over *all* active features: the edges
of an unpruned graph, without building it (Ameisen et al. 2025, "Circuit tracing", section 3). One sweep from the
first layer to the last. Signed; features may go below zero. Where SAEs stand for the residual stream, it changes by
what their features write and by nothing else; MLPs between SAEs pass changes on as frozen linear maps, unless they are
held. Where the model's norms are live, a prediction that freezes their scales misses most of all just that: with
`live_norms` they are made anew, everything else staying as linear as the graph. Knows nothing about edits, graphs or
the running model.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.models.frozen import FrozenBlock, FrozenNorm, FrozenPrompt
from gearscope.replacement.replacement import Replacement, Skip, WritePlace


class Response(NamedTuple):
    """Predicted changes."""

    value: Float[Tensor, " K"]
    """Of the active features, in their order; 0 for those below the first edit."""
    final_in: Float[Tensor, "P D"]
    """Of what the unembedding reads."""
    streams: Float[Tensor, "L P D"]
    """Of the residual stream behind each layer."""


def respond(
    prompt: FrozenPrompt,
    replacement: Replacement,
    written: Float[Tensor, "L P D"],
    held: range,
    *,
    live_norms: bool = False,
) -> Response:
    """The response to `written` at the MLP outputs, when the MLPs of the layers in `held` do not respond.

    With `live_norms`, every norm's scale is made anew from the changed stream, and the rest is as linear as before.
    """
    active = replacement.active
    change = torch.zeros_like(active.value)
    passed = torch.zeros_like(active.activation)  # by column, as features write
    ratio = torch.where(active.value == 0, 0.0, active.activation / active.value)
    stream, streams = torch.zeros_like(written[0]), []
    norms, final_norm = _norms(prompt, live_norms)
    for layer, (block, norm) in enumerate(zip(prompt.blocks, norms, strict=True)):
        before = stream
        stream = before + norm.attn_post(block.attn.linear(norm.attn(before)))
        x = before if block.parallel else stream
        normed, mine = norm.mlp(x), slice(active.below(layer), active.below(layer + 1))
        way = replacement.way(layer)
        parts = {"before_post_norm": torch.zeros_like(x), "after_post_norm": torch.zeros_like(x)}
        if way is not None and (isinstance(way, Skip) or layer not in held):
            parts[way.writes_at] = way.linear(normed if way.reads_at == "mlp_in" else x)
        if replacement.writes_at != "resid_post":
            _read(replacement, layer, normed if replacement.reads_at == "mlp_in" else x, change)
            if layer not in held:
                passed[active.column[mine]] = ratio[mine] * change[mine]
            parts[replacement.writes_at] += _with_features(written[layer], replacement, layer, passed)
        stream = stream + norm.mlp_post(parts["before_post_norm"]) + parts["after_post_norm"]
        if replacement.writes_at == "resid_post" and replacement.stream(layer) is not None:
            _read(replacement, layer, stream, change)
            passed[active.column[mine]] = ratio[mine] * change[mine]
            stream = _with_features(written[layer], replacement, layer, passed)
        streams.append(stream)
    return Response(change, final_norm(stream), torch.stack(streams))


Change = Callable[[Tensor], Tensor]
"""What a change [P D] at one place makes of it at another."""


class _LayerNorms(NamedTuple):
    """What the norms of one layer make of changes at their inputs; the identity where there is none."""

    attn: Change
    attn_post: Change
    mlp: Change
    mlp_post: Change


def _norms(prompt: FrozenPrompt, live: bool) -> tuple[list[_LayerNorms], Change]:
    """The norms of every layer, and the final one."""
    if not live:
        frozen = [
            _LayerNorms(
                block.attn_norm.linear,
                _same if block.attn_post_norm is None else block.attn_post_norm.linear,
                block.mlp_norm.linear,
                _same if block.mlp_post_norm is None else block.mlp_post_norm.linear,
            )
            for block in prompt.blocks
        ]
        return frozen, prompt.final_norm.linear
    behind = prompt.resid_post()
    embedded = prompt.token_embed if prompt.position_embed is None else prompt.token_embed + prompt.position_embed
    found = []
    for layer, block in enumerate(prompt.blocks):
        before = embedded if layer == 0 else behind[layer - 1]
        mid = before if block.parallel else prompt.resid_mid()[layer]
        attended = block.attn.linear(_out(block.attn_norm, before)) + block.attn.constant()
        found.append(
            _LayerNorms(
                partial(block.attn_norm.moved, before),
                _same if block.attn_post_norm is None else partial(block.attn_post_norm.moved, attended),
                partial(block.mlp_norm.moved, mid),
                _same if block.mlp_post_norm is None else partial(block.mlp_post_norm.moved, block.mlp_out),
            )
        )
    return found, partial(prompt.final_norm.moved, behind[-1])


def _same(change: Tensor) -> Tensor:
    return change


def _out(norm: FrozenNorm, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
    """The norm's output on the prompt."""
    return norm.linear(x) if norm.bias is None else norm.linear(x) + norm.bias


def injected(prompt: FrozenPrompt, replacement: Replacement, written: Float[Tensor, "L P D"]) -> Float[Tensor, "L P D"]:
    """What of `written` stands in the residual stream behind each layer if nothing answers to it."""
    if replacement.writes_at == "resid_post":
        return written
    added = [_behind(block, out, replacement.writes_at) for block, out in zip(prompt.blocks, written, strict=True)]
    return torch.stack(added).cumsum(0)


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


def _read(replacement: Replacement, layer: int, x: Float[Tensor, "P D"], change: Float[Tensor, " K"]) -> None:
    """Fill in how much the values of the features of one layer change; positions where nothing changed are skipped."""
    for position in torch.nonzero(x.any(dim=1))[:, 0].tolist():
        here = replacement.active.at(layer, position)
        if here.start < here.stop:
            numbers = torch.arange(here.start, here.stop, device=x.device)
            change[here] = replacement.read(numbers).vectors @ x[position]
