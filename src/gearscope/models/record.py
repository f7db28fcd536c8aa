"""One forward pass of one prompt, kept as a frozen linear map.

Norms and routers are computed by their family's formula in the model's own precision (transformers rounds some of them
to float32 even in a float64 model), so the record reproduces itself to that precision: composing its norms, attentions,
constants and MLP outputs over the layers gives back `final_in` and `logits`. Of a model that is spread over devices,
all but the attention is brought to where the unembedding is. It knows nothing about what is done with the record.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gearscope.models.anatomy import Anatomy, NormPart
from gearscope.models.attention import Called, Tap, tapped
from gearscope.models.frozen import FrozenBlock, FrozenNorm, FrozenPrompt
from gearscope.models.hooks import on_output, replace_norm
from gearscope.models.routing import gathered, spread, weights_of
from gearscope.models.scoring import FrozenScores


def record(
    anatomy: Anatomy,
    ids: Int[Tensor, " P"],
    *,
    n_constant_positions: int,
    routing: Mapping[int, Float[Tensor, "P X"]] | None = None,
) -> FrozenPrompt:
    """Run the prompt once, un-replicated, and keep everything that attribution needs.

    `routing` gives the choices of routers by layer instead of letting them choose.
    """
    kept: dict[str, Tensor] = {}
    norms: dict[str, FrozenNorm] = {}
    home = anatomy.W_U.device
    patterns: dict[str, Tensor] = {}
    called: dict[str, Called] = {}
    rotary: dict[str, tuple[Tensor, Tensor] | None] = {}
    choices: dict[int, Tensor] = {} if routing is None else dict(routing)
    with torch.no_grad(), ExitStack() as stack:
        for part in (*anatomy.norms(), *anatomy.head_norms()):
            replace_norm(stack, part.module, partial(_freeze_norm, part, norms, home))
        plain = [anatomy.embed, anatomy.position_embed, anatomy.final_norm]
        plain += [part for parts in anatomy.blocks for part in (parts.attn_norm, parts.mlp_norm, parts.mlp)]
        for part in plain:
            if part is not None:
                on_output(stack, part.module, partial(_keep, kept, part.path, home))
        for layer, parts in enumerate(anatomy.blocks):
            if parts.router is not None:
                hook = partial(_choose, choices, layer, anatomy.normalised)
                stack.callback(parts.router.module.register_forward_hook(hook).remove)
            hook = partial(_keep_rotary, rotary, parts.attn.path)
            stack.callback(parts.attn.module.register_forward_pre_hook(hook, with_kwargs=True).remove)
        taps = {
            parts.attn.module: Tap(
                through=partial(_keep_pattern, patterns, parts.attn.path),
                called=partial(called.__setitem__, parts.attn.path),
            )
            for parts in anatomy.blocks
        }
        stack.enter_context(tapped(anatomy.hf, taps))
        logits = anatomy.forward(ids[None])[0].to(home)
    scores = [
        anatomy.scores(layer, called[parts.attn.path], rotary[parts.attn.path], kept[parts.attn_norm.path])
        for layer, parts in enumerate(anatomy.blocks)
    ]
    return FrozenPrompt(
        token_ids=ids,
        token_embed=kept[anatomy.embed.path],
        position_embed=None if anatomy.position_embed is None else kept[anatomy.position_embed.path],
        blocks=tuple(
            _block(anatomy, layer, kept, norms, patterns, choices, score) for layer, score in enumerate(scores)
        ),
        final_norm=norms[anatomy.final_norm.path],
        W_U=anatomy.W_U,
        b_U=anatomy.b_U,
        final_in=kept[anatomy.final_norm.path],
        logits=logits,
        n_constant_positions=n_constant_positions,
    )


def _block(
    anatomy: Anatomy,
    layer: int,
    kept: dict[str, Tensor],
    norms: dict[str, FrozenNorm],
    patterns: dict[str, Tensor],
    choices: dict[int, Tensor],
    scores: FrozenScores,
) -> FrozenBlock:
    parts = anatomy.blocks[layer]
    return FrozenBlock(
        attn_norm=norms[parts.attn_norm.path],
        attn=anatomy.attention(layer, patterns[parts.attn.path]),
        attn_post_norm=None if parts.attn_post_norm is None else norms[parts.attn_post_norm.path],
        mlp_norm=norms[parts.mlp_norm.path],
        mlp_post_norm=None if parts.mlp_post_norm is None else norms[parts.mlp_post_norm.path],
        mlp_in=kept[parts.mlp_norm.path],
        mlp_out=kept[parts.mlp.path],
        routing=choices[layer].to(anatomy.W_U.device) if layer in choices else None,
        parallel=anatomy.parallel,
        scores=scores,
    )


def _choose(
    choices: dict[int, Tensor], layer: int, normalised: bool, _: nn.Module, __: Any, output: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Keep a router's choice, its weights in the model's own precision; or make the choice that is there already."""
    logits, _scores, chosen = output
    if layer in choices:
        return logits, *gathered(choices[layer])
    scores = weights_of(logits, chosen, normalised=normalised)
    choices[layer] = spread(scores, chosen, logits.shape[-1])
    return logits, scores, chosen


def _freeze_norm(part: NormPart, norms: dict[str, FrozenNorm], home: torch.device, x: Tensor) -> FrozenNorm:
    frozen = part.freeze(x)
    norms[part.path] = frozen.to(home)
    return frozen


def _keep(kept: dict[str, Tensor], path: str, home: torch.device, x: Tensor) -> None:
    kept[path] = x[0].to(home)


def _keep_rotary(
    rotary: dict[str, tuple[Tensor, Tensor] | None],
    path: str,
    _: nn.Module,
    __: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Rotary positions are handed to every attention module by name; models with learned ones hand on nothing."""
    rotary[path] = kwargs.get("position_embeddings")


def _keep_pattern(patterns: dict[str, Tensor], path: str, pattern: Tensor) -> Tensor:
    patterns[path] = pattern[0]
    return pattern
