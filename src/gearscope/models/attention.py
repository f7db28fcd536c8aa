"""Attention that shows its pattern, lets it be edited, or replays a recorded one.

    pattern = softmax(cap(q kᵀ · scale) + mask),    out = pattern v,    cap(s) = c · tanh(s / c) where a family has one

With sinks (one learned score per head that no key stands behind) the softmax runs over keys and sink, and the sink's
share is left out: rows of the pattern sum to less than one.

It is registered with transformers under one name, as attention function AND as mask function: with the first alone a
model silently stops being causal. Softmax runs in float32 at least, and in float64 where the model does. Which modules
are tapped is kept in a context variable, so models, nested runs and threads do not see each other's taps; a module
without a tap is computed as its model would. It knows nothing about sites or families.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

NAME = "gearscope"
Through = Callable[[Tensor], Tensor | None]
"""Sees a pattern [B, H, queries, keys]; returns its replacement, or None to leave it."""


class Called(NamedTuple):
    """What an attention was called with, before its scores."""

    query: Float[Tensor, "B H Q E"]
    """Rotated, and normed where the family does."""
    key: Float[Tensor, "B G K E"]
    mask: Float[Tensor, "..."] | None
    """Added to scores: zero where a key is seen."""
    scale: float
    softcap: float | None


@dataclass(frozen=True, kw_only=True)
class Tap:
    """What happens to one attention module's pattern."""

    replay: Float[Tensor, "H P P"] | None = None
    """A pattern to use instead of the computed one."""
    through: Through | None = None
    """What sees the pattern after that."""
    called: Callable[[Called], None] | None = None
    """What is told how the scores come about, where they are computed."""

    def then(self, other: "Tap") -> "Tap":
        """This tap, and `other` after it."""
        replay = self.replay if other.replay is None else other.replay
        called = self.called if other.called is None else other.called
        return Tap(replay=replay, through=partial(_through, self.through, other.through), called=called)


def _through(first: Through | None, second: Through | None, pattern: Tensor) -> Tensor:
    for change in (first, second):
        new = None if change is None else change(pattern)
        pattern = pattern if new is None else new
    return pattern


_NO_TAPS: Mapping[nn.Module, Tap] = MappingProxyType({})
_TAPS: ContextVar[Mapping[nn.Module, Tap]] = ContextVar("gearscope_taps", default=_NO_TAPS)


@contextmanager
def tapped(hf: PreTrainedModel, taps: Mapping[nn.Module, Tap]) -> Generator[None]:
    """Run `hf` with this attention inside the block, and with its own again after it, however the block ends."""
    before = hf.config._attn_implementation
    outer = _TAPS.get()
    token = _TAPS.set({**outer, **{module: outer.get(module, Tap()).then(tap) for module, tap in taps.items()}})
    try:
        hf.set_attn_implementation(NAME)
        yield
    finally:
        _TAPS.reset(token)
        hf.set_attn_implementation(before)


def attend(
    module: nn.Module,
    query: Float[Tensor, "B H Q E"],
    key: Float[Tensor, "B G K E"],
    value: Float[Tensor, "B G K Ev"],
    attention_mask: Float[Tensor, "..."] | None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Float[Tensor, "B Q H Ev"], Tensor]:
    """The attention function, in the form transformers calls; `s_aux` are the sinks, one per head."""
    tap = _TAPS.get().get(module, Tap())
    groups = query.shape[1] // key.shape[1]
    if tap.replay is None:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        if tap.called is not None:
            tap.called(Called(query, key, attention_mask, scale, softcap))
        scores = query @ key.repeat_interleave(groups, dim=1).mT * scale
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        if attention_mask is not None:
            scores = scores + attention_mask
        if s_aux is not None:
            sinks = s_aux.to(scores).view(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
            scores = torch.cat([scores, sinks], dim=-1)
        precision = torch.promote_types(scores.dtype, torch.float32)
        pattern = torch.softmax(scores, dim=-1, dtype=precision).to(value.dtype)[..., : key.shape[2]]
    else:
        pattern = tap.replay.to(value).expand(query.shape[0], -1, -1, -1)
    new = None if tap.through is None else tap.through(pattern)
    pattern = pattern if new is None else new
    return (pattern @ value.repeat_interleave(groups, dim=1)).transpose(1, 2).contiguous(), pattern


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, eager_mask)
