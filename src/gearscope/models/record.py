"""One forward pass of one prompt, kept as a frozen linear map.

Norms are computed by their family's formula in the model's own precision (transformers rounds some of them to float32
even in a float64 model), so the record reproduces itself to that precision: composing its norms, attentions, constants
and MLP outputs over the layers gives back `final_in` and `logits`. It knows nothing about what is done with the record.
"""

from contextlib import ExitStack
from functools import partial

import torch
from jaxtyping import Int
from torch import Tensor

from gearscope.models.anatomy import Anatomy, NormPart
from gearscope.models.attention import Tap, tapped
from gearscope.models.frozen import FrozenBlock, FrozenNorm, FrozenPrompt
from gearscope.models.hooks import on_output, replace_norm


def record(anatomy: Anatomy, ids: Int[Tensor, " P"], *, n_constant_positions: int) -> FrozenPrompt:
    """Run the prompt once, un-replicated, and keep everything that attribution needs."""
    kept: dict[str, Tensor] = {}
    norms: dict[str, FrozenNorm] = {}
    patterns: dict[str, Tensor] = {}
    with torch.no_grad(), ExitStack() as stack:
        for part in (*anatomy.norms(), *anatomy.head_norms()):
            replace_norm(stack, part.module, partial(_freeze_norm, part, norms))
        plain = [anatomy.embed, anatomy.position_embed, anatomy.final_norm]
        plain += [part for parts in anatomy.blocks for part in (parts.mlp_norm, parts.mlp)]
        for part in plain:
            if part is not None:
                on_output(stack, part.module, partial(_keep, kept, part.path))
        taps = {
            parts.attn.module: Tap(through=partial(_keep_pattern, patterns, parts.attn.path))
            for parts in anatomy.blocks
        }
        stack.enter_context(tapped(anatomy.hf, taps))
        logits = anatomy.forward(ids[None])[0]
    return FrozenPrompt(
        token_ids=ids,
        token_embed=kept[anatomy.embed.path],
        position_embed=None if anatomy.position_embed is None else kept[anatomy.position_embed.path],
        blocks=tuple(_block(anatomy, layer, kept, norms, patterns) for layer in range(len(anatomy.blocks))),
        final_norm=norms[anatomy.final_norm.path],
        W_U=anatomy.W_U,
        b_U=anatomy.b_U,
        final_in=kept[anatomy.final_norm.path],
        logits=logits,
        n_constant_positions=n_constant_positions,
    )


def _block(
    anatomy: Anatomy, layer: int, kept: dict[str, Tensor], norms: dict[str, FrozenNorm], patterns: dict[str, Tensor]
) -> FrozenBlock:
    parts = anatomy.blocks[layer]
    return FrozenBlock(
        parallel=anatomy.parallel,
        attn_norm=norms[parts.attn_norm.path],
        attn=anatomy.attention(layer, patterns[parts.attn.path]),
        attn_post_norm=None if parts.attn_post_norm is None else norms[parts.attn_post_norm.path],
        mlp_norm=norms[parts.mlp_norm.path],
        mlp_post_norm=None if parts.mlp_post_norm is None else norms[parts.mlp_post_norm.path],
        mlp_in=kept[parts.mlp_norm.path],
        mlp_out=kept[parts.mlp.path],
    )


def _freeze_norm(part: NormPart, norms: dict[str, FrozenNorm], x: Tensor) -> FrozenNorm:
    norms[part.path] = part.freeze(x)
    return norms[part.path]


def _keep(kept: dict[str, Tensor], path: str, x: Tensor) -> None:
    kept[path] = x[0]


def _keep_pattern(patterns: dict[str, Tensor], path: str, pattern: Tensor) -> Tensor:
    patterns[path] = pattern[0]
    return pattern
