"""One row of attributions per target: how much of its value each source contributed.

    A[t, s] = ⟨ v_s , J▼ᵀ x_t ⟩     v_s what the source wrote, x_t what the target reads, J▼ the frozen Jacobian

The gradient x_t is swept backwards through the frozen model by its hand-written adjoint (Ameisen et al. 2025; formulas
re-derived there from section 3), only through layers below the target and positions up to it, meeting on the way
everything that was written. Nothing is left out, so a row sums to the target's value exactly:

    features + errors + token embeddings + position embeddings + MLP outputs at the first position + biases = value

A skip transcoder's linear path, or a whole MLP with its ratios frozen, is no source but a way: on passing it,
g += Nᵀ Wᵀ g(MLP output). Where a basis rewrites the residual stream behind a layer, a sweep that arrives there ends:
all that it can meet stands in that stream.
Where MLP and attention are parallel, a target at an MLP input does not see its own layer's attention.

Targets of one layer share a sweep, whatever their positions: g is [Q, T, D], zero behind each row's own position. The
first attention starts from one position per row, the last one meets the embeddings as values, so both cost less than
those between. Rows are linear and independent of each other, so how they are batched cannot change them. Knows nothing
about which targets are worth a row, nor about graphs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.models.frozen import FrozenNorm, FrozenPrompt
from gearscope.replacement.replacement import Replacement, Way
from gearscope.threads import in_order

R = TypeVar("R")

Entry = Literal["resid_pre", "attn_in", "resid_mid", "mlp_in", "resid_post", "final_in"]

_BLOCK_BYTES = 64 * 2**20
"""Memory that one block of rows may take; chosen for speed, without effect on results."""

_SMALL_PRODUCT = 2**26
"""Multiply-adds below which a product is hardly slower than a smaller one: targets of neighbouring positions then share
a sweep even where much of it is zero."""

_PADDING = 1.1
"""How much larger a shared sweep may otherwise be than the causal cones in it."""

_LONG = 2**15
"""Positions times width from which on threads make a block each, instead of sharing the products of one."""


class Aim(NamedTuple):
    """Vectors read in one layer: targets that share sweeps. `layer` is n_layers for `final_in`."""

    entry: Entry
    layer: int
    positions: Int[Tensor, " T"]
    """Where each is read, ascending."""
    vectors: Float[Tensor, "T D"]
    constant: Float[Tensor, " T"]
    """The part of each value that the target itself brings: its encoder bias."""


class Rows(NamedTuple):
    """A block of rows. Entries of features that none of its targets can see are left out: they are zero."""

    leaves: Float[Tensor, "T leaves"]
    """The sources that are no features, laid out as `Leaves` says."""
    sources: Int[Tensor, " K"]
    """The features of lower layers at positions up to the last target, ascending."""
    entries: Float[Tensor, "T K"]

    def take(self, chosen: Bool[Tensor, " T"]) -> "Rows":
        """Some of the rows."""
        return self._replace(leaves=self.leaves[chosen], entries=self.entries[chosen])

    def dense(self, n_features: int) -> Float[Tensor, "T N"]:
        """Leaves, then all features."""
        features = self.entries.new_zeros(len(self.entries), n_features)
        features[:, self.sources] = self.entries
        return torch.cat([self.leaves, features], 1)


class Leaves(NamedTuple):
    """Where each source that is no feature stands among the leaves of a row."""

    errors: slice
    tokens: slice
    positions: slice
    firsts: slice
    attn_biases: slice
    mlp_biases: slice
    read_bias: slice
    size: int

    @property
    def constants(self) -> slice:
        """All but errors and tokens: one contiguous range."""
        return slice(self.positions.start, self.size)

    @classmethod
    def of(cls, prompt: FrozenPrompt, *, has_error: bool) -> "Leaves":
        """The leaves of one prompt. Errors and first-position outputs are laid out [layer, position]."""
        L, P = prompt.n_layers, prompt.n_positions
        widths = (
            L * P if has_error else 0,
            P,
            P if prompt.position_embed is not None else 0,
            L * prompt.n_constant_positions,
            L,
            L,
            1,
        )
        slices, start = [], 0
        for width in widths:
            slices.append(slice(start, start + width))
            start += width
        return cls(*slices, size=start)


@dataclass(frozen=True, kw_only=True)
class RowMaker:
    """Makes rows of attributions for one prompt in one basis."""

    prompt: FrozenPrompt
    replacement: Replacement

    @cached_property
    def leaves(self) -> Leaves:
        """The layout of the leaves."""
        return Leaves.of(self.prompt, has_error=self.replacement.error is not None)

    @cached_property
    def _attn_constants(self) -> list[Float[Tensor, "P D"]]:
        return [block.attn_constant() for block in self.prompt.blocks]

    @cached_property
    def _embeddings(self) -> list[tuple[slice, Float[Tensor, "P D"], Float[Tensor, "P GE"]]]:
        """Token and position embeddings: their leaves, what they write, and that as values of the first attention."""
        leaves, prompt = self.leaves, self.prompt
        found = [(leaves.tokens, prompt.token_embed), (leaves.positions, prompt.position_embed)]
        return [(group, embed, prompt.blocks[0].value(embed)) for group, embed in found if embed is not None]

    def rows(self, aim: Aim) -> Iterator[tuple[slice, Rows]]:
        """Yield (which of the aim's targets, their rows) in blocks of bounded memory."""
        for chunk in self.chunks(aim.positions):
            yield chunk, self._block(aim, chunk)

    def feature_rows(self, chosen: Int[Tensor, " C"]) -> Iterator[tuple[Int[Tensor, " T"], Rows]]:
        """Yield (numbers of features, their rows) for the chosen features, ascending, in blocks of bounded memory."""
        return self.from_feature_rows(chosen, lambda numbers, rows: (numbers, rows))

    def from_feature_rows(self, chosen: Int[Tensor, " C"], make: Callable[[Int[Tensor, " T"], Rows], R]) -> Iterator[R]:
        """Yield what `make` makes of each such block, by the thread that made its rows."""
        active = self.replacement.active
        counts = torch.bincount(active.layer[chosen], minlength=self.prompt.n_layers).tolist()
        blocks = [
            (layer, here[chunk])
            for layer, here in enumerate(torch.split(chosen, counts))
            for chunk in self.chunks(active.position[here])
        ]
        yield from in_order(
            lambda block: make(*self._feature_block(*block)), blocks, threads=self._threads(len(blocks))
        )

    def _feature_block(self, layer: int, numbers: Int[Tensor, " T"]) -> tuple[Int[Tensor, " T"], Rows]:
        """The rows of these features of one layer."""
        read = self.replacement.read(numbers)
        positions = self.replacement.active.position[numbers]
        aim = Aim(self.replacement.reads_at, layer, positions, read.vectors, read.constant)
        return numbers, self._block(aim, slice(0, len(numbers)))

    def _threads(self, n_blocks: int) -> int:
        """How many blocks are made at a time."""
        return min(self._most_threads, max(1, n_blocks // 2))

    @property
    def _most_threads(self) -> int:
        """As many as there are threads, where that is worth it."""
        prompt = self.prompt
        if prompt.token_embed.device.type != "cpu" or prompt.n_positions * prompt.d_model < _LONG:
            return 1
        return torch.get_num_threads()

    def waiting_bytes(self) -> int:
        """Memory of the blocks that threads make ahead of whoever takes them: one for each thread."""
        threads = self._most_threads
        return threads * _BLOCK_BYTES if threads > 1 else 0

    def chunks(self, positions: Int[Tensor, " T"]) -> list[slice]:
        """Which targets of one layer, sorted by position, go through a sweep together."""
        if not len(positions):
            return []
        places, counts = (column.tolist() for column in positions.unique_consecutive(return_counts=True))
        D, n_heads = self.prompt.d_model, len(self.prompt.blocks[0].attn.W_O)
        few, active = _SMALL_PRODUCT // D**2, self.replacement.active
        found, start, stop, cone = [], 0, 0, 0
        for position, count in zip(places, counts, strict=True):
            Q, together, alone = position + 1, stop - start + count, cone + count * (position + 1)
            if together * Q > max(few, _PADDING * alone):
                found.append(slice(start, stop))
                start, alone = stop, count * Q
            cone = alone
            most = max(1, _BLOCK_BYTES // (24 * Q * D + 8 * n_heads * D + 8 * active.columns_before(Q)))
            stop += count
            while stop - start > most:
                found.append(slice(start, start + most))
                start += most
                cone = (stop - start) * Q
        return [*found, slice(start, stop)]

    def _block(self, aim: Aim, chunk: slice) -> Rows:
        g, positions = aim.vectors[chunk], aim.positions[chunk]
        sweep = _Sweep(self, len(g), int(positions[-1]) + 1)
        sweep._add(self.leaves.read_bias, 0, brought(self.prompt, aim)[chunk])
        norm = read_through(self.prompt, aim)
        g = g if norm is None else norm.adjoint_at(g, positions)
        if sees_own_attention(self.prompt, aim):
            spread = sweep.first_attention(g, aim.layer, positions)
        else:
            spread = g.new_zeros(sweep.Q, *g.shape)
        spread[positions, torch.arange(len(g), device=g.device)] += g
        if aim.entry == "resid_post":
            spread = sweep.layer(spread, aim.layer)
        return sweep.down(spread, aim.layer)


def read_through(prompt: FrozenPrompt, aim: Aim) -> FrozenNorm | None:
    """The norm between the residual stream and what is read."""
    match aim.entry:
        case "final_in":
            return prompt.final_norm
        case "attn_in":
            return prompt.blocks[aim.layer].attn_norm
        case "mlp_in":
            return prompt.blocks[aim.layer].mlp_norm
    return None


def brought(prompt: FrozenPrompt, aim: Aim) -> Float[Tensor, " T"]:
    """What targets bring themselves: their own biases, and that of the norm they read through."""
    norm = read_through(prompt, aim)
    return aim.constant if norm is None or norm.bias is None else aim.constant + aim.vectors @ norm.bias


def sees_own_attention(prompt: FrozenPrompt, aim: Aim) -> bool:
    """Whether what is read stands behind the attention of its own layer, and before what that layer's MLP adds."""
    if aim.entry not in ("mlp_in", "resid_mid"):
        return False
    parallel = prompt.blocks[aim.layer].parallel
    assert not (parallel and aim.entry == "resid_mid"), "a parallel layer has no residual stream in between"
    return not parallel


class _Sweep:
    """The block of rows being filled while a gradient g at the first Q positions goes down."""

    def __init__(self, maker: RowMaker, T: int, Q: int) -> None:
        self.maker, self.Q = maker, Q
        self.prompt, self.replacement = maker.prompt, maker.replacement
        self.out = self.prompt.token_embed.new_zeros(T, maker.leaves.size)
        self.met = self.out.new_zeros(T, self.replacement.active.columns_before(Q))
        """By column, per unit of activation."""

    def _add(self, group: slice, offset: int, entry: Float[Tensor, " T"]) -> None:
        self.out[:, group.start + offset] += entry

    def first_attention(self, g: Float[Tensor, "T D"], layer: int, positions: Int[Tensor, " T"]) -> Tensor:
        """What passes the attention of the targets' own layer, [Q, T, D]; it starts from one position per row."""
        constant = self.maker._attn_constants[layer][positions]
        self._add(self.maker.leaves.attn_biases, layer, (g * constant).sum(1))
        return self.prompt.blocks[layer].attn_adjoint_at(g, positions, self.Q).contiguous()

    def down(self, g: Float[Tensor, "Q T D"], top: int) -> Rows:
        """From the residual stream before layer `top` to the embeddings. Writes over g."""
        for layer in range(top - 1, -1, -1):
            if self.replacement.stream(layer) is not None:
                self.stream(g, layer)
                return self._rows(top)
            g = self.layer(g, layer)
        self._embeddings(g)
        return self._rows(top)

    def layer(self, g: Float[Tensor, "Q T D"], layer: int) -> Float[Tensor, "Q T D"]:
        """From behind a layer to before it. Below the first layer's attention stand only embeddings: they are met."""
        block = self.prompt.blocks[layer]
        passed = self.mlp(g, layer)
        beside = g if passed is None else g + passed
        through = g if block.parallel else beside
        self._attention_bias(through, layer)
        if layer == 0:
            self._embeddings_through(through)
        else:
            block.add_attn_adjoint(through, beside)
        return beside

    def _attention_bias(self, g: Float[Tensor, "Q T D"], layer: int) -> None:
        met = _meet(g, self.maker._attn_constants[layer])
        self._add(self.maker.leaves.attn_biases, layer, met.sum(1))

    def mlp(self, g: Float[Tensor, "Q T D"], layer: int) -> Float[Tensor, "Q T D"] | None:
        """Meet everything that was written into the MLP output of `layer`; return the gradient that its way passes."""
        block, way = self.prompt.blocks[layer], self.replacement.way(layer)
        place = self.replacement.writes_at if way is None else way.writes_at
        post = None if place == "after_post_norm" else block.mlp_post_norm
        h = g if post is None else post.adjoint(g)
        written = block.mlp_written()
        if way is not None:
            written = written - (way.written if post is None else post.linear(way.written))
        self._firsts(g, written, layer)
        if post is not None and post.bias is not None:
            live = g[self.prompt.n_constant_positions :]
            self._add(self.maker.leaves.mlp_biases, layer, live.sum(0) @ post.bias)
        if self.replacement.writes_at != "resid_post":
            self._live(h, layer)
        return None if way is None else self._pass(h, way, layer)

    def stream(self, g: Float[Tensor, "Q T D"], layer: int) -> None:
        """Meet everything that the residual stream behind `layer` is rewritten as."""
        stream = self.replacement.stream(layer)
        assert stream is not None
        self._firsts(g, stream, layer)
        self._live(g, layer)

    def _firsts(self, g: Float[Tensor, "Q T D"], written: Float[Tensor, "P D"], layer: int) -> None:
        """Meet what stands at the constant positions."""
        n_constant = self.prompt.n_constant_positions
        for position in range(min(self.Q, n_constant)):
            self._add(self.maker.leaves.firsts, layer * n_constant + position, g[position] @ written[position])

    def _live(self, h: Float[Tensor, "Q T D"], layer: int) -> None:
        """Meet biases, errors and features at all but constant positions; h is the gradient where they are written."""
        start, leaves = self.prompt.n_constant_positions, self.maker.leaves
        if start >= self.Q:
            return
        constant, error, live = self.replacement.bias[layer], self.replacement.error, h[start:]
        bias = live.sum(0) @ constant if constant.ndim == 1 else _meet(live, constant[start:]).sum(1)
        self._add(leaves.mlp_biases, layer, bias)
        if error is not None:
            here = leaves.errors.start + layer * self.prompt.n_positions
            self.out[:, here + start : here + self.Q] += _meet(live, error[layer, start:])
        for position in range(start, self.Q):
            for write in self.replacement.writes(layer, position):
                self.met[:, write.columns].addmm_(h[position], write.vectors.T)

    def _pass(self, h: Float[Tensor, "Q T D"], way: Way, layer: int) -> Float[Tensor, "Q T D"]:
        """The gradient that a way hands on to what the MLP's norm reads; its own constants are biases."""
        if way.constant is not None:
            self._add(self.maker.leaves.mlp_biases, layer, _meet(h, way.constant).sum(1))
        through = way.adjoint(h)
        if way.reads_at == "resid_mid":
            return through
        norm = self.prompt.blocks[layer].mlp_norm
        if norm.bias is not None:
            self._add(self.maker.leaves.mlp_biases, layer, through.sum(0) @ norm.bias)
        return norm.adjoint(through)

    def _embeddings_through(self, g: Float[Tensor, "Q T D"]) -> None:
        """Meet the embeddings through the first layer's attention, as its values."""
        at_values = self.prompt.blocks[0].value_adjoint(g)
        for group, _, values in self.maker._embeddings:
            self.out[:, group.start : group.start + self.Q] += _meet(at_values, values).to(self.out)

    def _embeddings(self, g: Float[Tensor, "Q T D"]) -> None:
        """Meet the token and position embeddings at the bottom."""
        for group, embed, _ in self.maker._embeddings:
            self.out[:, group.start : group.start + self.Q] += _meet(g, embed)

    def _rows(self, top: int) -> Rows:
        """What was met, as rows over the features below layer `top`."""
        active = self.replacement.active
        sources = (active.position[: active.below(top)] < self.Q).nonzero()[:, 0]
        entries = self.met.index_select(1, active.column[sources]) * active.activation[sources]
        return Rows(self.out, sources, entries)


def _meet(g: Float[Tensor, "Q T Y"], written: Float[Tensor, "P Y"]) -> Float[Tensor, "T Q"]:
    """⟨g, written⟩ at each position. The vector stands in front: the other way round the same product is far slower."""
    return torch.bmm(written[: len(g), None], g.mT)[:, 0].T
