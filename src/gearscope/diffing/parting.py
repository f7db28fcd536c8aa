"""Tokens behind which two models part: their differences, drawn the more often the further the predictions part.

    half of the draws    with probability ∝ min(KL(A ‖ B), LARGEST), among the tokens with the largest
    the other half       evenly, over all that was read

Drawn evenly alone, a change that speaks on one token of ten thousand is seen by no dictionary; drawn by KL alone, what
all tokens share would look like a part of every change. Memory is bounded: of what is read, `change_kept` tokens of
each half are kept. Knows nothing about features.
"""

import json
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.config import fingerprint
from gearscope.corpus.windows import Corpus, Place, windows_for
from gearscope.diffing.config import ChangeConfig
from gearscope.diffing.pair import Pair
from gearscope.diffing.survey import parts_of
from gearscope.errors import ModelError

LARGEST = 6.0
"""Nats: one token that surprises more is drawn no oftener."""
_AT_ONCE = 64
_SAMPLED = 8192
Counted = Callable[[str, int, int], None]
"""Called with a stage, what is done, and of how much."""


class Parted(NamedTuple):
    """Tokens that were kept."""

    differences: Float[Tensor, "P S D"]
    """b − a at each site."""
    weights: Float[Tensor, " P"]
    """How often each is drawn; they sum to 1."""
    mean: Float[Tensor, "S D"]
    """Of b − a, over the tokens that were kept evenly: what the models differ in everywhere."""


def windows_of(corpus: Corpus, tokens: int) -> Generator[Int[Tensor, "B P"]]:
    """Windows with so many tokens, a few at a time; fewer where the corpus ends."""
    place: Place | None = None
    left = windows_for(corpus, tokens)
    while left > 0:
        ids, place, whole = corpus.take(min(_AT_ONCE, left), place)
        yield ids
        left = 0 if whole is not None else left - len(ids)


def part(
    pair: Pair,
    corpus: Corpus,
    sites: Sequence[str],
    config: ChangeConfig,
    *,
    pass_tokens: int,
    seed: int = 0,
    counted: Counted | None = None,
) -> Parted:
    """Read the corpus with both models. Raises ModelError where predictions or activations are not finite."""
    draw = torch.Generator().manual_seed(seed)
    rate = min(1.0, config.change_kept / max(1, config.change_tokens))
    largest, evenly, seen = _Largest(config.change_kept), [], 0
    for ids in windows_of(corpus, config.change_tokens):
        for some in parts_of(pair, ids, sites, pass_tokens):
            kl, difference = some.kl().cpu(), (some.acts[1] - some.acts[0]).unflatten(1, (len(sites), -1)).cpu()
            if not bool(kl.isfinite().all() and difference.isfinite().all()):
                hint = "check the models' weights, or open them in float32"
                raise ModelError("finite activations and predictions were expected", found="NaN or infinity", hint=hint)
            largest.add(kl, difference)
            evenly.append(difference[torch.rand(len(kl), generator=draw) < rate])
            seen += len(kl)
        if counted is not None:
            counted("reading with both models", seen, config.change_tokens)
    kl, differences = largest.taken()
    by_kl, even = kl.clamp(0, LARGEST).double(), torch.cat(evenly)
    halves = by_kl / by_kl.sum().clamp(min=1e-12), torch.full((len(even),), 1 / max(1, len(even))).double()
    weights = torch.cat(halves)
    made = Parted(torch.cat([differences, even]), weights / weights.sum(), even.mean(0))
    return Parted(*(tensor.to(pair.a.device) for tensor in made))


class _Largest:
    """The tokens with the largest KL so far, and as many more at most until the next clearing."""

    def __init__(self, n: int) -> None:
        self._n, self._bound = n, -1.0
        self._kl: list[Tensor] = []
        self._differences: list[Tensor] = []

    def add(self, kl: Float[Tensor, " K"], differences: Float[Tensor, "K S D"]) -> None:
        """Some more tokens."""
        above = kl > self._bound
        self._kl.append(kl[above])
        self._differences.append(differences[above])
        if sum(map(len, self._kl)) >= 2 * self._n:
            self._clear()

    def _clear(self) -> None:
        kl = torch.cat(self._kl)
        kept = kl.topk(min(self._n, len(kl))).indices.sort().values
        self._kl, self._differences = [kl[kept]], [torch.cat(self._differences)[kept]]
        self._bound = float(kl[kept].min()) if len(kept) == self._n else -1.0

    def taken(self) -> tuple[Float[Tensor, " P"], Float[Tensor, "P S D"]]:
        """All that is kept, in the order in which it was read."""
        self._clear()
        return self._kl[0], self._differences[0]


class Drawn:
    """Batches of kept tokens, drawn with their weights. Fulfils `dictionaries.training.train.Source`."""

    def __init__(self, parted: Parted, seed: int, made_of: str) -> None:
        """`made_of` is the fingerprint of what was read."""
        self._kept, self._seed, self._taken = parted.differences, seed, 0
        self._until = parted.weights.cpu().cumsum(0)
        self.fingerprint = fingerprint([made_of, seed, len(parted.weights)])

    def sample(self) -> Float[Tensor, "P M D"]:
        """Some tokens, without moving on."""
        return self._draw(_SAMPLED, "sample")

    def take(self, n_tokens: int) -> Float[Tensor, "P M D"]:
        """The next tokens."""
        self._taken += 1
        return self._draw(n_tokens, self._taken)

    def place(self) -> str:
        """How many batches were taken."""
        return json.dumps(self._taken)

    def go_to(self, place: str) -> None:
        """Go on from a place that `place` gave."""
        self._taken = int(json.loads(place))

    def _draw(self, n_tokens: int, which: str | int) -> Float[Tensor, "P M D"]:
        draw = torch.Generator().manual_seed(int(fingerprint([self._seed, which]), 16) % 2**63)
        at = torch.rand(n_tokens, generator=draw, dtype=torch.float64) * self._until[-1]
        rows = torch.searchsorted(self._until, at).clamp(max=len(self._kept) - 1)
        return self._kept[rows.to(self._kept.device)]
