"""Head loadings: every edge of a circuit split by the last head that its paths pass before the target.

    A[t, s] = direct + Σ_l,h ⟨ z_t^lh , o_s^lh ⟩      z_t^lh = W_O^h g_t^l      o_s^lh = Σ_k A^lh_qk (x_s^l W_V^h)_k

g_t is the target's gradient that has passed no attention (it stays at the target's position), x_s what a source makes
of the stream before each layer over *all* its paths. So the gradients of all receivers go down once along the residual
stream, and what all sources wrote goes up once through the frozen model; every head of every layer on the way is where
the two meet. That costs about one row per source of the circuit, instead of one per receiver and head. The direct part
is measured too, so that the parts sum to an edge that was worked out the other way round (`rows.py`).

Value biases (and those of the norm before) pass the heads; the output bias does not. Ameisen et al. 2025, "Circuit
tracing"; Kamath et al. 2025, "Tracing attention computation through feature interactions". Knows nothing about why a
head looks where it does.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.attribution.rows import Aim, brought, read_through, sees_own_attention
from gearscope.attribution.sources import Chunk, Sources, Wide, Written
from gearscope.attribution.targets import Target, aims
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.heads import HeadLoadings
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Replacement, Way

_LEAST = 2e-6
"""All parts of an edge that are left out hold at most this share of what the target receives in all."""


def head_loadings(
    prompt: FrozenPrompt, replacement: Replacement, targets: Sequence[Target], graph: AttributionGraph
) -> HeadLoadings:
    """Split every edge of `graph`, which was traced with these `targets` and may have been pruned since."""
    with torch.inference_mode():
        sources = Sources.of(prompt, replacement, graph)
        receivers = _Receivers.of(prompt, replacement, targets, graph)
        down = _down(prompt, replacement, receivers)
        found = [_Meeting(prompt, down, receivers, chunk, graph).parts() for chunk in sources.chunks()]
    nothing = np.zeros(0, dtype=np.int64)
    found = found or [(nothing, nothing, nothing, nothing.astype(float))]
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    return HeadLoadings(prompt.n_layers, len(prompt.blocks[0].attn.W_O), *(column[order] for column in columns))


class _Receivers(NamedTuple):
    """What receives edges: their node numbers, and what each reads."""

    nodes: Int[np.ndarray, " T"]
    aims: list[Aim]
    positions: Int[Tensor, " T"]

    @classmethod
    def of(
        cls, prompt: FrozenPrompt, replacement: Replacement, targets: Sequence[Target], graph: AttributionGraph
    ) -> "_Receivers":
        """Features in the graph's order, then the targets."""
        features = graph.layout.features
        numbers = replacement.active.numbers(
            *(
                torch.from_numpy(column[features]).to(prompt.token_ids.device)
                for column in (graph.nodes.layer, graph.nodes.position, graph.nodes.index)
            )
        )
        found = []
        counts = torch.bincount(replacement.active.layer[numbers], minlength=prompt.n_layers).tolist()
        for layer, here in enumerate(torch.split(numbers, counts)):
            if len(here):
                read = replacement.read(here)
                positions = replacement.active.position[here]
                found.append(Aim(replacement.reads_at, layer, positions, read.vectors, read.constant))
        found += aims(targets)
        nodes = np.concatenate([np.arange(features.stop), np.arange(graph.layout.targets.start, graph.layout.size)])
        return cls(nodes, found, torch.cat([aim.positions for aim in found]))


class _Down(NamedTuple):
    """Gradients of T receivers that have passed no attention, each at its own position; zero above a receiver."""

    stream: list[Float[Tensor, "T D"]]
    """By layer: at what a basis rewrites the residual stream as."""
    mlp: list[Float[Tensor, "T D"]]
    """By layer: behind what its MLP adds."""
    attn: list[Float[Tensor, "T D"]]
    """By layer: behind what its attention adds."""
    bottom: Float[Tensor, "T D"]
    """At the embeddings."""
    brought: Float[Tensor, " T"]
    """What the receivers bring themselves."""


