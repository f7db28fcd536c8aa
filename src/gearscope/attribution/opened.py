"""Error nodes opened into neurons: whose writes a basis failed to reconstruct.

The error of one MLP is e = mlp_out − reconstruction, and mlp_out = Σ_n f_n w_n + b_out, w_n what neuron n writes per
unit. Writing the reconstruction's part of each neuron is not unique, as there are more neurons than dimensions. Of all
changes δ of the neurons' activations that make the error, the least one is taken, relative to how active each is:

    min Σ_n (δ_n / f_n)²  with  Σ_n δ_n w_n = e      so      δ_n = f_n² ⟨w_n, y⟩,  (Σ_n f_n² w_n w_nᵀ) y = e

which is what one expects of the δ_n if every neuron was missed by a random share of itself. δ_n w_n then stands as a
source in the error's place: edges are linear in it, so they divide exactly. What the writes of active neurons cannot
express stays as `left`. Where the basis is some of the neurons themselves, its error is the sum of all others, and
δ_n = f_n. An error of the residual stream is no MLP's and is not opened.

The peers' wish for it: error nodes end a trace (Ameisen et al. 2025, "Circuit tracing", section on limitations).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.attribution.rows import Aim, RowMaker
from gearscope.attribution.targets import Target, aims
from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind
from gearscope.graph.opened import OpenedEdge, OpenedError, with_opened
from gearscope.models.frozen import FrozenNorm, FrozenPrompt
from gearscope.models.mlp import ExpertWeights, MlpWeights
from gearscope.replacement.neurons import Neurons, neuron_replacement
from gearscope.replacement.replacement import Replacement, Way, Write, WritePlace

_LISTED = 20
_MOST = 0.8


@dataclass(frozen=True, kw_only=True)
class Missed(Neurons):
    """Neurons in the place of another basis' errors: beside its ways, written where it writes."""

    ways: tuple[Way | None, ...]
    place: WritePlace
    post_norms: tuple[FrozenNorm | None, ...]
    """The norm behind each layer's MLP, where `place` is behind it."""

    @property
    def writes_at(self) -> WritePlace:
        """Where the basis writes."""
        return self.place

    def way(self, layer: int) -> Way | None:
        """The basis' own path past its features."""
        return self.ways[layer]

    def writes(self, layer: int, position: int) -> Iterable[Write]:
        """The neurons, as they arrive where the basis writes."""
        post = self.post_norms[layer] if self.place == "after_post_norm" else None
        for write in super().writes(layer, position):
            if post is None:
                yield write
            else:
                at = torch.full((len(write.vectors),), position)
                yield write._replace(vectors=post.linear_at(write.vectors, at))


class _Opened(NamedTuple):
    """One error node."""

    node: int
    numbers: Int[Tensor, " K"]
    """Its neurons, among those of the prompt."""
    missed: Float[Tensor, " K"]
    left: Float[Tensor, " D"]
    needed: int
    needed_random: int | None


def open_errors(
    graph: AttributionGraph,
    prompt: FrozenPrompt,
    replacement: Replacement,
    mlps: Sequence[MlpWeights | ExpertWeights],
    targets: Sequence[Target],
    count: int,
) -> AttributionGraph:
    """The graph with its `count` most influential error nodes opened. `targets` are those that it was traced for.

    Raises ConfigError for a negative count, for a basis that leaves no error, and for one that rewrites the stream.
    """
    if count < 0:
        raise ConfigError("a number of errors to open was expected", found=str(count))
    if replacement.error is None:
        raise ConfigError("a basis with errors to open was expected", found="neurons, which leave none")
    if replacement.writes_at == "resid_post":
        raise ConfigError(
            "a basis of MLP outputs was expected", found="one of the residual stream, whose errors no MLP made"
        )
    influence = graph.influence if graph.influence is not None else graph.node_influence()
    here = np.arange(graph.layout.errors.start, graph.layout.errors.stop)
    nodes = sorted(here[np.argsort(-influence[here], kind="stable")][:count].tolist())
    neurons = _in_place_of(prompt, replacement, neuron_replacement(prompt, mlps))
    opened = [_open(graph, node, replacement, neurons) for node in nodes]
    if not opened:
        return with_opened(graph, [])
    edges = _edges(graph, prompt, replacement, neurons, opened, targets)
    return with_opened(graph, [_stored(graph, one, neurons, edges[i], influence) for i, one in enumerate(opened)])


