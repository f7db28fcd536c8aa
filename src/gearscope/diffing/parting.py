"""Tokens behind which two models part, and ordinary ones: their differences b − a.

The corpus is read, then the text with which B goes on by itself where predictions part (`continued.py`). A token parts
if KL(A ‖ B) behind it is at least the bound, and

    A expects something    its likeliest token has enough of the probability (`change_sure`)
    A is not lost          neither the token nor the one before it is a word that only B expects: one whose log
                           probability is larger in B by the bound

Without these, what is found is that A cannot follow B's own words, which are the change of the token before. Memory is
bounded: `change_kept` parting tokens are kept, those with the largest KL, and about as many ordinary ones. Knows
nothing about features.
"""

from collections.abc import Callable, Generator, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.corpus.windows import Corpus, Place, windows_for
from gearscope.diffing.config import ChangeConfig
from gearscope.diffing.continued import Continued, Start, continued, starts_of
from gearscope.diffing.directions import Parted
from gearscope.diffing.pair import Pair
from gearscope.diffing.survey import Outputs, Part, parts_of
from gearscope.errors import ModelError
from gearscope.models.model import Model

LOST = 2
"""Tokens for which A is lost from a word on that only B expects."""
_AT_ONCE = 64
Counted = Callable[[str, int, int], None]
"""Called with a stage, what is done, and of how much."""


def windows_of(corpus: Corpus, tokens: int) -> Generator[Int[Tensor, "B P"]]:
    """Windows with so many tokens, a few at a time; fewer where the corpus ends."""
    place: Place | None = None
    left = windows_for(corpus, tokens)
    while left > 0:
        ids, place, whole = corpus.take(min(_AT_ONCE, left), place)
        yield ids
        left = 0 if whole is not None else left - len(ids)


def can_part(outputs: Outputs, n_windows: int, config: ChangeConfig) -> Bool[Tensor, " P"]:
    """The tokens behind which A expects something and is not lost."""
    own = (outputs.ahead.cpu() >= config.change_kl).view(n_windows, -1)
    lost = own.clone()
    for back in range(1, LOST):
        lost[:, back:] |= own[:, :-back]
    return (outputs.sure.cpu() >= config.change_sure) & ~lost.flatten()


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
    """Read the corpus with both models, then B's own text. Raises ModelError where something is not finite."""
    draw = torch.Generator().manual_seed(seed)
    rate = min(1.0, config.change_kept / max(1, config.change_tokens))
    largest, evenly = _Largest(config.change_kept, config.change_kl), []
    given: list[Int[Tensor, " C"]] = []
    starts: list[Start] = []
    for ids in windows_of(corpus, config.change_tokens):
        for some in parts_of(pair, ids, sites, pass_tokens):
            kl, difference = _checked(some, len(sites), config)
            largest.add(kl, difference)
            evenly.append(difference[torch.rand(len(kl), generator=draw) < rate])
            starts += starts_of(in_windows(kl >= config.change_kl, some.ids), len(given))
            given += some.ids.unbind()
        if counted is not None:
            counted("reading with both models", len(given) * (ids.shape[1] - 1), config.change_tokens)
    more = gone_on(pair.b, given, starts, config, draw=draw, pass_tokens=pass_tokens)
    if more is not None:
        passes = more.counted.split(max(1, pass_tokens // more.ids.shape[1]))
        for some, own in zip(parts_of(pair, more.ids, sites, pass_tokens), passes, strict=True):
            kl, difference = _checked(some, len(sites), config)
            largest.add(kl[own[:, 1:].flatten()], difference[own[:, 1:].flatten()])
    made = Parted(largest.taken(), torch.cat(evenly))
    return Parted(*(tensor.to(pair.a.device) for tensor in made))


def gone_on(
    b: Model,
    given: Sequence[Int[Tensor, " C"]],
    starts: Sequence[Start],
    config: ChangeConfig,
    *,
    draw: torch.Generator,
    pass_tokens: int,
) -> Continued | None:
    """B's own text from these starts in the windows `given`, or from as many of them as are wanted; None for none."""
    every = [start for start in starts for _ in range(config.change_texts)]
    n = min(len(every), config.change_continued)
    chosen = [every[i * len(every) // n] for i in range(n)]
    return continued(b, [given[one.window] for one in chosen], chosen, draw, pass_tokens) if chosen else None


def in_windows(flags: Bool[Tensor, " P"], ids: Int[Tensor, "B C"]) -> Bool[Tensor, "B C"]:
    """Flags of the tokens but the first of each window, with False for the first."""
    return torch.cat([flags.new_zeros(len(ids), 1), flags.view(len(ids), -1)], dim=1)


def _checked(some: Part, n_sites: int, config: ChangeConfig) -> tuple[Float[Tensor, " P"], Float[Tensor, "P S D"]]:
    """KL behind each token, 0 where it cannot part, and b − a."""
    outputs = some.outputs()
    kl, difference = outputs.kl.cpu(), (some.acts[1] - some.acts[0]).unflatten(1, (n_sites, -1)).cpu()
    if not bool(kl.isfinite().all() and difference.isfinite().all()):
        hint = "check the models' weights, or open them in float32"
        raise ModelError("finite activations and predictions were expected", found="NaN or infinity", hint=hint)
    return kl.masked_fill(~can_part(outputs, len(some.ids), config), 0.0), difference


class _Largest:
    """Parting tokens with the largest KL so far, and as many more at most until the next clearing."""

    def __init__(self, n: int, bound: float) -> None:
        self._n, self._bound = n, bound
        self._kl: list[Tensor] = []
        self._differences: list[Tensor] = []

    def add(self, kl: Float[Tensor, " K"], differences: Float[Tensor, "K S D"]) -> None:
        """Some more tokens."""
        parts = kl >= self._bound
        self._kl.append(kl[parts])
        self._differences.append(differences[parts])
        if sum(map(len, self._kl)) >= 2 * self._n:
            self._clear()

    def _clear(self) -> None:
        kl = torch.cat(self._kl)
        kept = kl.topk(min(self._n, len(kl))).indices.sort().values
        self._kl, self._differences = [kl[kept]], [torch.cat(self._differences)[kept]]

    def taken(self) -> Float[Tensor, "P S D"]:
        """All that is kept, in the order in which it was read."""
        self._clear()
        return self._differences[0]
