"""Which words the contexts of a feature have in common, and which features are one change.

The profile of a feature is the share of its tokens, weighted with f², that have a word among the AROUND before them,
and, counted apart, that are this word. Two features belong to one change when

    no word tells them apart    none stands in MOST contexts of one and in FEW of the other
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


def profile_of(
    ids: Int[Tensor, "B C"], tokens: Int[Tensor, " K"], weights: Float[Tensor, " K"], n_words: int
) -> Float[Tensor, " W"]:
    """Of some tokens (counted row by row, without the first position): words before them, then the words they are."""
    length = ids.shape[1]
    rows, positions = tokens // (length - 1), tokens % (length - 1) + 1
    back = positions[:, None] - torch.arange(1, AROUND + 1)
    before = ids[rows[:, None], back.clamp(min=0)].masked_fill(back < 1, n_words)
    found = torch.zeros(len(tokens), n_words + 1)
    found.scatter_(1, before, 1.0)
    here = torch.zeros(len(tokens), n_words).scatter_(1, ids[rows, positions][:, None], 1.0)
    return (weights / weights.sum()) @ torch.cat([found[:, :n_words], here], dim=1)


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


def in_common(profile: Float[Tensor, " W"], of_all: Float[Tensor, " W"], n: int) -> tuple[list[int], list[int]]:
    """Words that stand in MOST contexts, and words that most of the tokens are; those rarest elsewhere first."""
    n_words = len(profile) // 2
    found = []
    for start in (0, n_words):
        own, usual = profile[start : start + n_words], of_all[start : start + n_words]
        often = (own >= MOST).nonzero()[:, 0]
        found.append(often[usual[often].argsort(stable=True)].tolist()[:n])
    return found[0], found[1]
