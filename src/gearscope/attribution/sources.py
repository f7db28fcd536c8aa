"""What each source of a circuit writes into the residual stream, place by place.

    token, position      an embedding, at its position, below the first layer
    feature, error       where the basis writes: into MLP outputs (behind the post-norm where there is one), or the
                         stream behind a layer where the basis rewrites it
    first position       what stands at a constant position, less the way
    attention bias       the value biases through the heads, and the output bias
    MLP bias             the basis' bias, and all that ways and norms behind a layer's MLP add whatever they read

Everything is in units of the residual stream. Sources go through in chunks of bounded memory, by position, as nothing
that a source makes stands before it. Knows nothing about what reads it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.models.frozen import FrozenNorm, FrozenPrompt
from gearscope.replacement.replacement import Active, Replacement

ATTENTION_BIAS = "attention bias"
"""How labels of nodes begin that stand for the biases of one layer's attention; those of its MLP begin otherwise."""
_CHUNK_BYTES = 48 * 2**20
"""Memory that one chunk may take; without effect on results."""


def source_nodes(prompt: FrozenPrompt, replacement: Replacement, active: Active) -> Nodes:
    """These active features of `replacement`, and every source that is no feature, as nodes in their order."""
    L, P, first = prompt.n_layers, prompt.n_positions, prompt.n_constant_positions
    layers, live = np.arange(L), np.arange(first, P)
    has_error = replacement.error is not None
    own = "MLP and SAE bias" if replacement.writes_at == "resid_post" else "MLP bias"
    bias_names = [f"{ATTENTION_BIAS}, layer {i}" for i in layers] + [f"{own}, layer {i}" for i in layers]
    return Nodes.join(
        Nodes.of(
            NodeKind.FEATURE,
            layer=active.layer.cpu().numpy(),
            position=active.position.cpu().numpy(),
            index=active.index.cpu().numpy(),
            activation=active.activation.cpu().numpy(),
            value=active.value.cpu().numpy(),
        ),
        Nodes.of(
            NodeKind.ERROR,
            layer=np.repeat(layers, len(live)) if has_error else np.empty(0, int),
            position=np.tile(live, L) if has_error else np.empty(0, int),
        ),
        Nodes.of(NodeKind.TOKEN, position=np.arange(P), index=prompt.token_ids.cpu().numpy()),
        Nodes.of(NodeKind.POSITION, position=np.arange(P if prompt.position_embed is not None else 0)),
        Nodes.of(NodeKind.FIRST, layer=np.repeat(layers, first), position=np.tile(np.arange(first), L)),
        Nodes.of(NodeKind.BIAS, layer=np.append(np.tile(layers, 2), -1), labels=[*bias_names, "read bias"]),
    )


class Points(NamedTuple):
    """Vectors written at one position each, by different sources."""

    positions: Int[Tensor, " K"]
    columns: Int[Tensor, " K"]
    """The sources, numbered within their chunk."""
    vectors: Float[Tensor, "K D"]


class Wide(NamedTuple):
    """What one source writes at all positions."""

    column: int
    vectors: Float[Tensor, "P D"]


