"""The recipe: prompt, basis and targets in, attribution graph out.

1. expand    one or two sweeps find which features matter (expand.py)
2. connect   the rows of targets and expanded features, now only with expanded features as sources
3. assemble  nodes in the graph room's order; what a row owes to features without a node is its `rest`
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.sparse import csr_array, vstack

from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.expand import Expansion, Progress, expand, feature_aims
from gearscope.attribution.rows import Columns, RowMaker
from gearscope.attribution.targets import Target, aims
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Active, Replacement


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
        expansion = expand(
            RowMaker(prompt=prompt, replacement=replacement),
            aims(targets),
            weights,
            coverage=config.coverage,
            max_features=config.max_features,
            progress=progress,
        )
        maker = RowMaker(prompt=prompt, replacement=replacement.take(expansion.expanded))
        nodes = _nodes(prompt, maker, targets)
        adjacency = _adjacency(maker, targets, nodes, expansion)
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


def _nodes(prompt: FrozenPrompt, maker: RowMaker, targets: Sequence[Target]) -> Nodes:
    """The nodes of the graph, in the graph room's order."""
    active: Active = maker.replacement.active
    L, P, first = prompt.n_layers, prompt.n_positions, prompt.n_constant_positions
    layers, live = np.arange(L), np.arange(first, P)
    has_error = maker.replacement.error is not None
    own = "MLP and SAE bias" if maker.replacement.writes_at == "resid_post" else "MLP bias"
    bias_names = [f"attention bias, layer {i}" for i in layers] + [f"{own}, layer {i}" for i in layers]
    return Nodes.join(
        Nodes.of(
            NodeKind.FEATURE,
            layer=active.layer.numpy(),
            position=active.position.numpy(),
            index=active.index.numpy(),
            activation=active.activation.numpy(),
            value=active.value.numpy(),
        ),
        Nodes.of(
            NodeKind.ERROR,
            layer=np.repeat(layers, len(live)) if has_error else np.empty(0, int),
            position=np.tile(live, L) if has_error else np.empty(0, int),
        ),
        Nodes.of(NodeKind.TOKEN, position=np.arange(P), index=prompt.token_ids.numpy()),
        Nodes.of(NodeKind.POSITION, position=np.arange(P if prompt.position_embed is not None else 0)),
        Nodes.of(NodeKind.FIRST, layer=np.repeat(layers, first), position=np.tile(np.arange(first), L)),
        Nodes.of(NodeKind.BIAS, layer=np.append(np.tile(layers, 2), -1), labels=[*bias_names, "read bias"]),
        _target_nodes(targets),
    )


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


def _adjacency(maker: RowMaker, targets: Sequence[Target], nodes: Nodes, expansion: Expansion) -> csr_array:
    """Rows of all features and targets over the sources of the graph; other rows are empty."""
    order = _source_order(maker.columns, maker.prompt)
    n_features, N = nodes.layout.features.stop, len(nodes)
    blocks = [_sparse(block, order, n_features, N) for block in _feature_blocks(maker, expansion)]
    blocks.append(csr_array((nodes.layout.targets.start - n_features, N), dtype=np.float32))
    for aim in aims(targets):
        blocks.extend(_sparse(block.numpy(), order, n_features, N) for _, block in maker.rows(aim))
    return csr_array(vstack(blocks, format="csr"))


def _feature_blocks(maker: RowMaker, expansion: Expansion) -> Iterator[np.ndarray]:
    """The rows of all expanded features, with only those as sources: the kept ones, or made again."""
    n_leaves, expanded = maker.columns.n_leaves, expansion.expanded
    for rows in expansion.rows or ():
        block = rows.entries
        below = expanded[: int((expanded < block.shape[1] - n_leaves).sum())]
        yield torch.cat([block[:, :n_leaves], block[:, n_leaves:][:, below]], 1).numpy()
    if expansion.rows is None:
        for aim, _ in feature_aims(maker, torch.arange(len(maker.replacement.active))):
            yield from (block.numpy() for _, block in maker.rows(aim))


def _source_order(columns: Columns, prompt: FrozenPrompt) -> np.ndarray:
    """For every leaf column of a row, its place after the features in the graph; -1 for columns without a node."""
    order = np.full(columns.n_leaves, -1)
    errors = np.arange(columns.errors.start, columns.errors.stop).reshape(-1, prompt.n_positions)
    kept = errors[:, prompt.n_constant_positions :].ravel()
    order[kept] = np.arange(len(kept))
    order[columns.tokens.start :] = len(kept) + np.arange(columns.n_leaves - columns.tokens.start)
    return order


def _sparse(block: np.ndarray, order: np.ndarray, n_features: int, n_nodes: int) -> csr_array:
    """A dense block of rows (leaves, then a prefix of the features) as sparse rows over the graph's nodes."""
    n_leaves = len(order)
    here = order >= 0
    leaves, seen = block[:, :n_leaves][:, here], block[:, n_leaves:]
    columns = np.concatenate([np.arange(seen.shape[1]), n_features + order[here]])
    data = np.concatenate([seen, leaves], axis=1)
    rows, at = np.nonzero(data)
    return csr_array((data[rows, at], (rows, columns[at])), shape=(len(block), n_nodes))