def _in_place_of(prompt: FrozenPrompt, replacement: Replacement, neurons: Neurons) -> Missed:
    return Missed(
        active=neurons.active,
        bias=neurons.bias,
        mlps=neurons.mlps,
        mlp_in=neurons.mlp_in,
        routing=neurons.routing,
        error=None,
        ways=tuple(replacement.way(layer) for layer in range(prompt.n_layers)),
        place=replacement.writes_at,
        post_norms=tuple(block.mlp_post_norm for block in prompt.blocks),
    )


def _open(graph: AttributionGraph, node: int, replacement: Replacement, neurons: Missed) -> _Opened:
    """Divide one error among the neurons of its place."""
    layer, position = int(graph.nodes.layer[node]), int(graph.nodes.position[node])
    assert replacement.error is not None, "there is an error to open"
    error = replacement.error[layer, position]
    mine = neurons.active.at(layer, position)
    numbers = torch.arange(mine.start, mine.stop)
    writes = torch.cat([error.new_zeros(0, len(error)), *(some.vectors for some in neurons.writes(layer, position))])
    activation = neurons.active.activation[numbers]
    norms = writes.norm(dim=1)
    if isinstance(replacement, Neurons):
        chosen = replacement.active.index[replacement.active.at(layer, position)]
        missed, needed_random = torch.where(torch.isin(neurons.active.index[numbers], chosen), 0.0, activation), None
    else:
        missed = least_change(activation, writes, error)
        other = torch.randn(len(error), generator=torch.Generator().manual_seed(node)).to(error)
        needed_random = _needed(least_change(activation, writes, other).abs() * norms)
    return _Opened(
        node=node,
        numbers=numbers,
        missed=missed,
        left=error - missed @ writes,
        needed=_needed(missed.abs() * norms),
        needed_random=needed_random,
    )


def least_change(
    activation: Float[Tensor, " K"], writes: Float[Tensor, "K D"], error: Float[Tensor, " D"]
) -> Float[Tensor, " K"]:
    """The change of activations, least relative to them, that writes `error`, as far as it can be written."""
    weighted = activation.double()[:, None] * writes.double()
    solution = torch.linalg.pinv(weighted.T @ weighted, rtol=1e-10, hermitian=True) @ error.double()
    return (activation.double() * (weighted @ solution)).to(activation)


def _needed(sizes: Float[Tensor, " K"]) -> int:
    """How many of the largest hold most of the sum."""
    ranked = sizes.double().sort(descending=True).values
    return int((ranked.cumsum(0) < _MOST * ranked.sum()).sum()) + 1 if len(ranked) else 0


class _Edge(NamedTuple):
    """One edge, divided."""

    target: int
    contributions: Float[Tensor, " K"]
    left: float


