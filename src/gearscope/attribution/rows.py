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
Rows are linear and independent of each other, so how they are batched cannot change them. Knows nothing about which
targets are worth a row, nor about graphs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Replacement, Way

Entry = Literal["resid_pre", "resid_mid", "mlp_in", "resid_post", "final_in"]

_BLOCK_BYTES = 192 * 2**20
"""Memory that one block of rows may take; chosen for speed, without effect on results."""


class Aim(NamedTuple):
    """Vectors read at one place: targets that share a sweep. `layer` is n_layers for `final_in`."""

    entry: Entry
    layer: int
    position: int
    vectors: Float[Tensor, "T D"]
    constant: Float[Tensor, " T"]
    """The part of each value that the target itself brings: its encoder bias."""


class Columns(NamedTuple):
    """Where each source stands in a row: leaves first, then features, so that those a target sees are a prefix."""

    errors: slice
    tokens: slice
    positions: slice
    firsts: slice
    attn_biases: slice
    mlp_biases: slice
    read_bias: slice
    n_leaves: int

    @classmethod
    def of(cls, prompt: FrozenPrompt, *, has_error: bool) -> "Columns":
        """The columns of one prompt. Errors and first-position outputs are laid out [layer, position]."""
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
        return cls(*slices, n_leaves=start)


