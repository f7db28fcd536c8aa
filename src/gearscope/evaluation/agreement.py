"""Runs of a model with something replaced, compared with the plain run position by position.

    same     whether the likeliest next token is the one of the plain run
    KL       KL(plain ‖ run) of the next token, in nats
    loss     -log probability of the token that does come next in the text, in nats

The first position of a window, which nothing replaces, is left out. Knows nothing about dictionaries.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.models.model import Model

Run = Callable[[Tensor], Tensor]
"""Windows of ids [B, P] -> logits [B, P, V]."""


class Agreement(NamedTuple):
    """Sums over windows, by position from the second on; float64."""

    n_windows: int
    same: Float[Tensor, " P"]
    kl: Float[Tensor, " P"]
    loss: Float[Tensor, " P"]
    """0 at the last position, behind which no text is known."""

    @property
    def n_tokens(self) -> int:
        """Tokens after which runs were compared."""
        return self.n_windows * len(self.kl)

    @property
    def mean_loss(self) -> float:
        """Nats per token whose next one is known."""
        return float(self.loss.sum()) / max(1, self.n_tokens - self.n_windows)


@torch.no_grad()
def compare(model: Model, runs: Sequence[Run], windows: Iterable[Tensor]) -> tuple[Agreement, ...]:
    """The plain run beside itself, then each of the runs beside the plain one, on batches of windows of ids [B, P]."""
    found: list[list[Tensor]] = [[] for _ in range(1 + len(runs))]
    for ids in windows:
        plain = model.run(ids).logits
        for sums, logits in zip(found, chain([plain], (run(ids) for run in runs)), strict=True):
            sums += [_compared(*one).cpu().double() for one in zip(plain, logits, ids, strict=True)]
    return tuple(Agreement(len(sums), *torch.stack(sums).sum(0)) for sums in found)


def _compared(
    plain: Float[Tensor, "P V"], logits: Float[Tensor, "P V"], ids: Int[Tensor, " P"]
) -> Float[Tensor, "3 P-1"]:
    """Same, KL and loss of one window: a window at a time, so that large vocabularies take little memory."""
    expected, found = (run[1:].float().log_softmax(-1) for run in (plain, logits))
    same = expected.argmax(-1) == found.argmax(-1)
    kl = (expected.exp() * (expected - found)).sum(-1)
    loss = -found[:-1].gather(1, ids[2:, None])[:, 0]
    return torch.stack([same.to(kl), kl, torch.cat([loss, loss.new_zeros(1)])])
