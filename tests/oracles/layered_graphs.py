"""Random circuits, and scores by textbook formulas on dense matrices: nothing here uses the code under test
beyond its data types."""

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_array

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind, Nodes


def layered_graph(seed: int, *, n_layers: int = 3, n_features: int = 12, density: float = 0.5, dtype=np.float32):
    """A random circuit whose features receive from lower layers, errors, tokens and constants; rows sum to values."""
    rng = np.random.default_rng(seed)
    n_pos = 3
    layer = np.sort(rng.integers(0, n_layers, n_features))
    blocks = [
        Nodes.of(
            NodeKind.FEATURE,
            layer=layer,
            position=rng.integers(0, n_pos, n_features),
            index=np.arange(n_features),
            activation=rng.random(n_features),
            value=np.zeros(n_features),
            labels=[f"f{i}" for i in range(n_features)],
        ),
        Nodes.of(NodeKind.ERROR, layer=np.repeat(np.arange(n_layers), 2), position=np.tile([1, 2], n_layers)),
        Nodes.of(NodeKind.TOKEN, position=np.arange(n_pos), index=np.array([7, 8, 9]), labels=["a", "b", "c"]),
        Nodes.of(NodeKind.POSITION, position=np.arange(n_pos)),
        Nodes.of(NodeKind.FIRST, layer=np.arange(n_layers), position=0),
        Nodes.of(NodeKind.BIAS, layer=np.arange(n_layers), labels=[f"MLP bias, layer {i}" for i in range(n_layers)]),
        Nodes.of(
            NodeKind.TARGET,
            layer=n_layers,
            position=n_pos - 1,
            index=np.array([4, 5]),
            probability=np.array([0.6, 0.3]),
            weight=np.array([0.6, 0.3]),
            value=np.zeros(2),
            labels=["x", "y"],
        ),
    ]
    nodes = Nodes.join(*blocks)
    depth = np.where(nodes.kind == "feature", nodes.layer, np.where(nodes.kind == "target", n_layers, -1))
    dense = rng.standard_normal((len(nodes), len(nodes))) * (rng.random((len(nodes), len(nodes))) < density)
    dense = np.where(depth[:, None] > depth[None, :], dense, 0).astype(dtype)
    sums = dense.astype(np.float64).sum(1)
    columns = {name: getattr(nodes, name) for name in Nodes.__dataclass_fields__}
    nodes = Nodes(**{**columns, "value": np.where(depth >= 0, sums, np.nan)})
    nothing = np.zeros(len(nodes))
    return AttributionGraph(
        nodes=nodes,
        adjacency=csr_array(dense),
        rest_sum=nothing,
        rest_abs=nothing.copy(),
        prompt="a b c",
        tokens=("a", "b", "c"),
        model="a model",
        basis="neurons",
    )


def capped(graph: AttributionGraph, removed: np.ndarray) -> AttributionGraph:
    """The same circuit with these features left unexpanded: no rows, no columns, their entries in the rest."""
    keep = np.setdiff1d(np.arange(len(graph.nodes)), removed)
    dense = graph.adjacency.toarray()
    lost = dense[np.ix_(keep, removed)].astype(np.float64)
    return AttributionGraph(
        nodes=graph.nodes.take(keep),
        adjacency=csr_array(dense[np.ix_(keep, keep)]),
        rest_sum=lost.sum(1),
        rest_abs=np.abs(lost).sum(1),
        prompt=graph.prompt,
        tokens=graph.tokens,
        model=graph.model,
        basis=graph.basis,
    )


def dense_influence(graph: AttributionGraph, dense: np.ndarray | None = None, signed: bool = False) -> np.ndarray:
    """w ((I - Â)⁻¹ - I) by an explicit inverse; rows are divided by the sum of `dense`'s absolute entries."""
    dense = graph.adjacency.toarray() if dense is None else dense
    dense = dense.astype(np.float64)
    mass = np.abs(dense).sum(1) + graph.rest_abs
    normal = (dense if signed else np.abs(dense)) / np.where(mass > 0, mass, 1)[:, None]
    identity = np.eye(len(dense))
    return np.nan_to_num(graph.nodes.weight) @ (np.linalg.inv(identity - normal) - identity)


def published_scores(graph: AttributionGraph, form: str) -> tuple[float, float]:
    """Replacement and completeness as their papers define them, on dense matrices."""
    kind = graph.nodes.kind
    constant = np.isin(kind, ["position", "first", "bias"])
    dense = np.abs(graph.adjacency.toarray().astype(np.float64))
    if form == "without_constants":
        dense[:, constant] = 0
    influence = dense_influence(graph, dense)
    mass = dense.sum(1)
    normal = dense / np.where(mass > 0, mass, 1)[:, None]
    bad = (kind == "error") | (constant & (form == "constants_unexplained"))
    reach, miss = influence[kind == "token"].sum(), influence[bad].sum()
    arriving = influence + np.nan_to_num(graph.nodes.weight)
    completeness = ((1 - normal[:, bad].sum(1)) * arriving).sum() / arriving.sum()
    return (float(reach / (reach + miss)) if reach + miss > 0 else 0.0), float(completeness)


def plans():
    """A hypothesis strategy for the arguments of `layered_graph`: circuits of different depth and density."""
    return st.fixed_dictionaries(
        {
            "seed": st.integers(0, 10**6),
            "n_layers": st.integers(1, 5),
            "n_features": st.integers(1, 16),
            "density": st.sampled_from([0.1, 0.4, 0.9]),
            "dtype": st.sampled_from([np.float32, np.float64]),
        }
    )
