"""Shuffled activations without end, read live from a model.

Windows are read block by block; the tokens of a block are put in a random order, which follows from the seed and the
number of the block alone. So a run continues exactly from (where the block's windows begin, number of the block, tokens
used), without storing activations: the block is read again. Whatever else yields the same batches, from memory
or from files, can stand in its place.
"""

import json
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.activations.config import ReadingConfig
from gearscope.activations.harvest import passes
from gearscope.config import fingerprint
from gearscope.corpus.windows import Corpus, Place
from gearscope.models.model import Model

_BYTES = 4


class ActivationStream:
    """Batches of activations of one model on one corpus; with `tangents`, of the slopes of its MLPs too."""

    def __init__(
        self,
        model: Model,
        corpus: Corpus,
        sites: Sequence[str],
        config: ReadingConfig,
        *,
        tangents: Sequence[int] = (),
    ) -> None:
        self.sites, self.tangents = tuple(sites), tuple(tangents)
        self._planes = len(self.sites) + 2 * len(self.tangents)
        self._model = model
        self._corpus = corpus
        self._config = config
        allowed = config.block_megabytes * 1_000_000 // (self._planes * model.d_model * _BYTES)
        self._windows = max(1, min(config.block_tokens, allowed) // (corpus.context - 1))
        self._number, self._used = 0, 0
        self._begin: Place | None = None
        self._end: Place | None = None
        self._block: Tensor | None = None

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with anything that decides the batches."""
        sites = [*self.sites, *(f"slope {layer}" for layer in self.tangents)]
        parts = [self._model.fingerprint, self._corpus.fingerprint, self._config.fingerprint(), sites]
        return fingerprint(parts)

    def sample(self) -> Float[Tensor, "P M D"]:
        """The tokens of the present block, without moving on."""
        return self._filled()

    def take(self, n_tokens: int) -> Float[Tensor, "P M D"]:
        """The next tokens. Raises ModelError for activations that are not finite, and what the corpus raises."""
        parts, missing = [], n_tokens
        while missing:
            block = self._filled()
            part = block[self._used : self._used + missing]
            parts.append(part)
            self._used += len(part)
            missing -= len(part)
            if self._used == len(block):
                self._begin, self._number, self._used, self._block = self._end, self._number + 1, 0, None
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def block(self) -> Float[Tensor, "P M D"]:
        """All tokens of the present block, and on to the next. Only where none of them was taken."""
        assert self._used == 0, "a whole block"
        return self.take(len(self._filled()))

    def place(self) -> str:
        """Where the next token is, as JSON."""
        return json.dumps({"begin": self._begin, "number": self._number, "used": self._used})

    def go_to(self, place: str) -> None:
        """Go on from a place that `place` gave."""
        found = json.loads(place)
        self._begin, self._number, self._used = found["begin"], found["number"], found["used"]
        self._block = None

    def _filled(self) -> Float[Tensor, "P M D"]:
        if self._block is not None:
            return self._block
        ids, self._end = self._corpus.take(self._windows, self._begin)
        n_tokens = ids.shape[0] * (ids.shape[1] - 1)
        seed = int(fingerprint([self._config.shuffle_seed, self._number]), 16) % 2**63
        draw = torch.Generator().manual_seed(seed)
        order = torch.randperm(n_tokens, generator=draw)
        block, start = torch.empty(n_tokens, self._planes, self._model.d_model, device=self._model.device), 0
        read = self._config.pass_tokens
        for acts in passes(self._model, ids, self.sites, pass_tokens=read, tangents=self.tangents, draw=draw):
            block[order[start : start + len(acts)]] = acts
            start += len(acts)
        self._block = block
        return block
