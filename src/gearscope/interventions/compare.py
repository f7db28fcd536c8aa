"""Predicted beside measured beside control: rows per watched node and per token, and how well they agree.

The rows of a batch are the unedited run, the edited one, and the controls. Knows nothing about how they were made.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind
from gearscope.interventions.agreement import divergence, sign_agreement, spearman
from gearscope.interventions.measure import Measured
from gearscope.interventions.response import Response
from gearscope.interventions.result import Agreement, NodeRow, TokenRow
from gearscope.interventions.scene import Scene
from gearscope.interventions.watch import Levels, Watched

_LIKELY = 5
"""So many likely tokens before the edits, and after them, are shown besides the graph's targets."""


class _Moved(NamedTuple):
    """Measured and control changes of one column of rows, the batch's rows being unedited, edited, controls."""

    measured: list[float]
    control: list[float]
    control_std: list[float]

    @classmethod
    def of(cls, column: Float[Tensor, "B N"]) -> "_Moved":
        moved = (column - column[0])[1:].double()
        draws = moved[1:] if len(moved) > 1 else torch.zeros_like(moved)
        mean = draws.mean(0)
        spread = ((draws - mean).square().sum(0) / max(1, len(draws) - 1)).sqrt()
        return cls(moved[0].tolist(), mean.tolist(), spread.tolist())


def node_rows(scene: Scene, watched: Watched, found: Levels, response: Response) -> tuple[NodeRow, ...]:
    """One row per watched feature, in their order."""
    effect = _Moved.of(found.value)
    predicted, before = response.value[watched.active].tolist(), found.value[0].tolist()
    activation = found.activation[:2].tolist()
    return tuple(
        NodeRow(
            node_id=scene.graph.nodes.ids[node],
            name=watched.name(i),
            layer=int(watched.layer[i]),
            position=int(watched.position[i]),
            before=before[i],
            activation_before=activation[0][i],
            activation_after=activation[1][i],
            predicted=predicted[i],
            measured=effect.measured[i],
            control=effect.control[i],
            control_std=effect.control_std[i],
        )
        for i, node in enumerate(watched.node.tolist())
    )


def target_tokens(graph: AttributionGraph, n_layers: int) -> tuple[dict[int, str], int]:
    """The graph's target tokens with their node ids, and the position that it explains; else the last one."""
    nodes, targets = graph.nodes, graph.layout.targets
    ids = {
        int(nodes.index[i]): nodes.ids[i]
        for i in range(targets.start, targets.stop)
        if nodes.kind[i] == NodeKind.TARGET and nodes.index[i] >= 0 and np.isfinite(nodes.probability[i])
    }
    final = range(targets.start, targets.stop)
    positions = [int(nodes.position[i]) for i in final if nodes.layer[i] == n_layers]
    return ids, positions[0] if positions else len(graph.tokens) - 1


def token_rows(
    scene: Scene, measured: Measured, response: Response
) -> tuple[tuple[TokenRow, ...], Float[Tensor, "B N"]]:
    """Rows of the targets and of likely tokens, and their logits in every run of the batch."""
    prompt = scene.prompt
    targets, position = target_tokens(scene.graph, prompt.n_layers)
    shares = measured.logits[:, position].double().softmax(-1)
    likely = [shares[row].topk(min(_LIKELY, shares.shape[1])).indices.tolist() for row in (0, 1)]
    tokens = list(dict.fromkeys([*targets, *likely[0], *likely[1]]))
    at = torch.tensor(tokens)
    read = prompt.W_U[at] - prompt.W_U.mean(0)
    constant = 0.0 if prompt.b_U is None else prompt.b_U[at] - prompt.b_U.mean()
    logits = measured.final_in[:, position] @ read.T + constant
    effect, predicted = _Moved.of(logits), (read @ response.final_in[position]).tolist()
    names = scene.model.token_names()
    rows = tuple(
        TokenRow(
            token=names[token],
            token_id=token,
            node_id=targets.get(token),
            position=position,
            probability_before=float(shares[0, token]),
            probability_after=float(shares[1, token]),
            logit_before=float(logits[0, i]),
            predicted=predicted[i],
            measured=effect.measured[i],
            control=effect.control[i],
            control_std=effect.control_std[i],
        )
        for i, token in enumerate(tokens)
    )
    return rows, logits


def agreement(
    found: Levels,
    measured: Measured,
    logits: Float[Tensor, "B N"],
    nodes: Sequence[NodeRow],
    tokens: Sequence[TokenRow],
) -> Agreement:
    """Over all rows, with the logits of the tokens in every run of the batch."""
    predicted = np.array([row.predicted for row in (*nodes, *tokens)])
    whole = torch.cat([found.value, logits], dim=1).double()
    changed = (whole - whole[0])[1:].cpu().numpy()
    draws = changed[1:]
    ranks = [rank for rank in (spearman(predicted, draw) for draw in draws) if rank is not None]
    kl = divergence(measured.logits[0, tokens[0].position], measured.logits[1:, tokens[0].position])
    others = kl[1:] if len(kl) > 1 else kl.new_zeros(1)
    return Agreement(
        rows=len(predicted),
        spearman=spearman(predicted, changed[0]),
        spearman_control=float(np.mean(ranks)) if ranks else None,
        size=float(np.abs(changed[0]).mean()),
        size_control=float(np.abs(draws).mean()) if len(draws) else 0.0,
        sign_agreement=sign_agreement(predicted, changed[0]),
        kl=float(kl[0]),
        kl_control=float(others.mean()),
        kl_control_std=float(others.std(correction=int(len(others) > 1))),
    )