@dataclass(frozen=True, kw_only=True)
class RowMaker:
    """Makes rows of attributions for one prompt in one basis."""

    prompt: FrozenPrompt
    replacement: Replacement

    @cached_property
    def columns(self) -> Columns:
        """The layout of a row."""
        return Columns.of(self.prompt, has_error=self.replacement.error is not None)

    @cached_property
    def _attn_constants(self) -> list[Float[Tensor, "P D"]]:
        return [block.attn_constant() for block in self.prompt.blocks]

    def rows(self, aim: Aim) -> Iterator[tuple[slice, Float[Tensor, "T N"]]]:
        """Yield (which of the aim's targets, their rows) in blocks of bounded memory.

        A row has `columns.n_leaves` entries and one for each feature in the layers below the target.
        """
        n_columns = self.columns.n_leaves + self.replacement.active.below(aim.layer)
        per_row = 4 * n_columns + 24 * (aim.position + 1) * self.prompt.d_model
        step = max(1, _BLOCK_BYTES // per_row)
        for start in range(0, len(aim.vectors), step):
            chunk = slice(start, min(start + step, len(aim.vectors)))
            yield chunk, self._block(aim, chunk, n_columns)

    def _block(self, aim: Aim, chunk: slice, n_columns: int) -> Float[Tensor, "T N"]:
        sweep = _Sweep(self, aim.vectors.new_zeros(chunk.stop - chunk.start, n_columns))
        g = aim.vectors[chunk, None, :]
        sweep.read_bias(g, aim.constant[chunk], aim)
        match aim.entry:
            case "final_in":
                g = self.prompt.final_norm.adjoint(g, aim.position)
            case "mlp_in":
                g = self.prompt.blocks[aim.layer].mlp_norm.adjoint(g, aim.position)
                if not self.prompt.blocks[aim.layer].parallel:
                    g = sweep.attention(g, aim.layer, aim.position)
            case "resid_mid":
                assert not self.prompt.blocks[aim.layer].parallel, "a parallel layer has no residual stream in between"
                g = sweep.attention(g, aim.layer, aim.position)
            case "resid_pre":
                pass
            case "resid_post":
                g = sweep.layer(g, aim.layer, aim.position)
        for layer in range(aim.layer - 1, -1, -1):
            first = aim.position + 1 - g.shape[1]
            if self.replacement.stream(layer) is not None:
                sweep.stream(g, layer, first)
                return sweep.out
            g = sweep.layer(g, layer, first)
        sweep.embeddings(g, aim.position + 1 - g.shape[1])
        return sweep.out


class _Sweep:
    """The block of rows being filled while a gradient g [T, W, D] at positions first .. first + W goes down."""

    def __init__(self, maker: RowMaker, out: Float[Tensor, "T N"]) -> None:
        self.maker = maker
        self.prompt = maker.prompt
        self.replacement = maker.replacement
        self.columns = maker.columns
        self.out = out

    def _add(self, group: slice, offset: int, entry: Tensor) -> None:
        self.out[:, group.start + offset] += entry

    def read_bias(self, g: Float[Tensor, "T 1 D"], constant: Float[Tensor, " T"], aim: Aim) -> None:
        """What the target brings itself: its own bias and that of the norm it reads through."""
        norms = {"final_in": self.prompt.final_norm}
        if aim.entry == "mlp_in":
            norms["mlp_in"] = self.prompt.blocks[aim.layer].mlp_norm
        norm = norms.get(aim.entry)
        total = constant if norm is None or norm.bias is None else constant + g[:, 0] @ norm.bias
        self._add(self.columns.read_bias, 0, total)

    def layer(self, g: Float[Tensor, "T W D"], layer: int, first: int) -> Float[Tensor, "T Q D"]:
        """From behind a layer to before it."""
        passed = self.mlp(g, layer, first)
        if passed is None:
            return self.attention(g, layer, first)
        if not self.prompt.blocks[layer].parallel:
            return self.attention(g + passed, layer, first)
        through = self.attention(g, layer, first)
        through[:, first:] += passed
        return through

    def attention(self, g: Float[Tensor, "T W D"], layer: int, first: int) -> Float[Tensor, "T Q D"]:
        """From after the attention of `layer` to before it; the gradient spreads over all earlier positions."""
        block = self.prompt.blocks[layer]
        constant = self.maker._attn_constants[layer][first : first + g.shape[1]]
        self._add(self.columns.attn_biases, layer, torch.einsum("twd,wd->t", g, constant))
        inner = g if block.attn_post_norm is None else block.attn_post_norm.adjoint(g, first)
        spread = block.attn_norm.adjoint(block.attn.adjoint(inner, first))
        spread[:, first:] += g
        return spread

    def mlp(self, g: Float[Tensor, "T W D"], layer: int, first: int) -> Float[Tensor, "T W D"] | None:
        """Meet everything that was written into the MLP output of `layer`; return the gradient that its way passes."""
        block, way = self.prompt.blocks[layer], self.replacement.way(layer)
        place = self.replacement.writes_at if way is None else way.writes_at
        post = None if place == "after_post_norm" else block.mlp_post_norm
        h = g if post is None else post.adjoint(g, first)
        written = block.mlp_written()
        if way is not None:
            written = written - (way.written if post is None else post.linear(way.written))
        self._firsts(g, written, layer, first)
        start = self._start(first)
        if start < first + g.shape[1]:
            if post is not None and post.bias is not None:
                self._add(self.columns.mlp_biases, layer, g[:, start - first :].sum(1) @ post.bias)
            if self.replacement.writes_at != "resid_post":
                self._live(h, layer, first)
        return None if way is None else self._pass(h, way, layer, first)

    def stream(self, g: Float[Tensor, "T W D"], layer: int, first: int) -> None:
        """Meet everything that the residual stream behind `layer` is rewritten as."""
        stream = self.replacement.stream(layer)
        assert stream is not None
        self._firsts(g, stream, layer, first)
        if self._start(first) < first + g.shape[1]:
            self._live(g, layer, first)

    def _start(self, first: int) -> int:
        return max(first, self.prompt.n_constant_positions)

    def _firsts(self, g: Float[Tensor, "T W D"], written: Float[Tensor, "P D"], layer: int, first: int) -> None:
        """Meet what stands at the constant positions."""
        n_constant = self.prompt.n_constant_positions
        for position in range(first, min(first + g.shape[1], n_constant)):
            self._add(self.columns.firsts, layer * n_constant + position, g[:, position - first] @ written[position])

    def _live(self, h: Float[Tensor, "T W D"], layer: int, first: int) -> None:
        """Meet biases, errors and features at all but constant positions; h is the gradient where they write."""
        start, last = self._start(first), first + h.shape[1]
        live = h[:, start - first :]
        constant = self.replacement.bias[layer]
        everywhere = constant.ndim == 1
        bias = live.sum(1) @ constant if everywhere else torch.einsum("twd,wd->t", live, constant[start:last])
        self._add(self.columns.mlp_biases, layer, bias)
        if self.replacement.error is not None:
            errors = torch.einsum("twd,wd->tw", live, self.replacement.error[layer, start:last])
            here = self.columns.errors.start + layer * self.prompt.n_positions
            self.out[:, here + start : here + last] += errors
        for position in range(start, last):
            self._features(h[:, position - first], layer, position)

    def _pass(self, h: Float[Tensor, "T W D"], way: Way, layer: int, first: int) -> Float[Tensor, "T W D"]:
        """The gradient that a way hands on to what the MLP's norm reads; its own constants are biases."""
        if way.constant is not None:
            constant = way.constant[first : first + h.shape[1]]
            self._add(self.columns.mlp_biases, layer, torch.einsum("twd,wd->t", h, constant))
        through = way.adjoint(h, first)
        if way.reads_at == "resid_mid":
            return through
        norm = self.prompt.blocks[layer].mlp_norm
        if norm.bias is not None:
            self._add(self.columns.mlp_biases, layer, through.sum(1) @ norm.bias)
        return norm.adjoint(through, first)

    def _features(self, h: Float[Tensor, "T D"], layer: int, position: int) -> None:
        for write in self.replacement.writes(layer, position):
            to = slice(self.columns.n_leaves + write.features.start, self.columns.n_leaves + write.features.stop)
            self.out[:, to] += (h @ write.vectors.T) * write.activation

    def embeddings(self, g: Float[Tensor, "T W D"], first: int) -> None:
        """Meet the token and position embeddings at the bottom."""
        last = first + g.shape[1]
        for group, embed in (
            (self.columns.tokens, self.prompt.token_embed),
            (self.columns.positions, self.prompt.position_embed),
        ):
            if embed is not None:
                entries = torch.einsum("twd,wd->tw", g, embed[first:last])
                self.out[:, group.start + first : group.start + last] += entries
