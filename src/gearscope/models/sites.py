"""Named places in a model, and edits of what stands there.

    embed                     what the token embedding writes              [P D]
    blocks.i.resid_pre        the residual stream before layer i           [P D]   resid_mid, resid_post likewise
                              (no resid_mid where MLP and attention both read resid_pre)
    blocks.i.attn_in, mlp_in  what attention, the MLP read (after norm)    [P D]
    blocks.i.q, k, v          per head, before any norm and rotation       [P H E] (k, v: [P G E])
    blocks.i.pattern          attention pattern                            [H P P] (head, query, key)
    blocks.i.z                per head, before W_O                         [P H E]
    blocks.i.attn_out         what attention ADDS to the residual stream   [P D]   (after a post-norm)
    blocks.i.routing          the weight of each expert, after top-k       [P X]   (layers with experts only)
    blocks.i.mlp_act          the MLP's activations, before W_out          [P F]   (experts side by side, before their
                              weights; zero in experts that were not chosen, where nothing is written either)
    blocks.i.mlp_raw          what the MLP itself returned               [P D]   (before a post-norm)
    blocks.i.mlp_out          what the MLP ADDS to the residual stream     [P D]   (after a post-norm)
    final_in                  what the unembedding reads (after norm)      [P D]
    logits                    the model's logits, after a soft-cap         [P V]

Any other module can be read by its own path. An edit speaks of absolute positions, so that it means the same with and
without a key-value cache. It knows nothing about hooks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gearscope.errors import ConfigError
from gearscope.ids import SiteId
from gearscope.models.anatomy import Anatomy, HeadPart, Part

Side = Literal["input", "output", "pattern", "routing", "neurons"]


class Place(NamedTuple):
    """How a site is reached: a side of a module, perhaps one of several equal parts, perhaps split into heads."""

    path: str
    module: nn.Module
    side: Side
    rank: int = 1
    """Axes of one position's value."""
    axis: int = -2
    """The axis of positions, counted from the end."""
    heads: int | None = None
    index: int = 0
    parts: int = 1
    per_head: bool = False
    """The parts lie side by side within each head."""
    shared: bool = False
    """The tensor is also used beside the module (the residual stream around a norm): it is overwritten in place."""

    def take(self, x: Tensor) -> Tensor:
        """The site's value [B, P, ...] out of the module's tensor."""
        if self.per_head:
            return x.unflatten(-1, (self.heads, self.parts, -1)).select(-2, self.index)
        if self.parts > 1:
            x = x.chunk(self.parts, dim=-1)[self.index]
        return x if self.heads is None else x.unflatten(-1, (self.heads, -1))

    def put(self, x: Tensor, value: Tensor) -> Tensor:
        """The module's tensor with the site's value replaced."""
        if self.per_head:
            whole = list(x.unflatten(-1, (self.heads, self.parts, -1)).unbind(-2))
            whole[self.index] = value
            return torch.stack(whole, dim=-2).flatten(-3)
        value = value if self.heads is None else value.flatten(-2)
        if self.parts == 1:
            return value
        slices = list(x.chunk(self.parts, dim=-1))
        slices[self.index] = value
        return torch.cat(slices, dim=-1)


