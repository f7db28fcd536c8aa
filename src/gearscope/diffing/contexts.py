"""Which words the contexts of a feature have in common, and which features are one change.

The profile of a feature is the share of its tokens, weighted with f², that have a word among the AROUND before them;
counted apart, that are this word; and behind which B says this word in A's place. A word that B says and that stands
before is COPIED, whichever it is. Two features belong to one change when

    no word tells them apart    none stands in MOST contexts of one and in FEW of the other, or is said so
    their profiles are alike    cosine at least ALIKE, the profile of all text subtracted

joined pair by pair, the most alike first, with profiles pooled. One change of what a model does is often a whole range
of directions (another number is copied each time), and its contexts are what it has in common. Knows nothing about
models.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

AROUND = 12
MOST, FEW, ALIKE = 0.8, 0.2, 0.5
COPIED = -1
"""What B says where it is one of the AROUND words before."""


def before(ids: Int[Tensor, "B C"], tokens: Int[Tensor, " K"]) -> Int[Tensor, "K N"]:
    """The AROUND words before some tokens (counted row by row, without the first position); −2 past the first one."""
    rows, positions = tokens // (ids.shape[1] - 1), tokens % (ids.shape[1] - 1) + 1
    back = positions[:, None] - torch.arange(1, AROUND + 1)
    return ids[rows[:, None], back.clamp(min=0)].masked_fill(back < 1, -2)


def answers(ids: Int[Tensor, "B C"], said: Int[Tensor, " P"]) -> Int[Tensor, " P"]:
    """What B says behind every token, or COPIED."""
    words = before(ids, torch.arange(len(said)))
    return said.masked_fill((words == said[:, None]).any(1), COPIED)


def profile_of(
    ids: Int[Tensor, "B C"],
    tokens: Int[Tensor, " K"],
    weights: Float[Tensor, " K"],
    said: Int[Tensor, " K"],
    n_words: int,
) -> Float[Tensor, " W"]:
    """Of some tokens: words before them, the words they are, then what B says there (`answers`), COPIED last."""
    words = before(ids, tokens)
    found = torch.zeros(len(tokens), n_words + 1)
    found.scatter_(1, words.where(words >= 0, n_words), 1.0)
    here = ids[:, 1:].flatten()[tokens]
    shares = weights / weights.sum()
    is_word = torch.zeros(n_words).index_add_(0, here, shares)
    is_said = torch.zeros(n_words + 1).index_add_(0, said % (n_words + 1), shares)  # COPIED is -1, the last
    return torch.cat([shares @ found[:, :n_words], is_word, is_said])


def grouped(
    profiles: Sequence[Float[Tensor, " W"]], weights: Sequence[float], of_all: Float[Tensor, " W"]
) -> list[list[int]]:
    """The numbers of the profiles that belong together; `weights` are the sums of f² behind each."""
    groups = [[i] for i in range(len(profiles))]
    pooled, sizes = list(profiles), list(weights)
    while len(groups) > 1:
        stacked = torch.stack(pooled)
        best, i, j = _most_alike(stacked, of_all)
        if best < ALIKE:
            break
        pooled[i] = (sizes[i] * pooled[i] + sizes[j] * pooled[j]) / (sizes[i] + sizes[j])
        groups[i], sizes[i] = groups[i] + groups[j], sizes[i] + sizes[j]
        del groups[j], pooled[j], sizes[j]
    return [sorted(group) for group in groups]


def _most_alike(profiles: Float[Tensor, "G W"], of_all: Float[Tensor, " W"]) -> tuple[float, int, int]:
    own = torch.nn.functional.normalize(profiles - of_all, dim=1)
    cosines = own @ own.T
    most, few = (profiles >= MOST).float(), (profiles <= FEW).float()
    apart = (most @ few.T) + (few @ most.T) > 0
    cosines[apart] = -1.0
    cosines.fill_diagonal_(-1.0)
    at = int(cosines.argmax())
    i, j = sorted(divmod(at, len(profiles)))
    return float(cosines[i, j]), i, j


def said_most(profile: Float[Tensor, " W"]) -> int | None:
    """The word that B says behind MOST tokens of a profile; None where there is none, and where it is copied."""
    said = profile[len(profile) // 3 * 2 : -1]
    return int(said.argmax()) if float(said.max()) >= MOST else None


def in_common(profile: Float[Tensor, " W"], of_all: Float[Tensor, " W"], n: int) -> tuple[list[int], list[int]]:
    """Words that stand in MOST contexts, and words that most of the tokens are; those rarest elsewhere first."""
    n_words = len(profile) // 3
    found = []
    for start in (0, n_words):
        own, usual = profile[start : start + n_words], of_all[start : start + n_words]
        often = (own >= MOST).nonzero()[:, 0]
        found.append(often[usual[often].argsort(stable=True)].tolist()[:n])
    return found[0], found[1]
