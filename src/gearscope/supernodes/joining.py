"""Groups from likeness: the two most alike are joined, again and again, while they are alike enough. No torch.

Average linkage: the likeness of two groups is the mean over their pairs. No group grows past a given size. Knows
nothing about what likeness means.
"""

import numpy as np
from jaxtyping import Float, Int


def join(likeness: Float[np.ndarray, "K K"], *, alike: float, largest: int, most: int) -> list[Int[np.ndarray, " _J"]]:
    """Groups of row numbers, by their first members.

    While there are more than `most` groups, less alike ones are joined too, as far as sizes allow, but none whose mean
    likeness is not above 0.
    """
    count = len(likeness)
    total = np.array(likeness, dtype=np.float64)
    members: list[list[int]] = [[i] for i in range(count)]
    size = np.ones(count)
    mean = np.where(np.eye(count, dtype=bool) | (largest < 2), -np.inf, total)
    groups = count
    while groups > 1:
        one, two = divmod(int(mean.argmax()), count)
        best = mean[one, two]
        if best < alike and (groups <= most or best <= 0):
            break
        _merge(one, two, members, size, total)
        mean[two], mean[:, two] = -np.inf, -np.inf
        groups -= 1
        fits = (size > 0) & (size + size[one] <= largest)
        fits[one] = False
        row = np.where(fits, total[one] / (size[one] * np.maximum(size, 1)), -np.inf)
        mean[one], mean[:, one] = row, row
    return [np.array(sorted(group)) for group in members if group]


def _merge(
    one: int, two: int, members: list[list[int]], size: Float[np.ndarray, " K"], total: Float[np.ndarray, "K K"]
) -> None:
    """Put the second group into the first: its members, its size, and the sums of likeness to every other group."""
    members[one] += members[two]
    members[two] = []
    size[one] += size[two]
    size[two] = 0
    total[one] += total[two]
    total[:, one] += total[:, two]
