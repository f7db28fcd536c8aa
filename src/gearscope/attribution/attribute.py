"""The recipe: prompt, basis and targets in, attribution graph out.

1. expand    sweeps from the top layer down find which features matter (expand.py)
2. connect   the rows of targets and expanded features, now only with expanded features as sources (matrix.py)
3. assemble  nodes in the graph room's order; what a row owes to features without a node is its `rest`
"""

from collections.abc import Sequence

import numpy as np
import torch

from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.expand import Expansion, Progress, expand
from gearscope.attribution.matrix import connect
from gearscope.attribution.rows import RowMaker
from gearscope.attribution.sources import source_nodes
from gearscope.attribution.targets import Target, aims
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Replacement


def attribute(
    prompt: FrozenPrompt,
    replacement: Replacement,
    targets: Sequence[Target],
    config: AttributionConfig,
    *,
    tokens: Sequence[str],
    text: str,
    model: str,
    basis: str,
    progress: Progress | None = None,
) -> AttributionGraph:
    """Trace `targets` through one prompt in one basis. The graph is unpruned and has its scores."""
    with torch.inference_mode():
        weights = torch.tensor([target.weight for target in targets], dtype=torch.float64)
        maker = RowMaker(prompt=prompt, replacement=replacement)
        expansion = expand(
            maker,
            aims(targets),
            weights,
            coverage=config.coverage,
            max_features=config.max_features,
            progress=progress,
        )
        active = replacement.active.take(expansion.expanded)
        nodes = Nodes.join(source_nodes(prompt, replacement, active), _target_nodes(targets))
        adjacency = connect(maker, expansion, nodes.layout)
    total, magnitude = _row_totals(expansion, nodes)
    kept_sum = np.asarray(adjacency.sum(axis=1, dtype=np.float64))
    kept_abs = np.asarray(abs(adjacency).sum(axis=1, dtype=np.float64))
    complete = len(expansion.expanded) == len(replacement.active)
    graph = AttributionGraph(
        nodes=nodes,
        adjacency=adjacency,
        rest_sum=np.zeros_like(total) if complete else total - kept_sum,
        rest_abs=np.zeros_like(total) if complete else np.maximum(magnitude - kept_abs, 0.0),
        prompt=text,
        tokens=tuple(tokens),
        model=model,
        basis=basis,
        details={
            "attribution": config.model_dump(mode="json"),
            "active_features": len(replacement.active),
            "expanded_features": len(expansion.expanded),
        },
    )
    return graph.with_scores()


def _row_totals(expansion: Expansion, nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """Signed and absolute sums of whole rows, for every node (0 where there is no row)."""
    total, magnitude = np.zeros(len(nodes)), np.zeros(len(nodes))
    features, targets = nodes.layout.features, nodes.layout.targets
    total[features] = expansion.row_sum[expansion.expanded].numpy()
    magnitude[features] = expansion.row_abs[expansion.expanded].numpy()
    total[targets], magnitude[targets] = expansion.target_sum.numpy(), expansion.target_abs.numpy()
    return total, magnitude


def _target_nodes(targets: Sequence[Target]) -> Nodes:
    number = np.array([t.token_id if t.token_id >= 0 else -2 - i for i, t in enumerate(targets)])
    return Nodes.of(
        NodeKind.TARGET,
        layer=[t.layer for t in targets],
        position=[t.position for t in targets],
        index=[t.token_id for t in targets],
        probability=[t.probability for t in targets],
        value=[t.value for t in targets],
        weight=[t.weight for t in targets],
        labels=[t.label for t in targets],
        ids=[f"{t.layer + 1}_{n}_{t.position}" for t, n in zip(targets, number.tolist(), strict=True)],
    )
