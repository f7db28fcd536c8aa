"""Which nodes act on the answer through which others, measured in the running model by path patching.

Nodes are what stands at one layer and position: a token, an MLP, the answer. Two prompts of one length, base and
source, with the metric m = logit(the base's answer) − logit(the source's answer). For a sender s and a receiver r

    1. run the base with what s writes taken from the source, every other MLP held at what it wrote in the base,
       and read what r now reads
    2. run the base with what r makes of that in place of what r wrote; all that lies behind r answers
    effect(s → r) = m − m(base);        for the answer as receiver, m of the first run

so an effect is what the source's s does through the direct path to r, wherever it goes from there (Wang et al. 2022,
"Interpretability in the wild"; Goldowsky-Dill et al. 2023, "Localizing model behavior with path patching"). Attention
and norms either answer throughout, or patterns and norm scales are the base's, which is the graphs' convention.

Knows nothing about graphs: nothing here is linear, and no weights are multiplied.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.ids import SiteId
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model
from gearscope.models.sites import Edit

Held = Literal["nothing", "attention and norms"]
HELD: tuple[Held, ...] = ("nothing", "attention and norms")
_ROWS = 256
_MOVED = 1e-5
"""A receiver is reached where its input moves by this share of its length: rounding moves it less."""

Numbers = Any
"""A whole number, or an array of them."""


class Grid(NamedTuple):
    """Numbers of nodes: tokens and MLPs send, MLPs and the answer receive."""

    n_layers: int
    n_positions: int

    @property
    def senders(self) -> int:
        """Tokens by position, then the MLPs layer by layer."""
        return (self.n_layers + 1) * self.n_positions

    @property
    def receivers(self) -> int:
        """The MLPs layer by layer, then the answer."""
        return self.n_layers * self.n_positions + 1

    def sender(self, layer: Numbers, position: Numbers) -> Numbers:
        """The number of an MLP, or of a token with the layer -1."""
        return (layer + 1) * self.n_positions + position

    def receiver(self, layer: Numbers, position: Numbers) -> Numbers:
        """The number of an MLP; the answer is the last."""
        return layer * self.n_positions + position


class PathEffects(NamedTuple):
    """Every direct path of one prompt, by sender and receiver."""

    grid: Grid
    total: float
    """m(source) − m(base), whole prompts."""
    effect: Float[np.ndarray, "S R"]
    """0 where nothing arrives."""
    reached: Bool[np.ndarray, "S R"]
    """Where the sender writes something else in the source, and the receiver reads it."""


def path_effects(
    model: Model, base: FrozenPrompt, source: FrozenPrompt, answers: tuple[int, int], held: Held
) -> PathEffects:
    """The effect of every direct path from what `source` writes; `answers` are the base's and the source's."""
    grid = Grid(base.n_layers, base.n_positions)
    ours, theirs = _written(base), _written(source)
    senders = (ours != theirs).any(-1).nonzero()[:, 0]
    effect = ours.new_zeros(grid.senders, grid.receivers)
    reached = torch.zeros_like(effect, dtype=torch.bool)
    nothing = _Put(senders.new_full((1,), -1), senders.new_zeros(1), ours[:1])
    start, read = _held_run(model, base, nothing, answers, held)
    for some in senders.split(_ROWS):
        put = _Put(some // grid.n_positions - 1, some % grid.n_positions, theirs[some])
        m, inputs = _held_run(model, base, put, answers, held)
        effect[some, -1] = m - start
        reached[some, -1] = (m - start).abs() > _MOVED * start.abs()
        moved = (inputs - read).norm(dim=-1) > _MOVED * read.norm(dim=-1)
        reached[some, :-1] = moved
        for pairs in moved.nonzero().split(_ROWS):
            row, receiver = pairs.T
            put = _Put(receiver // grid.n_positions, receiver % grid.n_positions, inputs[row, receiver])
            effect[some[row], receiver] = _run_on(model, base, put, answers, held) - start
    total = _metric(source.logits[-1], answers) - _metric(base.logits[-1], answers)
    return PathEffects(grid, float(total), effect.double().numpy(force=True), reached.numpy(force=True))


class _Put(NamedTuple):
    """A value to set in each row of a batch, at one layer (-1: the embedding) and position."""

    layer: Int[Tensor, " B"]
    position: Int[Tensor, " B"]
    value: Float[Tensor, "B D"]

    def edits(self, site: str) -> Iterator[Edit]:
        """One edit for each layer that is there."""
        for layer in self.layer.unique().tolist():
            rows = (self.layer == layer).nonzero()[:, 0]
            where = SiteId(None, "embed") if layer < 0 else SiteId(layer, site)
            yield Edit(site=where, value=partial(_set, rows, self.position[rows], self.value[rows]))


def _set(
    rows: Int[Tensor, " R"], position: Int[Tensor, " R"], value: Float[Tensor, "R D"], x: Float[Tensor, "B P D"]
) -> Float[Tensor, "B P D"]:
    x = x.clone()
    x[rows, position] = value
    return x


def _written(prompt: FrozenPrompt) -> Float[Tensor, "S D"]:
    """What every sender writes."""
    return torch.stack([prompt.token_embed, *(block.mlp_written() for block in prompt.blocks)]).flatten(0, 1)


def _held_run(
    model: Model, base: FrozenPrompt, put: _Put, answers: tuple[int, int], held: Held
) -> tuple[Float[Tensor, " B"], Float[Tensor, "B R D"]]:
    """m, and what every MLP reads, where one write of each row is another and no other MLP answers to it."""
    names = [f"blocks.{layer}.mlp_in" for layer in range(base.n_layers)]
    freeze = _freeze(base, held, None)
    ids = base.token_ids.expand(len(put.layer), -1)
    run = model.run(ids, read=names, edits=list(put.edits("mlp_out")), freeze=freeze)
    inputs = torch.stack([run.sites[name] for name in names], dim=1).flatten(1, 2)
    return _metric(run.logits[:, -1], answers), inputs


def _run_on(model: Model, base: FrozenPrompt, put: _Put, answers: tuple[int, int], held: Held) -> Float[Tensor, " B"]:
    """m where one MLP of each row reads something else, and all that lies behind it answers."""
    ids = base.token_ids.expand(len(put.layer), -1)
    run = model.run(ids, edits=list(put.edits("mlp_in")), freeze=_freeze(base, held, ()))
    return _metric(run.logits[:, -1], answers)


def _freeze(base: FrozenPrompt, held: Held, mlp_layers: tuple[int, ...] | None) -> Frozen:
    still = held != "nothing"
    return Frozen(record=base, patterns=still, norms=still, routing=still, mlp_layers=mlp_layers)


def _metric(logits: Float[Tensor, "*B V"], answers: tuple[int, int]) -> Float[Tensor, "*B"]:
    return logits[..., answers[0]] - logits[..., answers[1]]
