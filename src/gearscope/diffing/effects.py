"""What a feature does: B run with it turned off, A run with it turned on, beside an edit of equal size.

    off    x_B ← x_B + f (d_A − d_B)            on    x_A ← x_A + f (d_B − d_A)

so off is as the other model has it: nothing at all, for a feature of one model alone. A and B change places if A has
more of it. Both at the first site that is compared, on every token where the feature fires; later layers run on. The
control has, token by token, the size of the edit and the direction of a shared feature that fires about as often, as
that model writes it.
Knows nothing about classes and text.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.diffing.crosscoder import decoders_of
from gearscope.diffing.pair import Pair
from gearscope.diffing.report import Effect
from gearscope.diffing.survey import Survey
from gearscope.ids import SiteId
from gearscope.models.model import Model
from gearscope.models.sites import Edit

_SMALLEST = 1e-5
"""Nats of KL(A ‖ B) under which nothing is said to be undone: rounding is of this size."""


class Turn(NamedTuple):
    """What is added per unit of a feature's activation, and the controls of equal size.

    The owner is the model in which its decoder is longer; the other one is the base.
    """

    a_owns: bool
    off: Float[Tensor, " D"]
    """In the owner."""
    on: Float[Tensor, " D"]
    """In the base."""
    off_control: Float[Tensor, " D"]
    on_control: Float[Tensor, " D"]


def turn_of(dictionary: Dictionary, feature: int, control: int) -> Turn:
    """How a feature is turned off and on."""
    decoders = [decoder[:, 0] for decoder in decoders_of(dictionary)]
    a_owns = bool(decoders[0][feature].norm() > decoders[1][feature].norm())
    owner, base = decoders if a_owns else reversed(decoders)
    on = owner[feature] - base[feature]
    off = -on
    return Turn(a_owns, off, on, -sized(owner[control], off), sized(base[control], on))


def sized(direction: Float[Tensor, " D"], like: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
    """A direction with the norm of another vector."""
    return direction * (like.norm() / direction.norm().clamp(min=1e-12))


def moved(model: Model, ids: Int[Tensor, "B C"], site: str, added: Float[Tensor, "B C D"]) -> Float[Tensor, "B C V"]:
    """Logits with something added at a site."""
    edit = Edit(site=SiteId.parse(site), value=lambda x: x + added.to(x))
    return model.run(ids, edits=[edit]).logits.float()


def activations_of(codes: Codes, feature: int, windows: Sequence[int], length: int) -> Float[Tensor, "B C"]:
    """A feature's activations in some windows of `length` positions, the first position 0."""
    own = codes.columns == feature
    flat = codes.values.new_zeros(codes.n_rows)
    flat[codes.rows[own]] = codes.values[own]
    rows = flat.view(-1, length - 1)[list(windows)]
    return torch.cat([rows.new_zeros(len(rows), 1), rows], dim=1)


def strongest_windows(codes: Codes, feature: int, length: int, n: int) -> list[int]:
    """The windows in which a feature is strongest, by its largest activation."""
    own = codes.columns == feature
    order = codes.rows[own][codes.values[own].argsort(descending=True, stable=True)]
    return list(dict.fromkeys((order // (length - 1)).tolist()))[:n]


@torch.no_grad()
def effect_of(
    pair: Pair, dictionary: Dictionary, seen: Survey, feature: int, control: int, site: str, n_windows: int
) -> Effect:
    """The mean effect on the next token, over the tokens where it fires in its strongest windows."""
    length = seen.ids.shape[1]
    windows = strongest_windows(seen.codes, feature, length, n_windows)
    ids, f = seen.ids[windows], activations_of(seen.codes, feature, windows, length)
    turn, here = turn_of(dictionary, feature, control), f > 0
    owner, base = pair if turn.a_owns else reversed(pair)
    plain, plain_base = (model.run(ids).logits.float() for model in (owner, base))
    off, off_control = (moved(owner, ids, site, f[..., None] * way) for way in (turn.off, turn.off_control))
    on, on_control = (moved(base, ids, site, f[..., None] * way) for way in (turn.on, turn.on_control))
    kl = kl_at(plain_base, plain, here)
    return Effect(
        tokens=int(here.sum()),
        kl=kl,
        off=kl_at(plain, off, here),
        off_control=kl_at(plain, off_control, here),
        on=kl_at(plain_base, on, here),
        on_control=kl_at(plain_base, on_control, here),
        undone=_undone(kl, kl_at(plain_base, off, here)),
        undone_control=_undone(kl, kl_at(plain_base, off_control, here)),
        control=control,
    )


def _undone(kl: float, left: float) -> float | None:
    """The share of a difference that is gone; None where there is hardly any."""
    return 1 - left / kl if kl >= _SMALLEST else None


def kl_at(p: Float[Tensor, "B C V"], q: Float[Tensor, "B C V"], here: Tensor) -> float:
    """Mean KL(p ‖ q) of logits, nats, at these positions."""
    of_p, of_q = p[here].log_softmax(-1), q[here].to(p).log_softmax(-1)
    return float((of_p.exp() * (of_p - of_q)).sum(-1).mean())


def control_for(feature: int, fired: Int[Tensor, " F"], shared: Sequence[int]) -> int:
    """The shared feature that fires about as often."""
    rates = fired[list(shared)].double().clamp(min=0.5).log()
    return int(shared[int((rates - float(fired[feature].double().clamp(min=0.5).log())).abs().argmin())])
