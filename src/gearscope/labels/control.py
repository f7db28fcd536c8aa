"""Which features rules are made for, and from what strength on; directions drawn at random, to be asked beside them.

Random directions that fire as often as features do are the baseline: what their rules reach is no evidence of meaning.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from gearscope.activations.harvest import passes
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.features.coders import Coder, sites_of
from gearscope.features.reading import Subject, windows_per_pass
from gearscope.features.store import Library
from gearscope.labels.config import RuleConfig
from gearscope.labels.firing import Firing, firing
from gearscope.threads import one_thread

_TOKENS = 65_536
"""Tokens on which the firing of random directions is set, and their largest activation found."""
_CALIBRATION_TOKENS = 8192


class Asked(NamedTuple):
    """Features, and how strong each has to be for a rule."""

    subject: Subject
    least: Float[np.ndarray, " F"]

    def beside(self, others: "Asked") -> "Asked":
        """These, and others of the same model behind them: all are read in one pass."""
        coders = [*self.subject.coders, *others.subject.coders]
        return Asked(Subject(self.subject.model, coders), np.concatenate([self.least, others.least]))


def of_library(library: Library, subject: Subject, config: RuleConfig) -> Asked:
    """A library's features, from a share of their largest activations on."""
    return Asked(subject, np.asarray(library.columns["max_activation"], np.float32) * config.level)


def drawn(subject: Subject, windows: Integer[np.ndarray, "W P"], config: RuleConfig, *, most: int) -> Asked:
    """Directions drawn at random that fire as often as features, `most` in all, about. Raises ModelError."""
    few = windows[: -(-_TOKENS // windows.shape[1])]
    with one_thread():
        chance = random_subject(subject, few, firing(subject, few), most=most, seed=config.seed)
        return Asked(chance, firing(chance, few).largest * config.level)


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
