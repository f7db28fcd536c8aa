"""Shuffled activations without end, read live from a model.

Windows are read block by block; the tokens of a block are put in a random order, which follows from the seed and the
number of the block alone. So a run continues exactly from (where the block's windows begin, number of the block, tokens
used), without storing activations: the block is read again. Whatever else yields the same batches, from memory
or from files, can stand in its place.
"""

from collections.abc import Generator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.activations.blocks import Blocks
from gearscope.activations.config import ReadingConfig
from gearscope.activations.harvest import passes
from gearscope.config import fingerprint
from gearscope.corpus.windows import Corpus, Place
from gearscope.models.model import Model

_BYTES = 4


class ActivationStream(Blocks):
    """Batches of activations of one model on one corpus; with `tangents`, of the slopes of its MLPs too.

    Taking raises ModelError for activations that are not finite, and what the corpus raises.
    """

    def __init__(
        self,
        model: Model,
        corpus: Corpus,
        sites: Sequence[str],
        config: ReadingConfig,
        *,
        tangents: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.sites, self.tangents = tuple(sites), tuple(tangents)
        self._planes = len(self.sites) + 2 * len(self.tangents)
        self._model = model
        self._corpus = corpus
        self._config = config
        allowed = config.block_megabytes * 1_000_000 // (self._planes * model.d_model * _BYTES)
        self._windows = max(1, min(config.block_tokens, allowed) // (corpus.context - 1))
        self._number = 0
        self._begin: Place | None = None
        self._end: Place | None = None

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with anything that decides the batches."""
        sites = [*self.sites, *(f"slope {layer}" for layer in self.tangents)]
        parts = [self._model.fingerprint, self._corpus.fingerprint, self._config.fingerprint(), sites]
        return fingerprint(parts)

    def block(self) -> Float[Tensor, "P M D"]:
        """All tokens of the present block, and on to the next. Only where none of them was taken."""
        assert self._used == 0, "a whole block"
        return self.take(len(self.sample()))

    def _advance(self) -> None:
        self._begin, self._number = self._end, self._number + 1

    def _where(self) -> dict[str, Any]:
        return {"begin": self._begin, "number": self._number}

    def _move(self, where: dict[str, Any]) -> None:
        self._begin, self._number = where["begin"], where["number"]

    def _read(self) -> Float[Tensor, "P M D"]:
        ids, self._end, _ = self._corpus.take(self._windows, self._begin)
        n_tokens = ids.shape[0] * (ids.shape[1] - 1)
        seed = int(fingerprint([self._config.shuffle_seed, self._number]), 16) % 2**63
        draw = torch.Generator().manual_seed(seed)
        order = torch.randperm(n_tokens, generator=draw).to(self._model.device)
        block, start = torch.empty(n_tokens, self._planes, self._model.d_model, device=self._model.device), 0
        for acts in self._passes(ids, draw):
            block[order[start : start + len(acts)]] = acts
            start += len(acts)
        return block

    def _passes(self, ids: Int[Tensor, "B P"], draw: torch.Generator) -> Generator[Float[Tensor, "K M D"]]:
        """Activations of some windows, in their order."""
        read = self._config.pass_tokens
        return passes(self._model, ids, self.sites, pass_tokens=read, tangents=self.tangents, draw=draw)
