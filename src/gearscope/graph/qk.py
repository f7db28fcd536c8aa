"""Why an attention head looks where it does, as data: a score as a sum over pairs of nodes, and its place in files.

    score(q, k) = Σ_ij pair(i, j)        i what the query is made of, j what the key is made of
    with `against`: score(q, k) − score(q, against), likewise

    details["qk"]             in our own graphs: every result, whole
    `{layer}_lor_{head}_{query}` among the nodes, with `qk_tracing_results`, and `qk_only_nodes` for what is not in the
                              circuit: where the public viewers look for them (one result per head and query: the key
                              that gets most weight)

Kamath et al. 2025, "Tracing attention computation through feature interactions". Knows nothing about how the pairs are
found; what is damaged in a file is as if it were not there.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import CONSTANT_KINDS, NodeKind, Nodes

KEY = "qk"
_PEER_TYPES = {
    NodeKind.FEATURE: "cross layer transcoder",
    NodeKind.ERROR: "mlp reconstruction error",
    NodeKind.TOKEN: "embedding",
}


class Question(NamedTuple):
    """Why does this head, asking from `query`, look at `key` (and not at `against`)?"""

    layer: int
    head: int
    query: int
    key: int
    against: int | None = None


class Pair(NamedTuple):
    """A node of the query side and one of the key side, as numbers into the result's own nodes."""

    query: int
    key: int
    value: float


class Marginal(NamedTuple):
    """What one node brings to the score with all nodes of the other side together."""

    node: int
    value: float


class Place(NamedTuple):
    """All that one layer wrote at one position, features and error; or what stands there from the beginning."""

    layer: int
    """EMBEDDING for tokens and positions, CONSTANTS for all that is the same whatever is written anywhere."""
    position: int
    """-1 for constants."""


EMBEDDING, CONSTANTS = -1, -2