def _down(prompt: FrozenPrompt, replacement: Replacement, receivers: _Receivers) -> _Down:
    positions, D = receivers.positions, prompt.d_model
    entering: dict[tuple[str, int], list[tuple[int, Tensor]]] = {}
    start = 0
    for aim in receivers.aims:
        norm = read_through(prompt, aim)
        g = aim.vectors if norm is None else norm.adjoint_at(aim.vectors, aim.positions)
        kind = "mid" if sees_own_attention(prompt, aim) else "post" if aim.entry == "resid_post" else "pre"
        entering.setdefault((kind, aim.layer), []).append((start, g))
        start += len(g)
    g = prompt.token_embed.new_zeros(start, D)

    def enter(kind: str, layer: int) -> None:
        for first, own in entering.get((kind, layer), ()):
            g[first : first + len(own)] += own

    stream, mlp, attn = [], [], []
    enter("pre", prompt.n_layers)
    for layer in reversed(range(prompt.n_layers)):
        block, way = prompt.blocks[layer], replacement.way(layer)
        rewritten = replacement.stream(layer) is not None
        stream.append(g.clone() if rewritten else g.new_zeros(0, D))
        if rewritten:
            g = torch.zeros_like(g)
        enter("post", layer)
        mlp.append(g.clone())
        if way is not None:
            post = None if way.writes_at == "after_post_norm" else block.mlp_post_norm
            h = g if post is None else post.adjoint_at(g, positions)
            through = way.adjoint_at(h, positions)
            g = g + (through if way.reads_at == "resid_mid" else block.mlp_norm.adjoint_at(through, positions))
        enter("mid", layer)
        attn.append(mlp[-1] if block.parallel else g.clone())
        enter("pre", layer)
    owned = torch.cat([brought(prompt, aim) for aim in receivers.aims])
    return _Down(stream[::-1], mlp[::-1], attn[::-1], g, owned)


class _Edges(NamedTuple):
    """The edges out of one chunk, by the position of the receiver."""

    receiver: Int[Tensor, " E"]
    column: Int[Tensor, " E"]
    position: Int[Tensor, " E"]
    """Of the receiver."""
    same: Int[Tensor, " A"]
    """The edges whose two ends stand at one position."""

    @classmethod
    def of(cls, receivers: _Receivers, chunk: Chunk, graph: AttributionGraph) -> "_Edges":
        """All edges of `graph` between them."""
        found = graph.adjacency[receivers.nodes][:, chunk.nodes].tocoo()
        position = receivers.positions.cpu().numpy()[found.row]
        order = np.argsort(position, kind="stable")
        row, column, position = found.row[order], found.col[order], position[order]
        same = np.flatnonzero(graph.nodes.position[chunk.nodes][column] == position)
        device = receivers.positions.device
        return cls(*(torch.from_numpy(some.astype(np.int64)).to(device) for some in (row, column, position, same)))


