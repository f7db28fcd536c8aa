"""On which tokens of some windows each feature fires: all firings, or the strong ones, as a sparse matrix by feature.

8 bytes a firing: 64 active features a token are 64 MB for 131,072 tokens, of which those that reach half of their
feature's largest activation are a tenth or so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from gearscope.features.reading import Subject, blocks, windows_per_pass


@dataclass(frozen=True)
class Firing:
    """Feature f fires on the tokens `token[begin[f] : begin[f + 1]]`, in order, as strongly as `value` says.

    A token is window · context + position.
    """

    begin: Integer[np.ndarray, " F1"]
    token: Integer[np.ndarray, " K"]
    value: Float[np.ndarray, " K"]

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return len(self.begin) - 1

    def tokens(self, feature: int) -> Integer[np.ndarray, " J"]:
        """Where a feature fires."""
        return self.token[self.begin[feature] : self.begin[feature + 1]]

    def values(self, feature: int) -> Float[np.ndarray, " J"]:
        """How strongly."""
        return self.value[self.begin[feature] : self.begin[feature + 1]]

    @property
    def features(self) -> Integer[np.ndarray, " K"]:
        """The feature of each firing."""
        return np.repeat(np.arange(self.n_features), np.diff(self.begin))

    @property
    def largest(self) -> Float[np.ndarray, " F"]:
        """The strongest firing of each feature; 0 without one."""
        found = np.zeros(self.n_features, np.float32)
        np.maximum.at(found, self.features, self.value)
        return found


def firing(
    subject: Subject,
    windows: Integer[np.ndarray, "W P"],
    progress: Callable[[int], None] | None = None,
    *,
    least: Float[np.ndarray, " F"] | None = None,
) -> Firing:
    """Run the windows; firings weaker than their feature's least are left out. Raises ModelError if not finite."""
    stretch = range(-(-len(windows) // windows_per_pass(windows.shape[1])))
    features, tokens, values = [], [], []
    for block, _ in blocks(subject, windows, stretch, progress):
        feature = block.feature
        kept = slice(None) if least is None else block.value >= least[feature]
        features.append(feature[kept].astype(np.int32))
        tokens.append(block.place[kept].astype(np.int32))
        values.append(block.value[kept].astype(np.float32))
    feature = np.concatenate(features)
    order = np.argsort(feature, kind="stable")
    begin = np.append(0, np.cumsum(np.bincount(feature, minlength=subject.n_features)))
    return Firing(begin, np.concatenate(tokens)[order], np.concatenate(values)[order])
