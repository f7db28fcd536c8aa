"""On which tokens of some windows each feature fires: all firings, as a sparse matrix by feature.

8 bytes a firing: 64 active features a token are 64 MB for 131,072 tokens. Directions drawn at random that fire as
often as features do are the baseline: the score that their rules reach is no evidence of meaning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from gearscope.activations.harvest import passes
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.features.coders import Coder, sites_of
from gearscope.features.reading import Subject, blocks, windows_per_pass

_CALIBRATION_TOKENS = 8192


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


def firing(
    subject: Subject, windows: Integer[np.ndarray, "W P"], progress: Callable[[int], None] | None = None
) -> Firing:
    """Run the windows. Raises ModelError for activations that are not finite."""
    stretch = range(-(-len(windows) // windows_per_pass(windows.shape[1])))
    counts = np.zeros(subject.n_features, np.int64)
    features, tokens, values = [], [], []
    for block, _ in blocks(subject, windows, stretch, progress):
        counts += np.diff(block.begin)
        features.append(block.feature.astype(np.int32))
        tokens.append(block.place.astype(np.int32))
        values.append(block.value.astype(np.float32))
    order = np.argsort(np.concatenate(features), kind="stable")
    begin = np.append(0, np.cumsum(counts))
    return Firing(begin, np.concatenate(tokens)[order], np.concatenate(values)[order])


@torch.no_grad()
def random_subject(
    subject: Subject, windows: Integer[np.ndarray, "W P"], found: Firing, *, most: int, seed: int
) -> Subject:
    """Directions drawn at random at the sites that coders read, `most` in all, about.

    Each fires above the level at which it does so as often as one of the coder's own features, drawn by lot.
    """
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    share = most / max(1, int((np.diff(found.begin) > 0).sum()))
    few = torch.from_numpy(windows[: -(-_CALIBRATION_TOKENS // windows.shape[1])].astype(np.int64))
    sites = sites_of(subject.coders)
    acts = torch.cat(_calibration(subject, few, sites))
    fired, first, coders = np.diff(found.begin), 0, []
    for coder in subject.coders:
        own = fired[first : first + coder.shelf.n_features]
        first += coder.shelf.n_features
        densities = own[own > 0] / (windows.shape[0] * (windows.shape[1] - 1))
        if len(densities):
            drawn = rng.choice(densities, min(len(densities), max(1, round(share * len(densities)))), replace=False)
            x = acts[:, [sites.index(site) for site in coder.shelf.reads]]
            coders.append(_random(coder, x, torch.from_numpy(drawn), generator))
    return Subject(subject.model, coders)


def _calibration(subject: Subject, ids: Tensor, sites: Sequence[str]) -> list[Tensor]:
    per_pass = windows_per_pass(ids.shape[1]) * ids.shape[1]
    return [acts.cpu() for acts in passes(subject.model, ids.to(subject.model.device), sites, pass_tokens=per_pass)]


def _random(coder: Coder, x: Tensor, densities: Tensor, generator: torch.Generator) -> Coder:
    n, width = len(densities), x.shape[-1]
    spread = x.std(0).clamp_min(1e-6)
    W_enc = torch.randn(n, *x.shape[1:], generator=generator) / spread
    pre = x.flatten(1) @ W_enc.flatten(1).T
    level = torch.stack([pre[:, i].quantile(1 - float(density)) for i, density in enumerate(densities)])
    config = DictionaryConfig(
        reads=coder.shelf.reads, writes=coder.shelf.writes[:1], n_features=n, d_model=width, activation="relu"
    )
    zeros = torch.zeros(n, 1, width)
    source = Dictionary(config=config, W_enc=W_enc, b_enc=-level, W_dec=zeros, b_dec=torch.zeros(1, width))
    return Coder(
        shelf=coder.shelf.model_copy(update={"n_features": n, "writes": coder.shelf.writes[:1]}), source=source
    )