def _edges(
    graph: AttributionGraph,
    prompt: FrozenPrompt,
    replacement: Replacement,
    neurons: Missed,
    opened: Sequence[_Opened],
    targets: Sequence[Target],
) -> list[list[_Edge]]:
    """The edges of every opened error: one sweep down from each layer's targets meets all of them."""
    numbers = torch.cat([one.numbers for one in opened])
    order = numbers.argsort()
    where = torch.empty_like(order)
    where[order] = torch.arange(len(order))
    missed = torch.cat([one.missed for one in opened])[order]
    some = neurons.active.take(numbers[order])
    left = torch.zeros_like(torch.stack([block.mlp_out for block in prompt.blocks]))
    for one in opened:
        left[graph.nodes.layer[one.node], graph.nodes.position[one.node]] = one.left
    sources = replace(neurons, active=replace(some, activation=missed), error=left)
    maker = RowMaker(prompt=prompt, replacement=sources)
    by_column = graph.adjacency.tocsc()
    found: list[list[_Edge]] = [[] for _ in opened]
    wanted = [
        set(by_column.indices[by_column.indptr[one.node] : by_column.indptr[one.node + 1]].tolist()) for one in opened
    ]
    split = [where[start : start + len(one.numbers)] for start, one in zip(_starts(opened), opened, strict=True)]
    for node, aim in _aims(graph, replacement, targets, set().union(*wanted)):
        for chunk, rows in maker.rows(aim):
            dense = torch.zeros(len(rows.leaves), len(some)).to(rows.entries)
            dense[:, rows.sources] = rows.entries
            errors = rows.leaves[:, maker.leaves.errors].view(len(rows.leaves), prompt.n_layers, prompt.n_positions)
            for row, target in enumerate(node[chunk]):
                for i, one in enumerate(opened):
                    if target in wanted[i]:
                        place = int(graph.nodes.layer[one.node]), int(graph.nodes.position[one.node])
                        found[i].append(_Edge(target, dense[row, split[i]], float(errors[row][place])))
    return found


def _starts(opened: Sequence[_Opened]) -> list[int]:
    starts = [0]
    for one in opened[:-1]:
        starts.append(starts[-1] + len(one.numbers))
    return starts


def _aims(
    graph: AttributionGraph, replacement: Replacement, targets: Sequence[Target], wanted: set[int]
) -> list[tuple[list[int], Aim]]:
    """What the wanted nodes read: features layer by layer, then the graph's targets."""
    nodes, active, found = graph.nodes, replacement.active, []
    by_layer: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for node in sorted(wanted):
        if nodes.kind[node] == NodeKind.FEATURE:
            place = nodes.place(node)
            by_layer[place.layer].append((active.find(place), node))
    for layer, rows in sorted(by_layer.items()):
        rows.sort()
        numbers = torch.tensor([number for number, _ in rows])
        read = replacement.read(numbers)
        aim = Aim(replacement.reads_at, layer, active.position[numbers], read.vectors, read.constant)
        found.append(([node for _, node in rows], aim))
    start = graph.layout.targets.start
    for aim in aims(targets):
        found.append((list(range(start, start + len(aim.positions))), aim))
        start += len(aim.positions)
    return found


def _stored(
    graph: AttributionGraph, one: _Opened, neurons: Neurons, edges: Sequence[_Edge], influence: Float[np.ndarray, " N"]
) -> OpenedError:
    """The neurons that contribute most, by the influence of what they contribute to."""
    arriving = (influence + graph.target_weight) / np.maximum(graph.row_mass(), np.finfo(float).tiny)
    weight = torch.zeros(len(one.numbers), dtype=torch.float64)
    for edge in edges:
        weight += float(arriving[edge.target]) * edge.contributions.double().abs()
    listed = weight.argsort(descending=True, stable=True)[:_LISTED]
    ids = graph.nodes.ids
    return OpenedError(
        node_id=ids[one.node],
        neurons=tuple(neurons.active.index[one.numbers[listed]].tolist()),
        activation=tuple(neurons.active.activation[one.numbers[listed]].tolist()),
        missed=tuple(one.missed[listed].tolist()),
        active=len(one.numbers),
        needed=one.needed,
        needed_random=one.needed_random,
        edges=tuple(
            OpenedEdge(
                target=ids[edge.target],
                weight=float(graph.adjacency[edge.target, one.node]),
                contributions=tuple(edge.contributions[listed].tolist()),
                others=float(edge.contributions.double().sum() - edge.contributions[listed].double().sum()),
                left=edge.left,
            )
            for edge in edges
        ),
    )
