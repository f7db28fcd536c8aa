"""Attention scores by the formulas of the papers: what parts of two inputs make of a score, norms of heads frozen.

Made of `reference_forward`, which shares nothing with the package but the weights.
"""

from torch import Tensor
from transformers import PreTrainedModel

from tests.oracles.reference_forward import _LLAMA_NAMES, _NAMES, _Pass


class PairScores:
    """One layer of one model on one prompt; `read` is what its attention reads, [P, D]."""

    def __init__(self, model: PreTrainedModel, layer: int, read: Tensor) -> None:
        self.forward = _Pass(model, {})
        names = _NAMES.get(model.config.model_type, _LLAMA_NAMES)
        self.layer, self.read, self.root = layer, read.double(), f"{names['layer']}.{layer}."

    def _end(self, which: int, x: Tensor) -> Tensor:
        """Queries (0) or keys (1) [heads, P, E] of inputs [P, D] that are scaled as the prompt's own are."""
        heads = self.forward.split(self.root, x)[which].transpose(0, 1)
        name = f"{self.root}self_attn.{'qk'[which]}_norm"
        if f"{name}.weight" in self.forward.W:
            own = self.forward.split(self.root, self.read)[which].transpose(0, 1)
            heads = heads * (self.forward.norm(name, own) / own)
        if self.forward.kind == "gpt2":
            return heads
        types = getattr(self.forward.c, "layer_types", None)
        return self.forward.rotate(heads, None if types is None else types[self.layer])

    def scale(self) -> float:
        """What the product of query and key is multiplied by."""
        c = self.forward.c
        if self.forward.gemma:
            return c.query_pre_attn_scalar**-0.5
        width = self._end(0, self.read).shape[-1] ** -0.5
        return width / (self.layer + 1) if self.forward.kind == "gpt2" and c.scale_attn_by_inverse_layer_idx else width

    def score(self, head: int, query: int, key: int) -> float:
        """The whole score."""
        q, k = self._end(0, self.read)[head, query], self._end(1, self.read)
        return float(q @ k[head // (self.forward.c.num_attention_heads // len(k)), key]) * self.scale()

    def pair(self, head: int, query: int, key: int, of_query: Tensor, of_key: Tensor) -> float:
        """What two parts [P, D] of the input make together, biases aside."""
        moved = [self._end(which, part) - self._end(which, 0 * part) for which, part in enumerate((of_query, of_key))]
        shared = head // (self.forward.c.num_attention_heads // len(moved[1]))
        return float(moved[0][head, query] @ moved[1][shared, key]) * self.scale()