class PlacePair(NamedTuple):
    """What one place of the query side and one of the key side bring together."""

    query: Place
    key: Place
    value: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreAttribution:
    """One attention score, before soft-cap and mask, or the difference of two, taken apart."""

    question: Question
    nodes: Nodes
    """Those that are mentioned."""
    pairs: tuple[Pair, ...]
    """The strongest pairs, strongest first."""
    places: tuple[PlacePair, ...]
    """The same with all nodes of one place together: the strongest pairs of places, strongest first."""
    query_side: tuple[Marginal, ...]
    """The strongest nodes of the query side, strongest first."""
    key_side: tuple[Marginal, ...]
    score: float
    """The model's own."""
    total: float
    """Sum over all pairs, those that are not mentioned included."""
    n_pairs: int
    """How many pairs are not zero."""
    weight: float
    """The attention that the key gets."""
    weight_against: float | None
    softcap: float | None
    """The c of `c · tanh(score / c)`, which the model's scores pass before the softmax, in families that cap them."""

    @property
    def explained(self) -> float:
        """The share of the score in the pairs that are mentioned; signed, so opposing pairs count against it."""
        return sum(pair.value for pair in self.pairs) / self.total if self.total else 0.0

    @property
    def explained_by_places(self) -> float:
        """The same for the pairs of places."""
        return sum(pair.value for pair in self.places) / self.total if self.total else 0.0

    @property
    def control(self) -> float:
        """The share of the score in as many random pairs, in the mean over all ways to choose them."""
        return len(self.pairs) / self.n_pairs if self.n_pairs else 0.0

    @property
    def error(self) -> float:
        """|sum of the pairs − score|, relative to the score where that is beyond 1."""
        return abs(self.total - self.score) / max(1.0, abs(self.score))

    def labelled(self, graph: AttributionGraph) -> "ScoreAttribution":
        """With the labels that the graph has for the same nodes."""
        known = graph.nodes
        labels = tuple(
            (known.labels[known.find(name)] if name in known else "") or label
            for name, label in zip(self.nodes.ids, self.nodes.labels, strict=True)
        )
        return replace(self, nodes=replace(self.nodes, labels=labels))

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able dictionary; pairs and marginals name nodes by their ids."""
        ids, nodes = self.nodes.ids, self.nodes
        return {
            **self.question._asdict(),
            "score": self.score,
            "total": self.total,
            "weight": self.weight,
            "weight_against": self.weight_against,
            "softcap": self.softcap,
            "explained": self.explained,
            "explained_by_places": self.explained_by_places,
            "control": self.control,
            "n_pairs": self.n_pairs,
            "pair_wise_contributors": [[ids[q], ids[k], value] for q, k, value in self.pairs],
            "places": [[*q, *k, value] for q, k, value in self.places],
            "top_q_marginal_contributors": [[ids[node], value] for node, value in self.query_side],
            "top_k_marginal_contributors": [[ids[node], value] for node, value in self.key_side],
            "nodes": {
                "ids": list(ids),
                "kind": nodes.kind.tolist(),
                "layer": nodes.layer.tolist(),
                "position": nodes.position.tolist(),
                "index": nodes.index.tolist(),
                "labels": list(nodes.labels),
            },
        }


def with_score(graph: AttributionGraph, found: ScoreAttribution) -> AttributionGraph:
    """The graph with this result; an earlier one for the same question is replaced."""
    others = [some for some in read_scores(graph) if some.question != found.question]
    stored = [some.to_json() for some in sorted([*others, found], key=lambda some: _order(some.question))]
    return replace(graph, details=graph.details | {KEY: stored})


def _order(question: Question) -> tuple[int, ...]:
    return tuple(-1 if part is None else part for part in question)


def read_scores(graph: AttributionGraph) -> list[ScoreAttribution]:
    """The results that are stored with a graph."""
    return _read(graph.details.get(KEY))


def _read(stored: Any) -> list[ScoreAttribution]:
    try:
        return [_from_json(data) for data in stored or ()]
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError, GraphError):
        return []


def _from_json(data: dict[str, Any]) -> ScoreAttribution:
    table = data["nodes"]
    kind = np.array([NodeKind(some) for some in table["kind"]], dtype="<U8")
    whole = {name: np.array(table[name], dtype=np.int64) for name in ("layer", "position", "index")}
    nothing = np.full(len(kind), np.nan)
    real = dict.fromkeys(("activation", "probability", "value", "weight"), nothing)
    ids, labels = tuple(map(str, table["ids"])), tuple(map(str, table["labels"]))
    nodes = Nodes(kind=kind, ids=ids, labels=labels, **whole, **real)

    def sides(name: str) -> tuple[Marginal, ...]:
        return tuple(Marginal(nodes.find(node), float(value)) for node, value in data[name])

    against = data["against"]
    return ScoreAttribution(
        question=Question(
            *(int(data[name]) for name in Question._fields[:-1]), against=None if against is None else int(against)
        ),
        nodes=nodes,
        pairs=tuple(Pair(nodes.find(q), nodes.find(k), float(value)) for q, k, value in data["pair_wise_contributors"]),
        places=tuple(
            PlacePair(Place(int(a), int(b)), Place(int(c), int(d)), float(value))
            for a, b, c, d, value in data["places"]
        ),
        query_side=sides("top_q_marginal_contributors"),
        key_side=sides("top_k_marginal_contributors"),
        score=float(data["score"]),
        total=float(data["total"]),
        n_pairs=int(data["n_pairs"]),
        weight=float(data["weight"]),
        weight_against=None if data["weight_against"] is None else float(data["weight_against"]),
        softcap=None if data["softcap"] is None else float(data["softcap"]),
    )


def head_node_id(question: Question) -> str:
    """The id of the node that stands for a head at a query in the public format."""
    return f"{question.layer}_lor_{question.head}_{question.query}"


def head_node_ids(details: Any) -> set[str]:
    """The nodes that `peer_nodes` adds to a file whose graph has these details."""
    stored = details.get(KEY) if isinstance(details, dict) else None
    return {head_node_id(some.question) for some in _read(stored)}


def peer_nodes(graph: AttributionGraph) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Nodes for heads, with their `qk_tracing_results`; and nodes for all that these mention outside the circuit."""
    best: dict[str, ScoreAttribution] = {}
    for found in read_scores(graph):
        name = head_node_id(found.question)
        if name not in best or _rank(found) > _rank(best[name]):
            best[name] = found
    shown = {
        n for n, kind in zip(graph.nodes.ids, graph.nodes.kind.tolist(), strict=True) if kind not in CONSTANT_KINDS
    }
    outside: dict[str, dict[str, Any]] = {}
    for found in best.values():
        outside |= {node["node_id"]: node for node in map(_outside(found), range(len(found.nodes)))}
    return [_head(name, found) for name, found in best.items()], {k: v for k, v in outside.items() if k not in shown}


def _rank(found: ScoreAttribution) -> tuple[bool, float]:
    return found.question.against is None, found.weight


def _head(name: str, found: ScoreAttribution) -> dict[str, Any]:
    layer, head, query, key, against = found.question
    results = {n: value for n, value in found.to_json().items() if n.endswith("_contributors")}
    said = f"head {layer}.{head} looks at {key}" + ("" if against is None else f", not at {against}")
    return _node(name, str(layer), query, None, "lorsa", said) | {"qk_tracing_results": results}


def _outside(found: ScoreAttribution) -> Any:
    nodes = found.nodes

    def made(i: int) -> dict[str, Any]:
        kind, layer, index = NodeKind(nodes.kind[i]), int(nodes.layer[i]), int(nodes.index[i])
        feature = (layer + index) * (layer + index + 1) // 2 + index if kind == NodeKind.FEATURE else None
        place = "E" if kind == NodeKind.TOKEN else str(layer)
        return _node(
            nodes.ids[i], place, max(int(nodes.position[i]), 0), feature, _PEER_TYPES.get(kind, "bias"), nodes.labels[i]
        )

    return made


def _node(name: str, layer: str, position: int, feature: int | None, kind: str, clerp: str) -> dict[str, Any]:
    return {
        "node_id": name,
        "feature": feature,
        "layer": layer,
        "ctx_idx": position,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": name,
        "clerp": clerp,
        "influence": None,
        "activation": None,
    }