def place(anatomy: Anatomy, site: SiteId) -> Place:
    """Where a site is in this model. Raises ConfigError for a layer or a site that it does not have."""
    if site.of is not None:
        raise ConfigError("a site of one model was expected", found=f"{site}, of two that are compared")
    if site.layer is None:
        if site.name == "logits":
            return Place("", anatomy.hf, "output")
        part = anatomy.embed if site.name == "embed" else anatomy.final_norm
        return Place(part.path, part.module, "output")
    if site.layer >= len(anatomy.blocks):
        raise ConfigError(f"a layer below {len(anatomy.blocks)} was expected", found=str(site))
    if site.name == "resid_mid" and anatomy.parallel:
        expected = "a site of a parallel layer was expected, where the MLP does not read what attention wrote"
        raise ConfigError(expected, found=str(site), hint="read resid_pre, attn_out or resid_post")
    parts = anatomy.blocks[site.layer]
    if site.name == "routing":
        if parts.router is None:
            raise ConfigError("a layer with experts was expected", found=str(site))
        return Place(parts.mlp.path, parts.mlp.module, "routing")
    wide: dict[str, tuple[Part, Side]] = {
        "resid_pre": (parts.block, "input"),
        "attn_in": (Part(*parts.attn_norm[:2]), "output"),
        "attn_out": (Part(*(parts.attn_post_norm or parts.attn)[:2]), "output"),
        "resid_mid": (Part(*parts.mlp_norm[:2]), "input"),
        "mlp_in": (Part(*parts.mlp_norm[:2]), "output"),
        "mlp_act": (parts.down, "input") if parts.down is not None else (parts.mlp, "neurons"),
        "mlp_raw": (parts.mlp, "output"),
        "mlp_out": (Part(*(parts.mlp_post_norm or parts.mlp)[:2]), "output"),
        "resid_post": (parts.block, "output"),
    }
    if site.name in wide:
        part, side = wide[site.name]
        return Place(part.path, part.module, side, shared=site.name == "resid_mid")
    if site.name == "pattern":
        return Place(parts.attn.path, parts.attn.module, "pattern", rank=2, axis=-2)
    if site.name == "z":
        return Place(parts.o.path, parts.o.module, "input", rank=2, axis=-3, heads=anatomy.n_heads)
    head_part: HeadPart = {"q": parts.q, "k": parts.k, "v": parts.v}[site.name]
    return Place(
        head_part.path,
        head_part.module,
        "output",
        rank=2,
        axis=-3,
        heads=head_part.n_heads,
        index=head_part.index,
        parts=head_part.parts,
        per_head=head_part.per_head,
    )


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change at one site: `set`, `add` to or `scale` what stands there, or a function of it.

    `value` is a number; a tensor for one position ([D], or [H, E], ...), used at each; a tensor with one row per entry
    of `positions` (per absolute position when `positions` is None; positions after the last row stay as they are); or a
    function from the selected rows to new ones. Patterns have their queries as positions and keep their axes
    [H, query, key]. `positions` are absolute and count a beginning-of-sequence token; None means all of them, and
    `range(5, 10**9)` everything from position 5 on. Raises ConfigError.
    """

    site: SiteId
    value: Tensor | float | Callable[[Tensor], Tensor]
    mode: str = "set"
    positions: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("set", "add", "scale"):
            raise ConfigError("an edit sets, adds or scales", found=repr(self.mode))
        if callable(self.value) and self.mode != "set":
            raise ConfigError("an edit by a function has the mode 'set'", found=repr(self.mode))
        if self.positions is not None and len(self.positions) and min(self.positions[0], self.positions[-1]) < 0:
            raise ConfigError("positions count from 0", found=str(self.positions))

    def apply(self, x: Tensor, at: Place, offset: int) -> Tensor:
        """Edit `x`, the value at the place `at`, whose first row stands at absolute position `offset`."""
        n_positions = x.shape[at.axis]
        rows = self._rows(n_positions, at, offset)
        if not rows:
            return x
        axis = x.ndim + at.axis
        here = torch.tensor([position - offset for position, _ in rows], device=x.device)
        old = x.index_select(axis, here)
        new = self._new(old, at, [row for _, row in rows])
        return new if len(rows) == n_positions else x.index_copy(axis, here, new)

    def _rows(self, n_positions: int, at: Place, offset: int) -> list[tuple[int, int]]:
        """(absolute position, row of the value) for every position to change."""
        present = range(offset, offset + n_positions)
        value = self.value
        n_rows = value.shape[at.axis] if isinstance(value, Tensor) and value.ndim > at.rank else None
        if self.positions is None:
            return [(p, p) for p in present if n_rows is None or p < n_rows]
        if n_rows is not None and n_rows != len(self.positions):
            raise ConfigError(f"an edit of {len(self.positions)} positions needs as many rows", found=str(n_rows))
        return [(p, self.positions.index(p)) for p in present if p in self.positions]

    def _new(self, old: Tensor, at: Place, rows: list[int]) -> Tensor:
        """The new values of the selected rows."""
        value = self.value(old) if callable(self.value) else self.value
        value = value.to(old) if isinstance(value, Tensor) else old.new_tensor(value)
        if isinstance(self.value, Tensor) and value.ndim == at.rank:
            value = value.unsqueeze(at.axis)
        elif isinstance(self.value, Tensor) and value.ndim > at.rank:
            value = value.index_select(value.ndim + at.axis, torch.tensor(rows, device=value.device))
        given = self.value if isinstance(self.value, Tensor) else value
        try:
            new = value if self.mode == "set" else old + value if self.mode == "add" else old * value
            return new.expand_as(old)
        except RuntimeError as error:
            expected = f"an edit of {self.site} needs a value that fits {tuple(old.shape)}"
            raise ConfigError(expected, found=str(tuple(given.shape))) from error
