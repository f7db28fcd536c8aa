"""What B does otherwise than A, found by where the predictions part.

1. `part`      both models read the corpus; tokens are kept the oftener, the larger KL(A ‖ B) behind them
2. `learnt`    a dictionary of b − a at several sites at once, one direction per token: what parts alike is one feature
3. `survey`    on held-out text: where each fires, and the KL there; those under `change_kl` are drift
4. `grouped`   features that no word of their contexts tells apart are one change
5. `turned`    a change off in B, and on in A, at each site by itself, beside edits of equal size in other directions

A change is what passes 3 and 5: predictions part where it fires, and turning it off brings A's back. The dictionary is
a crosscoder of both models without a part in their mean, so `off` is what it is for any feature: x_B ← x_B + Σ f (d_A −
d_B). Knows nothing about what was planted.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.config import fingerprint
from gearscope.corpus.windows import Corpus
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.dictionaries.training.checkpoint import CHECKPOINT
from gearscope.dictionaries.training.config import Layout, Plan, TrainingConfig
from gearscope.dictionaries.training.train import train
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.contexts import grouped, in_common, profile_of
from gearscope.diffing.crosscoder import of_difference
from gearscope.diffing.pair import Pair
from gearscope.diffing.parting import Counted, Drawn, Parted, part, windows_of
from gearscope.diffing.report import Change
from gearscope.diffing.survey import Survey, survey
from gearscope.diffing.turning import alone, turned
from gearscope.diffing.words import context_of
from gearscope.errors import ConfigError

CONTROLS = 2
"""Other directions that are tried in the place of a change."""
_BATCH = 512
_RATE = 3e-3
_CONTEXTS, _WORDS = 8, 8
_SAMPLED = 4096


class Seen(NamedTuple):
    """The directions of b − a, and where they fire on held-out text."""

    sites: tuple[str, ...]
    dictionary: Dictionary
    survey: Survey
    codes: Codes
    """One feature per token at most: the strongest."""
    kl: Float[Tensor, " F"]
    """Mean KL(A ‖ B) where each fires, weighted with f²; NaN where it never does."""
    fired: Int[Tensor, " F"]

    def tokens_of(self, features: Sequence[int]) -> tuple[Int[Tensor, " K"], Float[Tensor, " K"]]:
        """The tokens on which one of these features fires, and f²; the strongest first."""
        own = torch.isin(self.codes.columns, torch.tensor(list(features)))
        values, order = self.codes.values[own].sort(descending=True, stable=True)
        return self.codes.rows[own][order], values.square()

    def profile_of(self, features: Sequence[int], n_words: int) -> Float[Tensor, " W"]:
        """What the contexts of these features have in common."""
        return profile_of(self.survey.ids, *self.tokens_of(features), n_words)


class Changes(NamedTuple):
    """What was found, and what it was found with."""

    found: tuple[Change, ...]
    seen: Seen


def sites_for(layers: tuple[int, ...] | None, n_layers: int) -> tuple[str, ...]:
    """Where changes are looked for: the residual stream behind these layers. Raises ConfigError."""
    chosen = sorted({max(0, round(n_layers * part / 4) - 1) for part in range(1, 5)}) if layers is None else layers
    if not chosen or list(chosen) != sorted(set(chosen)) or chosen[-1] >= n_layers or chosen[0] < 0:
        raise ConfigError(f"ascending layers from 0 to {n_layers - 1} were expected", found=str(list(chosen)))
    return tuple(f"blocks.{layer}.resid_post" for layer in chosen)


def changes_of(
    pair: Pair,
    corpora: tuple[Corpus, Corpus],
    run: Path,
    config: DiffConfig,
    *,
    counted: Counted | None = None,
    resume: bool = False,
) -> Changes:
    """Look for changes; the training is kept in the folder `run`. Raises what reading and training raise."""
    sites = sites_for(config.changes.change_layers, pair.a.n_layers)
    parted = part(
        pair,
        corpora[0],
        sites,
        config.changes,
        pass_tokens=config.reading.pass_tokens,
        seed=config.reading.shuffle_seed,
        counted=counted,
    )
    made_of = fingerprint([pair.a.fingerprint, pair.b.fingerprint, corpora[0].fingerprint, sites])
    resume = resume and (run / CHECKPOINT).exists()
    dictionary = learnt(parted, sites, run, config, made_of, resume=resume)
    if counted is not None:
        counted("measuring on held-out text", 0, config.changes.change_held_out)
    return measured(pair, dictionary, sites, corpora[1], config)


def measured(
    pair: Pair, dictionary: Dictionary, sites: tuple[str, ...], held_out: Corpus, config: DiffConfig
) -> Changes:
    """The changes among the directions of a dictionary, on held-out text."""
    ids = torch.cat(list(windows_of(held_out, config.changes.change_held_out)))
    seen = _seen(pair, dictionary, ids, sites, config.reading.pass_tokens)
    return Changes(_found(pair, seen, config), seen)


def learnt(
    parted: Parted, sites: Sequence[str], run: Path, config: DiffConfig, made_of: str, *, resume: bool = False
) -> Dictionary:
    """One direction of b − a per token, as a crosscoder of both models; `made_of` says what was read."""
    every = range(len(sites))
    plan = Plan(tuple(every), every, False)
    training = TrainingConfig(
        kind="crosscoder",
        selection="top_k",
        k=1,
        n_features=config.changes.change_features,
        tokens=config.changes.change_steps * _BATCH,
        batch_tokens=_BATCH,
        learning_rate=_RATE,
        dead_after=100 * _BATCH,
        revive_every=50,
        seed=config.training.seed,
    )
    source = Drawn(parted, config.training.seed, made_of)
    made = train(
        training,
        Layout(tuple(sites), tuple(every), (plan,), training.n_features),
        source,
        [source.sample()],
        run,
        resume=resume,
    )
    return of_difference(_refitted(made.dictionaries[0], parted))


def _refitted(dictionary: Dictionary, parted: Parted) -> Dictionary:
    """Decoders by least squares, with the mean difference of all text as the bias.

    Training takes the bias from what is drawn, where one change may be half of it, and would be written without its
    feature. As one feature fires per token, d = Σ w f (y − mean) / Σ w f².
    """
    codes = alone(dictionary.encode(parted.differences))
    weights = parted.weights[codes.rows].to(codes.values)
    left = parted.differences[codes.rows] - parted.mean
    written = torch.zeros_like(dictionary.W_dec)
    written.index_add_(0, codes.columns, (weights * codes.values)[:, None, None] * left)
    squares = written.new_zeros(len(written)).index_add_(0, codes.columns, weights * codes.values.square())
    fitted = torch.where(squares[:, None, None] > 0, written / squares[:, None, None], dictionary.W_dec)
    return replace(dictionary, W_dec=fitted, b_dec=parted.mean)


def _seen(pair: Pair, dictionary: Dictionary, ids: Int[Tensor, "B C"], sites: tuple[str, ...], size: int) -> Seen:
    of_all = survey(pair, dictionary, ids, sites, size)
    kept, F = alone(of_all.codes), dictionary.config.n_features
    codes, kl = Codes(kept.rows.cpu(), kept.columns.cpu(), kept.values.cpu(), kept.n_rows), of_all.outputs.kl.cpu()
    squares = codes.values.double().square()
    parted, weight = (torch.zeros(F, dtype=torch.float64) for _ in range(2))
    parted.index_add_(0, codes.columns, squares * kl[codes.rows].double())
    weight.index_add_(0, codes.columns, squares)
    return Seen(sites, dictionary, of_all, codes, parted / weight, codes.columns.bincount(minlength=F))


def _found(pair: Pair, seen: Seen, config: DiffConfig) -> tuple[Change, ...]:
    """The changes; those that hold most of the KL first."""
    wanted = config.changes
    parting = (seen.kl >= wanted.change_kl).nonzero()[:, 0].tolist()
    if not parting:
        return ()
    others = [i for i in range(len(seen.kl)) if i not in parting and seen.fired[i] > 0]
    ids, n_words = seen.survey.ids, pair.b.vocab_size
    n_tokens = seen.codes.n_rows
    even = torch.linspace(0, n_tokens - 1, min(_SAMPLED, n_tokens)).long()
    of_all = profile_of(ids, even, torch.ones(len(even)), n_words)
    weights = [float(seen.tokens_of([i])[1].sum()) for i in parting]
    found = []
    for group in grouped([seen.profile_of([i], n_words) for i in parting], weights, of_all):
        features = tuple(parting[i] for i in group)
        if int(seen.fired[list(features)].sum()) < config.classes.least_fired:
            continue
        change = _change(pair, seen, features, others[:CONTROLS], of_all, config)
        if change.best.undone - max(0.0, change.best.undone_control) >= wanted.change_undone:
            found.append(change)
    return tuple(sorted(found, key=lambda one: -one.share))


def _change(
    pair: Pair,
    seen: Seen,
    features: tuple[int, ...],
    controls: Sequence[int],
    of_all: Float[Tensor, " W"],
    config: DiffConfig,
) -> Change:
    ids, kl, names = seen.survey.ids, seen.survey.outputs.kl.cpu(), pair.b.token_names()
    tokens, squares = seen.tokens_of(features)
    windows = list(dict.fromkeys((tokens // (ids.shape[1] - 1)).tolist()))[: config.effect_windows]
    words, where = in_common(seen.profile_of(features, pair.b.vocab_size), of_all, _WORDS)
    largest = tokens[kl[tokens].argsort(descending=True, stable=True)[:_CONTEXTS]]
    return Change(
        features=features,
        fired=len(tokens),
        kl=float((squares * kl[tokens]).sum() / squares.sum()),
        share=float(kl[tokens].sum() / kl.sum().clamp(min=1e-12)),
        where=tuple(names[i] for i in where),
        words=tuple(names[i] for i in words),
        turned=turned(pair, seen.dictionary, seen.sites, features, controls, ids[windows]),
        contexts=tuple(context_of(pair, seen.survey, token) for token in largest.tolist()),
    )
