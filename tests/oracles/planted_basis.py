"""A basis that no training made: random ReLU transcoders, per layer or across layers, with errors that are large.

It exercises everything of the `Replacement` interface that neurons do not: errors, decoder biases, features that write
to several layers. The arithmetic is written out plainly from the definition in the paper.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Active, Read, ReadPlace, Way, Write, WritePlace


@dataclass(frozen=True)
class Planted:
    """`W_dec[l][m]` writes features of layer l into layer m; an empty dict entry writes nothing."""

    active: Active
    bias: Tensor
    error: Tensor
    W_enc: Tensor
    b_enc: Tensor
    W_dec: dict[tuple[int, int], Tensor]
    reads_at: ClassVar[ReadPlace] = "mlp_in"
    writes_at: ClassVar[WritePlace] = "before_post_norm"

    def writes(self, layer: int, position: int):
        for source in range(layer + 1):
            here = self.active.at(source, position)
            if (source, layer) in self.W_dec and here.start < here.stop:
                vectors = self.W_dec[source, layer][self.active.index[here]]
                columns = self.active.columns(position, source, source)
                yield Write(columns, vectors, self.active.activation[here])

    def read(self, chosen: Tensor) -> Read:
        layer, index = int(self.active.layer[chosen[0]]), self.active.index[chosen]
        return Read(self.W_enc[layer, index], self.b_enc[layer, index])

    def way(self, layer: int) -> Way | None:
        return None

    def stream(self, layer: int) -> Tensor | None:
        return None

    def take(self, chosen: Tensor) -> "Planted":
        return replace(self, active=self.active.take(chosen))


def plant(prompt: FrozenPrompt, n_features: int = 24, *, cross_layer: bool, seed: int = 0) -> Planted:
    """Random dictionaries on the MLPs of a prompt, in the prompt's own dtype."""
    generator = torch.Generator().manual_seed(seed)
    L, P, D = prompt.n_layers, prompt.n_positions, prompt.d_model
    dtype = prompt.token_embed.dtype

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype) * 2 - 1

    W_enc, b_enc, b_dec = rand(L, n_features, D), rand(L, n_features), rand(L, D)
    pairs = [(s, t) for s in range(L) for t in range(s, L) if cross_layer or s == t]
    W_dec = {pair: rand(n_features, D) for pair in pairs}
    codes = torch.stack([block.mlp_in for block in prompt.blocks]) @ W_enc.transpose(1, 2) + b_enc[:, None]
    acts = codes.clamp(min=0)
    acts[:, : prompt.n_constant_positions] = 0
    layer, position, index = acts.nonzero(as_tuple=True)
    error = torch.stack([block.mlp_out for block in prompt.blocks]) - b_dec[:, None]
    for (source, target), decoder in W_dec.items():
        error[target] -= acts[source] @ decoder
    error[:, : prompt.n_constant_positions] = 0
    active = Active.build(
        layer,
        position,
        index,
        acts[layer, position, index],
        codes[layer, position, index],
        n_layers=L,
        n_positions=P,
    )
    return Planted(active, b_dec, error, W_enc, b_enc, W_dec)