class _Meeting:
    """Where what one chunk of sources wrote goes up and meets the receivers' gradients."""

    def __init__(
        self, prompt: FrozenPrompt, down: _Down, receivers: _Receivers, chunk: Chunk, graph: AttributionGraph
    ) -> None:
        self.prompt, self.down, self.receivers, self.chunk = prompt, down, receivers, chunk
        self.edges = _Edges.of(receivers, chunk, graph)
        last = int(receivers.positions.max()) + 1
        self.positions = torch.arange(chunk.first, last, device=receivers.positions.device)
        self.n_heads = len(prompt.blocks[0].attn.W_O)
        self.found = prompt.token_embed.new_zeros(1 + prompt.n_layers * self.n_heads, len(self.edges.receiver))
        """The direct part of every edge, then those of all heads."""
        self.mass = graph.row_mass()

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Target, source, head and weight of every part that is worth keeping."""
        self._up()
        targets = self.receivers.nodes[self.edges.receiver.cpu().numpy()]
        found = self.found.cpu().numpy()
        heads, edges = np.nonzero(np.abs(found) > self.mass[targets] * (_LEAST / len(found)))
        sources = self.chunk.nodes[self.edges.column.cpu().numpy()[edges]]
        return targets[edges], sources, heads - 1, found[heads, edges]

    def _up(self) -> None:
        """From the embeddings to the highest attention that a receiver sees behind it, and past it."""
        chunk, down = self.chunk, self.down
        read_bias = chunk.read_bias()
        if read_bias is not None:
            own = self.edges.column == read_bias
            self.found[0, own] += down.brought[self.edges.receiver[own]]
        stream = self.prompt.token_embed.new_zeros(len(self.positions), len(chunk.nodes), self.prompt.d_model)
        self._write(stream, chunk.embeddings(), down.bottom)
        for layer, block in enumerate(self.prompt.blocks):
            before = stream
            stream = before + self._attention(before, layer)
            way = chunk.all_features.way(layer)
            if way is not None:
                stream = stream + self._pass(before if block.parallel else stream, way, layer)
            self._write(stream, chunk.at_mlp(layer), down.mlp[layer])
            if chunk.all_features.stream(layer) is not None:
                stream = torch.zeros_like(stream)
                self._write(stream, chunk.at_stream(layer), down.stream[layer])

    def _attention(self, stream: Float[Tensor, "Q S D"], layer: int) -> Float[Tensor, "Q S D"]:
        """What attention adds; on the way, every head of it meets the receivers."""
        block, bias, first = self.prompt.blocks[layer], self.chunk.attention_bias(layer), self.chunk.first
        last = first + len(self.positions)
        z = block.head_outputs(stream, first)
        if bias is not None:
            z[:, :, bias] += block.head_constants()[:, first:last]
        self._meet_heads(z, block.at_heads(self.down.attn[layer], self.receivers.positions), layer)
        added = block.from_heads(z, self.positions)
        if bias is not None:
            constant = block.attn_output_bias()
            added[:, bias] += constant[first:last]
            self._meet_wide(Wide(bias, constant), self.down.attn[layer])
        return added

    def _meet_heads(self, z: Float[Tensor, "H Q S E"], at_heads: Float[Tensor, "H T E"], layer: int) -> None:
        here = slice(1 + layer * self.n_heads, 1 + (layer + 1) * self.n_heads)
        places, counts = (column.tolist() for column in self.edges.position.unique_consecutive(return_counts=True))
        start = 0
        for place, count in zip(places, counts, strict=True):
            some = slice(start, start + count)
            start += count
            if place < self.chunk.first:
                continue
            receivers, local = self.edges.receiver[some].unique(return_inverse=True)
            met = torch.bmm(at_heads[:, receivers], z[:, place - self.chunk.first].mT)
            self.found[here, some] = met[:, local, self.edges.column[some]]

    def _pass(self, read: Float[Tensor, "Q S D"], way: Way, layer: int) -> Float[Tensor, "Q S D"]:
        """What a way past the features of a layer makes of what its MLP reads."""
        block = self.prompt.blocks[layer]
        x = block.mlp_norm.spread(read, self.positions) if way.reads_at == "mlp_in" else read
        out = way.linear_at(x.flatten(0, 1), self.positions.repeat_interleave(x.shape[1])).view_as(x)
        post = None if way.writes_at == "after_post_norm" else block.mlp_post_norm
        return out if post is None else post.spread(out, self.positions)

    def _write(self, stream: Float[Tensor, "Q S D"], written: Written, g: Float[Tensor, "T D"]) -> None:
        """Add what sources write to the stream, in place; on the way it meets the receivers at its own position."""
        first, last = self.chunk.first, self.chunk.first + len(self.positions)
        for wide in written.wide:
            stream[:, wide.column] += wide.vectors[first:last]
            self._meet_wide(wide, g)
        if not written.points:
            return
        own = stream.new_zeros(stream.shape[1:])
        for points in written.points:
            seen = points.positions < last
            positions, columns, vectors = points.positions[seen], points.columns[seen], points.vectors[seen]
            own[columns] += vectors
            stream[positions - first, columns] += vectors
        same, edges = self.edges.same, self.edges
        self.found[0, same] += (g[edges.receiver[same]] * own[edges.column[same]]).sum(1)

    def _meet_wide(self, wide: Wide, g: Float[Tensor, "T D"]) -> None:
        own = self.edges.column == wide.column
        receivers = self.edges.receiver[own]
        self.found[0, own] += (g[receivers] * wide.vectors[self.edges.position[own]]).sum(1)
