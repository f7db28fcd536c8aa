"""The recipe: prompt, basis and targets in, attribution graph out.

1. expand    sweeps from the top layer down find which features matter (expand.py)
2. connect   the rows of targets and expanded features, now only with expanded features as sources (matrix.py)
3. assemble  nodes in the graph room's order; what a row owes to features without a node is its `rest`
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.expand import Expansion, Progress, expand
from gearscope.attribution.kept import StrongRows
from gearscope.attribution.matrix import connect, leaf_nodes
from gearscope.attribution.memory import require_rows
from gearscope.attribution.rows import RowMaker
from gearscope.attribution.sources import source_nodes
from gearscope.attribution.targets import Target, aims
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.influence import row_mass, row_sum
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.graph.scores import Reached
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Replacement

TOLERANCE = 1e-4
"""Share of a row's absolute sum below which entries of long prompts are not stored."""

_WHOLE_ENTRIES = 2**30
"""Rows times active features up to which every entry is stored."""


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
    """Trace `targets` through one prompt in one basis. The graph is unpruned and has its scores.

    Raises PromptError when its rows will not fit into memory.
    """
    with torch.inference_mode():
        weights = torch.tensor([target.weight for target in targets], dtype=torch.float64)
        maker = RowMaker(prompt=prompt, replacement=replacement)
        tolerance = resolved_tolerance(config, len(replacement.active))
        expansion = expand(
            maker,
            aims(targets),
            weights,
            coverage=config.coverage,
            max_features=config.max_features,
            tolerance=tolerance,
            check=partial(require_rows, maker, config=config, tolerance=tolerance),
            progress=progress,
        )
        active = replacement.active.take(expansion.expanded)
        nodes = Nodes.join(source_nodes(prompt, replacement, active), _target_nodes(targets))
        unstored = _unstored(expansion)
        adjacency = connect(maker, expansion, nodes.layout)
    total, magnitude = _row_totals(expansion, nodes)
    kept_sum, kept_abs = (of(adjacency, np.zeros(len(nodes))) for of in (row_sum, row_mass))
    complete = len(expansion.expanded) == len(replacement.active) and not tolerance
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
            "attribution": config.model_dump(mode="json") | {"tolerance": tolerance},
            "active_features": len(replacement.active),
            "expanded_features": len(expansion.expanded),
            **unstored,
        },
    )
    scale = float(weights.sum())
    whole, bare = (_reached(maker, expansion, nodes, which, scale) for which in (0, 1))
    return graph.with_scores((whole, bare))


def resolved_tolerance(config: AttributionConfig, n_active: int) -> float:
    """The tolerance of the settings, or one by how much whole rows of this many active features could take."""
    if config.tolerance is not None:
        return config.tolerance
    rows = n_active if config.max_features is None else min(config.max_features, n_active)
    return 0.0 if rows * n_active <= _WHOLE_ENTRIES else TOLERANCE


def _reached(maker: RowMaker, expansion: Expansion, nodes: Nodes, which: int, scale: float) -> Reached:
    """The influence of all nodes by whole rows, and what of it ends in features without a node."""
    layout, first = nodes.layout, maker.prompt.n_constant_positions
    features, leaves = (part[which].numpy() * scale for part in expansion.reached)
    influence = np.zeros(len(nodes))
    influence[layout.features] = features[expansion.expanded.numpy()]
    node = leaf_nodes(maker.leaves, layout, maker.prompt.n_positions, first)
    influence[node[node >= 0]] = leaves[node >= 0]
    features[expansion.expanded.numpy()] = 0
    longest = maker.replacement.active.layer.cpu().numpy() + 2
    return Reached(influence, float(features.sum()), float(features @ longest))


def _unstored(expansion: Expansion) -> dict[str, float]:
    """How much of what rows receive, weighted by their influence, lies in entries that were too small to be kept."""
    lost = reached = 0.0
    for block in (block for blocks in expansion.store.kept for block in blocks):
        if isinstance(block, StrongRows):
            arriving = expansion.influence[block.features]
            lost += float(arriving @ block.left_out())
            reached += float(arriving.sum())
    return {"unstored": lost / reached} if reached else {}


def _row_totals(expansion: Expansion, nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """Signed and absolute sums of whole rows, for every node (0 where there is no row)."""
    total, magnitude = np.zeros(len(nodes)), np.zeros(len(nodes))
    features, targets = nodes.layout.features, nodes.layout.targets
    total[features] = expansion.sums.signed[expansion.expanded].numpy()
    magnitude[features] = expansion.sums.mass[expansion.expanded].numpy()
    for block in expansion.targets:
        here = targets.start + block.features.numpy()
        total[here], magnitude[here] = block.sums.signed.numpy(), block.sums.masses[0].numpy()
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
