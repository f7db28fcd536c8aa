"""The recipe of a redundancy sweep: growing shares of a circuit's features held at 0, in several orders.

Everything else is live, so what survives is what the model can do without these features, by whatever way. Features go
by their influence in the graph, at random (`draws` times), and at random among active features that the graph does not
have, as many: what their loss costs is what any loss of that size costs. Knows nothing about files.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.errors import ConfigError, GraphError
from gearscope.ids import FeatureAt
from gearscope.interventions.agreement import divergence
from gearscope.interventions.compare import target_tokens
from gearscope.interventions.knocked_out import knock_out
from gearscope.interventions.scene import Scene
from gearscope.interventions.survival import Line, Order, Point, Survival
from gearscope.interventions.watch import watch

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_ROWS = 64
"""Rows of one batch; without effect on results but for the last bits."""


def sweep(scene: Scene, *, draws: int = 5, seed: int = 0, shares: Sequence[float] = SHARES) -> Survival:
    """Hold growing shares at 0. Raises GraphError for a graph without features or without a token that it explains."""
    if draws < 1 or not all(0 <= share <= 1 for share in shares):
        raise ConfigError("at least one draw, and shares from 0 to 1, were expected", found=f"{draws} and {shares}")
    with torch.inference_mode():
        watched = watch(scene.graph, scene.replacement.active)
        tokens, position = target_tokens(scene.graph, scene.prompt.n_layers)
        if not len(watched.node) or not tokens:
            found = "none" if tokens else "a graph that explains no token"
            raise GraphError("a graph with features, of a token, was expected", found=found)
        features, orders = _orders(scene, watched.node, watched.active, draws, seed)
        counts = [round(share * len(watched.node)) for share in shares]
        out = _rows_of(orders, counts, len(features))
        logits = _run(scene, features, out, position)
    answer = max(tokens, key=lambda token: float(scene.prompt.logits[position, token]))
    probability = logits.double().softmax(-1)[:, answer].cpu().numpy()
    demeaned = (logits[:, answer] - logits.mean(-1)).double().cpu().numpy()
    kl = divergence(scene.prompt.logits[position], logits).cpu().numpy()
    columns = np.stack([probability, demeaned, kl])
    return Survival(
        model=scene.graph.model,
        basis=scene.graph.basis,
        prompt=scene.graph.prompt,
        answer=scene.model.token_names()[answer],
        features=len(watched.node),
        seed=seed,
        lines=_lines(columns, [order for order, _ in orders], shares, counts),
    )


def _orders(
    scene: Scene, node: Int[Tensor, " W"], number: Int[Tensor, " W"], draws: int, seed: int
) -> tuple[list[FeatureAt], list[tuple[Order, list[int]]]]:
    """All features that are knocked out in some order, and the orders, as numbers into them."""
    graph, active = scene.graph, scene.replacement.active
    influence = graph.influence if graph.influence is not None else graph.node_influence()
    ours = number[torch.from_numpy(influence[node.numpy()].copy()).argsort(descending=True, stable=True)]
    rest = torch.ones(len(active), dtype=torch.bool)
    rest[ours] = False
    others = rest.nonzero()[:, 0]
    generator = torch.Generator().manual_seed(seed)
    orders: list[tuple[Order, list[int]]] = [("influence", ours.tolist())]
    orders += [("random", ours[torch.randperm(len(ours), generator=generator)].tolist()) for _ in range(draws)]
    if len(others) >= len(ours):
        drawn = (others[torch.randperm(len(others), generator=generator)[: len(ours)]] for _ in range(draws))
        orders += [("outside", some.tolist()) for some in drawn]
    used = sorted({one for _, order in orders for one in order})
    place = {one: i for i, one in enumerate(used)}
    return active.places(used), [(kind, [place[one] for one in order]) for kind, order in orders]


def _rows_of(orders: Sequence[tuple[Order, list[int]]], counts: Sequence[int], width: int) -> Bool[Tensor, "B K"]:
    out = torch.zeros(len(orders) * len(counts), width, dtype=torch.bool)
    for row, (order, count) in enumerate((order, count) for _, order in orders for count in counts):
        out[row, order[:count]] = True
    return out


def _run(scene: Scene, features: Sequence[FeatureAt], out: Bool[Tensor, "B K"], position: int) -> Float[Tensor, "B V"]:
    found = []
    for rows in out.split(_ROWS):
        ids = scene.prompt.token_ids.expand(len(rows), -1)
        found.append(scene.model.run(ids, edits=knock_out(scene, features, rows)).logits[:, position])
    return torch.cat(found)


def _lines(
    columns: Float[np.ndarray, "3 B"], orders: Sequence[Order], shares: Sequence[float], counts: Sequence[int]
) -> tuple[Line, ...]:
    by_order = columns.reshape(3, len(orders), len(counts))
    lines = []
    for kind in dict.fromkeys(orders):
        mine = by_order[:, [i for i, order in enumerate(orders) if order == kind]]
        mean, std = mine.mean(1), mine.std(1, ddof=int(mine.shape[1] > 1))
        points = [
            Point(
                share=float(share),
                count=count,
                **dict(zip(("probability", "logit", "kl"), mean[:, i].tolist(), strict=True)),
                **dict(zip(("probability_std", "logit_std", "kl_std"), std[:, i].tolist(), strict=True)),
            )
            for i, (share, count) in enumerate(zip(shares, counts, strict=True))
        ]
        lines.append(Line(order=kind, draws=mine.shape[1], points=tuple(points)))
    return tuple(lines)
