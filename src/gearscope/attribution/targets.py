"""What is explained: a vector read at one place of the frozen model, with the value its row must sum to.

    logit of token y     W_U[y] − mean_y' W_U[y']            after the final norm: the *demeaned* logit, uncapped
    difference y − y'    W_U[y] − W_U[y']                    likewise
    feature              what the feature reads              where its basis reads in its layer
    probe                any direction                       at a residual site or MLP input

Salient logits are the fewest tokens that hold 95 % of the probability, at most ten (Ameisen et al. 2025), and weigh as
much as their probability. Any other target weighs 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.attribution.rows import Aim, Entry
from gearscope.errors import TargetError
from gearscope.ids import FeatureAt, SiteId
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Replacement


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing to explain."""

    label: str
    entry: Entry
    layer: int
    position: int
    vector: Float[Tensor, " D"]
    constant: float
    """The part of the value that does not come from the place that is read: an unembedding or encoder bias."""
    value: float
    """What the row sums to."""
    weight: float = 1.0
    token_id: int = -1
    probability: float = float("nan")
    feature: FeatureAt | None = None


def salient_logits(
    prompt: FrozenPrompt, *, position: int, probability: float, most: int, names: Callable[[int], str] = str
) -> list[Target]:
    """The fewest tokens after `position` that together hold `probability`, at most `most`. `names` labels tokens."""
    _position(prompt, position)
    share, ids = prompt.logits[position].softmax(-1).topk(min(most, prompt.W_U.shape[0]))
    enough = int((share.double().cumsum(0) < probability).sum()) + 1
    return logits(prompt, ids[:enough].tolist(), position=position, names=names)


def logits(
    prompt: FrozenPrompt, token_ids: Sequence[int], *, position: int, names: Callable[[int], str] = str
) -> list[Target]:
    """Chosen tokens after `position`, each weighing its probability."""
    _check(prompt, token_ids, position)
    shares = prompt.logits[position].softmax(-1)
    mean = prompt.W_U.mean(0)
    b_U = prompt.b_U
    targets = []
    for token in token_ids:
        constant = 0.0 if b_U is None else float(b_U[token] - b_U.mean())
        share = float(shares[token])
        vector = prompt.W_U[token] - mean
        targets.append(_final(prompt, position, vector, constant, names(token), token_id=token, share=share))
    return targets


def logit_difference(
    prompt: FrozenPrompt, token: int, against: int, *, position: int, names: Callable[[int], str] = str
) -> list[Target]:
    """How much higher the logit of one token is than that of another."""
    _check(prompt, (token, against), position)
    if token == against:
        raise TargetError("two different tokens were expected", found=f"{names(token)!r} twice")
    constant = 0.0 if prompt.b_U is None else float(prompt.b_U[token] - prompt.b_U[against])
    label = f"{names(token)} minus {names(against)}"
    return [_final(prompt, position, prompt.W_U[token] - prompt.W_U[against], constant, label)]


def feature_target(replacement: Replacement, feature: FeatureAt) -> list[Target]:
    """A feature that is active on the prompt. Raises TargetError when it is not."""
    number = replacement.active.find(feature)
    read = replacement.read(torch.tensor([number], device=replacement.active.index.device))
    return [
        Target(
            label=f"feature {feature}",
            entry=replacement.reads_at,
            layer=feature.layer,
            position=feature.position,
            vector=read.vectors[0],
            constant=float(read.constant[0]),
            value=float(replacement.active.value[number]),
            feature=feature,
        )
    ]


_PROBE_SITES: dict[str, Entry] = {
    "resid_pre": "resid_pre",
    "resid_mid": "resid_mid",
    "resid_post": "resid_pre",
    "mlp_in": "mlp_in",
    "final_in": "final_in",
}


def probe_target(
    prompt: FrozenPrompt, direction: Float[Tensor, "..."], site: SiteId, reading: Float[Tensor, " D"], *, position: int
) -> list[Target]:
    """A direction read at `site` and `position`; `reading` is the activation there, which gives the value."""
    entry = _PROBE_SITES.get(site.name)
    if entry is None:
        raise TargetError(f"a probe at one of {', '.join(_PROBE_SITES)} was expected", found=str(site))
    if entry == "resid_mid" and site.layer is not None and prompt.blocks[site.layer].parallel:
        expected = "a probe at another site was expected: MLP and attention are parallel in this model"
        raise TargetError(expected, found=str(site))
    if direction.shape != (prompt.d_model,):
        found = f"one of shape {tuple(direction.shape)}"
        raise TargetError(f"a probe direction of width {prompt.d_model} was expected", found=found)
    if not bool(direction.isfinite().all()):
        raise TargetError("a finite probe direction was expected", found="NaN or infinity")
    layer = prompt.n_layers if site.layer is None else site.layer + (site.name == "resid_post")
    return [
        Target(
            label=f"probe at {site}",
            entry=entry,
            layer=layer,
            position=_position(prompt, position),
            vector=direction,
            constant=0.0,
            value=float(direction @ reading),
        )
    ]


def aims(targets: Sequence[Target]) -> list[Aim]:
    """The targets, in their order, with neighbours that are read at one place put together."""
    groups: list[list[Target]] = []
    for target in targets:
        last = groups[-1][-1] if groups else None
        same = last is not None and _place(last) == _place(target)
        groups[-1].append(target) if same else groups.append([target])
    return [
        Aim(
            group[0].entry,
            group[0].layer,
            torch.full((len(group),), group[0].position),
            torch.stack([t.vector for t in group]),
            group[0].vector.new_tensor([t.constant for t in group]),
        )
        for group in groups
    ]


def _place(target: Target) -> tuple[Entry, int, int]:
    return target.entry, target.layer, target.position


def _final(
    prompt: FrozenPrompt,
    position: int,
    vector: Float[Tensor, " D"],
    constant: float,
    label: str,
    *,
    token_id: int = -1,
    share: float | None = None,
) -> Target:
    position = _position(prompt, position)
    return Target(
        label=label,
        entry="final_in",
        layer=prompt.n_layers,
        position=position,
        vector=vector,
        constant=constant,
        value=float(vector @ prompt.final_in[position]) + constant,
        weight=1.0 if share is None else share,
        token_id=token_id,
        probability=float("nan") if share is None else share,
    )


def _position(prompt: FrozenPrompt, position: int) -> int:
    P = prompt.n_positions
    if not -P <= position < P:
        raise TargetError(
            f"a position from 0 to {P - 1} was expected (negative ones count from the end)", found=str(position)
        )
    return position % P


def _check(prompt: FrozenPrompt, token_ids: Sequence[int], position: int) -> None:
    _position(prompt, position)
    V = prompt.W_U.shape[0]
    bad = [token for token in token_ids if not 0 <= token < V]
    if bad or not token_ids:
        raise TargetError(f"target tokens from 0 to {V - 1} were expected", found=", ".join(map(str, bad)) or "none")