class Written(NamedTuple):
    """All that the sources of a chunk write at one place."""

    points: list[Points]
    wide: list[Wide]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The sources of one graph that send anything, by position."""

    prompt: FrozenPrompt
    replacement: Replacement
    graph: AttributionGraph
    nodes: Int[np.ndarray, " S"]

    @classmethod
    def of(cls, prompt: FrozenPrompt, replacement: Replacement, graph: AttributionGraph) -> "Sources":
        """Every node with an edge out of it."""
        nodes = np.unique(graph.adjacency.indices)
        order = np.argsort(np.maximum(graph.nodes.position[nodes], 0), kind="stable")
        return cls(prompt=prompt, replacement=replacement, graph=graph, nodes=nodes[order])

    def chunks(self) -> Iterator["Chunk"]:
        """All sources, some at a time."""
        start, P, n_parts = 0, self.prompt.n_positions, 1 + self.prompt.n_layers * len(self.prompt.blocks[0].attn.W_O)
        sent = np.bincount(self.graph.adjacency.indices, minlength=len(self.graph.nodes))[self.nodes]
        while start < len(self.nodes):
            first = max(int(self.graph.nodes.position[self.nodes[start]]), 0)
            size = 16 * (P - first) * self.prompt.d_model + 4 * n_parts * sent[start:]
            most = max(1, int(np.searchsorted(np.cumsum(size), _CHUNK_BYTES)))
            yield Chunk.of(self, np.sort(self.nodes[start : start + most]), first)
            start += most


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some sources, in the order of their nodes: features come first."""

    prompt: FrozenPrompt
    all_features: Replacement
    features: Replacement
    """The features of the chunk alone."""
    graph: AttributionGraph
    nodes: Int[np.ndarray, " S"]
    first: int
    """None of them writes before this position."""

    @classmethod
    def of(cls, sources: Sources, nodes: Int[np.ndarray, " S"], first: int) -> "Chunk":
        """The sources with these node numbers, ascending."""
        table, replacement = sources.graph.nodes, sources.replacement
        own = nodes[nodes < sources.graph.layout.features.stop]
        columns = (torch.from_numpy(column[own]) for column in (table.layer, table.position, table.index))
        numbers = replacement.active.numbers(*(column.to(replacement.active.layer.device) for column in columns))
        return cls(
            prompt=sources.prompt,
            all_features=replacement,
            features=replacement.take(numbers),
            graph=sources.graph,
            nodes=nodes,
            first=first,
        )

    def embeddings(self) -> Written:
        """Below the first layer."""
        found = []
        for kind, embed in (
            (NodeKind.TOKEN, self.prompt.token_embed),
            (NodeKind.POSITION, self.prompt.position_embed),
        ):
            columns = self._of(kind)
            if embed is not None and len(columns):
                positions = self._positions(columns)
                found.append(Points(positions, torch.from_numpy(columns).to(positions), embed[positions]))
        return Written(found, [])

    def attention_bias(self, layer: int) -> int | None:
        """The column of a layer's attention bias, where it is among the sources."""
        return self._bias(layer, attention=True)

    def read_bias(self) -> int | None:
        """The column of what receivers bring themselves."""
        return self._bias(-1, attention=False)

    def at_mlp(self, layer: int) -> Written:
        """Behind what the MLP of a layer adds."""
        block, way = self.prompt.blocks[layer], self.all_features.way(layer)
        place = self.all_features.writes_at if way is None else way.writes_at
        post = None if place == "after_post_norm" else block.mlp_post_norm
        constant = block.mlp_written()
        if way is not None:
            constant = constant - (way.written if post is None else post.linear(way.written))
        points, wide = [self._firsts(layer, constant)], []
        if self.all_features.writes_at != "resid_post":
            points += self._live(layer, post)
        column = self._bias(layer, attention=False)
        if column is not None:
            wide.append(Wide(column, self._mlp_bias(layer, post)))
        return Written([some for some in points if some is not None], wide)

    def at_stream(self, layer: int) -> Written:
        """At what the basis rewrites the stream behind a layer as; nothing where it does not."""
        stream, column = self.all_features.stream(layer), self._bias(layer, attention=False)
        if stream is None:
            return Written([], [])
        wide = [] if column is None else [Wide(column, self._live_bias(layer))]
        return Written(
            [some for some in (self._firsts(layer, stream), *self._live(layer, None)) if some is not None], wide
        )

    def _firsts(self, layer: int, standing: Float[Tensor, "P D"]) -> Points | None:
        columns = self._of(NodeKind.FIRST, layer)
        positions = self._positions(columns)
        return Points(positions, torch.from_numpy(columns).to(positions), standing[positions]) if len(columns) else None

    def _live(self, layer: int, post: FrozenNorm | None) -> list[Points | None]:
        """Features and errors."""
        active, found = self.features.active, []
        for position in range(max(self.first, self.prompt.n_constant_positions), self.prompt.n_positions):
            for write in self.features.writes(layer, position):
                columns = active.by_column[write.columns]
                found.append(
                    Points(torch.full_like(columns, position), columns, write.vectors * write.activation[:, None])
                )
        errors, error = self._of(NodeKind.ERROR, layer), self.all_features.error
        if len(errors) and error is not None:
            positions = self._positions(errors)
            found.append(Points(positions, torch.from_numpy(errors).to(positions), error[layer, positions]))
        if not found:
            return []
        joined = Points(*(torch.cat(column) for column in zip(*found, strict=True)))
        return [joined if post is None else joined._replace(vectors=post.linear_at(joined.vectors, joined.positions))]

    def _live_bias(self, layer: int) -> Float[Tensor, "P D"]:
        bias = self.all_features.bias[layer]
        spread = bias.expand(self.prompt.n_positions, -1).clone() if bias.ndim == 1 else bias.clone()
        spread[: self.prompt.n_constant_positions] = 0
        return spread

    def _mlp_bias(self, layer: int, post: FrozenNorm | None) -> Float[Tensor, "P D"]:
        block, way = self.prompt.blocks[layer], self.all_features.way(layer)
        total = torch.zeros_like(block.mlp_out)
        if self.all_features.writes_at != "resid_post":
            total = total + self._live_bias(layer)
        if way is not None:
            total = total if way.constant is None else total + way.constant
            if way.reads_at == "mlp_in" and block.mlp_norm.bias is not None:
                total = total + way.linear(block.mlp_norm.bias.expand_as(total))
        if post is None:
            return total
        total = post.linear(total)
        if post.bias is not None:
            total[self.prompt.n_constant_positions :] += post.bias
        return total

    def _of(self, kind: NodeKind, layer: int | None = None) -> Int[np.ndarray, " K"]:
        table, here = self.graph.nodes, self.nodes
        wanted = table.kind[here] == str(kind)
        return np.flatnonzero(wanted if layer is None else wanted & (table.layer[here] == layer))

    def _positions(self, columns: Int[np.ndarray, " K"]) -> Int[Tensor, " K"]:
        return torch.from_numpy(self.graph.nodes.position[self.nodes[columns]]).to(self.prompt.token_ids.device)

    def _bias(self, layer: int, *, attention: bool) -> int | None:
        columns = self._of(NodeKind.BIAS, layer).tolist()
        labels = self.graph.nodes.labels
        own = [c for c in columns if labels[self.nodes[c]].startswith(ATTENTION_BIAS) == attention]
        return own[0] if own else None
