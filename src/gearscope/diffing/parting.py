"""Tokens behind which two models part, and ordinary ones: their differences b − a.

The corpus is read, then the text with which B goes on by itself where predictions part (`continued.py`). A token parts
if KL(A ‖ B) behind it is at least the bound, and

    A expects something    its likeliest token has enough of the probability (`change_sure`)
    A is not lost          neither the token nor the one before it is a word that only B expects: one whose log
                           probability is larger in B by the bound

Without these, what is found is that A cannot follow B's own words, which are the change of the token before. Memory is
bounded: `change_kept` parting tokens are kept, those with the largest KL, and about as many ordinary ones. B writes one
text from each place, and more where that pays: from where its text showed a word that is seldom said (`gone_on`). Knows
nothing about features.
"""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.corpus.windows import Corpus, Place, windows_for
from gearscope.diffing.config import ChangeConfig
from gearscope.diffing.contexts import answers
from gearscope.diffing.continued import Continued, Start, continued, starts_of
from gearscope.diffing.directions import Parted
from gearscope.diffing.pair import Pair
from gearscope.diffing.survey import Outputs, Part, parts_of
from gearscope.errors import ModelError
from gearscope.models.model import Model

LOST = 2
"""Tokens for which A is lost from a word on that only B expects."""
ENOUGH = 32
"""Tokens of B's own texts behind which it says a word, from which on this word asks for no further text."""
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
            found, difference = _checked(some, len(sites), config)
            largest.add(found, difference)
            evenly.append(difference[torch.rand(len(difference), generator=draw) < rate])
            starts += starts_of(in_windows(found.kl >= config.change_kl, some.ids), len(given))
            given += some.ids.unbind()
        if counted is not None:
            counted("reading with both models", len(given) * (ids.shape[1] - 1), config.change_tokens)

    def read(more: Continued) -> list[list[int]]:
        passes, said = more.counted.split(max(1, pass_tokens // more.ids.shape[1])), []
        for some, own in zip(parts_of(pair, more.ids, sites, pass_tokens), passes, strict=True):
            found, difference = _checked(some, len(sites), config)
            found = found.masked(own[:, 1:].flatten())
            largest.add(found, difference)
            said += said_in(found.kl >= config.change_kl, found.said, some.ids)
        return said

    gone_on(pair.b, given, starts, config, read, draw=draw, pass_tokens=pass_tokens)
    difference, said = largest.taken()
    made = Parted(parting=difference, even=torch.cat(evenly), said=said)
    return Parted(*(tensor.to(pair.a.device) for tensor in made))


def gone_on(
    b: Model,
    given: Sequence[Int[Tensor, " C"]],
    starts: Sequence[Start],
    config: ChangeConfig,
    read: Callable[[Continued], list[list[int]]],
    *,
    draw: torch.Generator,
    pass_tokens: int,
) -> None:
    """Let B go on from these starts in the windows `given`, and `read` each round of its texts.

    `read` says which words B says where predictions part in each text. A start is gone on from again while a text from
    it showed a word that was said less than ENOUGH times.
    """
    seen, shown = Counter[int](), dict[Start, set[int]]()
    chosen, left = list(starts), config.change_continued
    for _ in range(config.change_texts):
        n = min(len(chosen), left)
        chosen, left = [chosen[i * len(chosen) // n] for i in range(n)], left - n
        if not chosen:
            return
        texts = continued(b, [given[one.window] for one in chosen], chosen, draw, pass_tokens)
        for start, said in zip(chosen, read(texts), strict=True):
            seen.update(said)
            shown.setdefault(start, set()).update(said)
        chosen = [start for start, said in shown.items() if any(seen[word] < ENOUGH for word in said)]


def said_in(parting: Bool[Tensor, " P"], said: Int[Tensor, " P"], ids: Int[Tensor, "B C"]) -> list[list[int]]:
    """What B says where predictions part, window by window."""
    found: list[list[int]] = [[] for _ in ids]
    for token in parting.nonzero()[:, 0].tolist():
        found[token // (ids.shape[1] - 1)].append(int(said[token]))
    return found


def in_windows(flags: Bool[Tensor, " P"], ids: Int[Tensor, "B C"]) -> Bool[Tensor, "B C"]:
    """Flags of the tokens but the first of each window, with False for the first."""
    return torch.cat([flags.new_zeros(len(ids), 1), flags.view(len(ids), -1)], dim=1)


class _Found(NamedTuple):
    """Some tokens: the KL behind each, 0 where it cannot part, and what B says there."""

    kl: Float[Tensor, " P"]
    said: Int[Tensor, " P"]

    def masked(self, own: Bool[Tensor, " P"]) -> "_Found":
        """With less than any bound for all other tokens."""
        return self._replace(kl=self.kl.masked_fill(~own, -1.0))


def _checked(some: Part, n_sites: int, config: ChangeConfig) -> tuple[_Found, Float[Tensor, "P S D"]]:
    """What is found behind each token, and b − a."""
    outputs = some.outputs()
    kl, difference = outputs.kl.cpu(), (some.acts[1] - some.acts[0]).unflatten(1, (n_sites, -1)).cpu()
    if not bool(kl.isfinite().all() and difference.isfinite().all()):
        hint = "check the models' weights, or open them in float32"
        raise ModelError("finite activations and predictions were expected", found="NaN or infinity", hint=hint)
    kl = kl.masked_fill(~can_part(outputs, len(some.ids), config), 0.0)
    return _Found(kl, answers(some.ids, outputs.said.cpu())), difference


class _Largest:
    """Parting tokens with the largest KL so far, and as many more at most until the next clearing."""

    def __init__(self, n: int, bound: float) -> None:
        self._n, self._bound = n, bound
        self._kept: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, found: _Found, differences: Float[Tensor, "K S D"]) -> None:
        """Some more tokens."""
        parts = found.kl >= self._bound
        self._kept.append((found.kl[parts], differences[parts], found.said[parts]))
        if sum(len(kl) for kl, _, _ in self._kept) >= 2 * self._n:
            self._clear()

    def _clear(self) -> None:
        kl, differences, said = (torch.cat(column) for column in zip(*self._kept, strict=True))
        kept = kl.topk(min(self._n, len(kl))).indices.sort().values
        self._kept = [(kl[kept], differences[kept], said[kept])]

    def taken(self) -> tuple[Float[Tensor, "P S D"], Int[Tensor, " P"]]:
        """Differences of all that is kept, and what B says there, in the order in which it was read."""
        self._clear()
        return self._kept[0][1:]
