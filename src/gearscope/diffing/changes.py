"""What B does otherwise than A, found by where the predictions part.

1. `part`           both models read the corpus, and what B writes by itself from where predictions part
2. `directions_of`  what parts alike at several sites at once is one direction of b − a
3. `survey`         on held-out text, read and gone on with in the same way: where each fires, and the KL there
4. `doing_the_same` directions where B says the same word, and each of which undoes the other, are one change, and so
   `grouped`        are those that no word of their contexts tells apart
5. `turned`         a change off in B, and on in A, at each site by itself, beside edits of equal size elsewhere

A change is what passes 3 and 5: predictions part where it fires, and turning it off brings A's back. The dictionary is
a crosscoder of both models without a part in their mean, so `off` is what it is for any feature: x_B ← x_B + Σ f (d_A −
d_B). Knows nothing about what was planted.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.corpus.windows import Corpus
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.contexts import answers, grouped, in_common, profile_of, said_most
from gearscope.diffing.continued import Continued, Start, starts_of
from gearscope.diffing.crosscoder import of_difference
from gearscope.diffing.directions import directions_of
from gearscope.diffing.pair import Pair
from gearscope.diffing.parting import Counted, can_part, gone_on, in_windows, part, said_in, windows_of
from gearscope.diffing.report import Change, Parting
from gearscope.diffing.same import Saying, doing_the_same
from gearscope.diffing.survey import Survey, survey
from gearscope.diffing.turning import alone, turned
from gearscope.diffing.words import context_of
from gearscope.errors import ConfigError

CONTROLS = 2
"""Other directions that are tried in the place of a change."""
_CONTEXTS, _WORDS = 8, 8
_SAMPLED = 4096


class Seen(NamedTuple):
    """The directions of b − a, and where they fire on held-out text."""

    sites: tuple[str, ...]
    dictionary: Dictionary
    survey: Survey
    """Of held-out text, then of what B went on with there."""
    new: Bool[Tensor, " P"]
    """Of each token of the survey, whether it is read there for the first time: B's texts begin with old ones."""
    parts: Bool[Tensor, " P"]
    """Whether it is, and predictions can part behind it."""
    parting: Bool[Tensor, " P"]
    """Whether they do: KL(A ‖ B) is at least `change_kl`."""
    starts: tuple[Start, ...]
    """Of each text of B, the held-out token behind which it begins."""
    codes: Codes
    """One feature per token at most, the strongest; of all tokens that are read here for the first time."""
    judged: Codes
    """Those of tokens where the predictions can part."""
    said: Int[Tensor, " P"]
    """What B says behind each token (`contexts.answers`)."""
    kl: Float[Tensor, " F"]
    """Mean KL(A ‖ B) where each fires, weighted with f²; NaN where it never does. This and all below on `judged`."""
    fired: Int[Tensor, " F"]

    def tokens_of(self, features: Sequence[int]) -> tuple[Int[Tensor, " K"], Float[Tensor, " K"]]:
        """The tokens on which one of these features fires, and f²; the strongest first."""
        own = torch.isin(self.judged.columns, torch.tensor(list(features)))
        values, order = self.judged.values[own].sort(descending=True, stable=True)
        return self.judged.rows[own][order], values.square()

    def profile_of(self, features: Sequence[int], n_words: int) -> Float[Tensor, " W"]:
        """What the contexts of these features have in common."""
        tokens, squares = self.tokens_of(features)
        return profile_of(self.survey.ids, tokens, squares, self.said[tokens], n_words)

    def windows_of(self, features: Sequence[int], n: int) -> Int[Tensor, "B C"]:
        """The windows in which these features are strongest."""
        ids = self.survey.ids
        return ids[list(dict.fromkeys((self.tokens_of(features)[0] // (ids.shape[1] - 1)).tolist()))[:n]]


class Changes(NamedTuple):
    """What was found, and what it was found with."""

    found: tuple[Change, ...]
    seen: Seen
    parting: Parting


def sites_for(layers: tuple[int, ...] | None, n_layers: int) -> tuple[str, ...]:
    """Where changes are looked for: the residual stream behind these layers. Raises ConfigError."""
    chosen = sorted({max(0, round(n_layers * part / 4) - 1) for part in range(1, 5)}) if layers is None else layers
    if not chosen or list(chosen) != sorted(set(chosen)) or chosen[-1] >= n_layers or chosen[0] < 0:
        raise ConfigError(f"ascending layers from 0 to {n_layers - 1} were expected", found=str(list(chosen)))
    return tuple(f"blocks.{layer}.resid_post" for layer in chosen)


def changes_of(
    pair: Pair, corpora: tuple[Corpus, Corpus], config: DiffConfig, *, counted: Counted | None = None
) -> Changes:
    """Look for changes. Raises what reading raises."""
    sites = sites_for(config.changes.change_layers, pair.a.n_layers)
    seed, size = config.reading.shuffle_seed, config.reading.pass_tokens
    parted = part(pair, corpora[0], sites, config.changes, pass_tokens=size, seed=seed, counted=counted)
    dictionary = of_difference(directions_of(parted, sites))
    if counted is not None:
        counted("measuring on held-out text", 0, config.changes.change_held_out)
    ids = torch.cat(list(windows_of(corpora[1], config.changes.change_held_out)))
    seen = _seen(pair, dictionary, ids, sites, config)
    return Changes(_found(pair, seen, config), seen, _counts(seen, ids.shape, config.changes.change_kl))


def _seen(
    pair: Pair, dictionary: Dictionary, ids: Int[Tensor, "B C"], sites: tuple[str, ...], config: DiffConfig
) -> Seen:
    size, bound = config.reading.pass_tokens, config.changes.change_kl
    read = survey(pair, dictionary, ids, sites, size)
    new, parts = torch.ones(read.codes.n_rows, dtype=torch.bool), can_part(read.outputs, len(ids), config.changes)
    starts = starts_of(in_windows((read.outputs.kl.cpu() >= bound) & parts, ids))
    draw = torch.Generator().manual_seed(config.reading.shuffle_seed)
    begins: list[Start] = []

    def read_on(more: Continued) -> list[list[int]]:
        nonlocal read, new, parts
        written, own = survey(pair, dictionary, more.ids, sites, size), more.counted[:, 1:].flatten()
        can = can_part(written.outputs, len(more.ids), config.changes)
        read, new, parts = read.and_then(written), torch.cat([new, own]), torch.cat([parts, can])
        begins.extend(more.starts)
        said = answers(more.ids, written.outputs.said.cpu())
        return said_in((written.outputs.kl.cpu() >= bound) & can & own, said, more.ids)

    gone_on(pair.b, ids.unbind(), starts, config.changes, read_on, draw=draw, pass_tokens=size)
    codes, F = _of_rows(alone(read.codes), new), dictionary.config.n_features
    judged, kl = _of_rows(codes, parts), read.outputs.kl.cpu()
    squares = judged.values.double().square()
    parted, weight = (torch.zeros(F, dtype=torch.float64) for _ in range(2))
    parted.index_add_(0, judged.columns, squares * kl[judged.rows].double())
    weight.index_add_(0, judged.columns, squares)
    return Seen(
        sites=sites,
        dictionary=dictionary,
        survey=read,
        new=new,
        parts=new & parts,
        parting=new & parts & (kl >= bound),
        starts=tuple(begins),
        codes=codes,
        judged=judged,
        said=answers(read.ids, read.outputs.said.cpu()),
        kl=parted / weight,
        fired=judged.columns.bincount(minlength=F),
    )


def _counts(seen: Seen, held_out: torch.Size, bound: float) -> Parting:
    n_windows, length = held_out
    read = n_windows * (length - 1)
    parting = seen.parting
    return Parting(
        bound=bound,
        read=read,
        parting=int(parting[:read].sum()),
        texts=len(seen.starts),
        written=int(seen.new[read:].sum()),
        parting_written=int(parting[read:].sum()),
    )


def _of_rows(codes: Codes, rows: Bool[Tensor, " P"]) -> Codes:
    """The codes of some tokens, in memory."""
    own = rows[codes.rows.cpu()]
    return Codes(codes.rows.cpu()[own], codes.columns.cpu()[own], codes.values.cpu()[own], codes.n_rows)


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
    of_all = profile_of(ids, even, torch.ones(len(even)), seen.said[even], n_words)
    same = doing_the_same(pair, seen.dictionary, seen.sites, _saying(seen, parting, n_words, config.effect_windows))
    weights = [float(seen.tokens_of(group)[1].sum()) for group in same]
    found = []
    for groups in grouped([seen.profile_of(group, n_words) for group in same], weights, of_all):
        features = tuple(sorted(i for group in groups for i in same[group]))
        if int(seen.fired[list(features)].sum()) < config.classes.least_fired:
            continue
        change = _change(pair, seen, features, others[:CONTROLS], of_all, config)
        if change.best.undone - max(0.0, change.best.undone_control) >= wanted.change_undone:
            found.append(change)
    return tuple(sorted(found, key=lambda one: -one.share))


def _saying(seen: Seen, features: Sequence[int], n_words: int, n_windows: int) -> list[Saying]:
    """What B says where each of these features fires, and windows in which it does."""
    said = [said_most(seen.profile_of([i], n_words)) for i in features]
    return [Saying(i, word, seen.windows_of([i], n_windows)) for i, word in zip(features, said, strict=True)]


def _change(
    pair: Pair,
    seen: Seen,
    features: tuple[int, ...],
    controls: Sequence[int],
    of_all: Float[Tensor, " W"],
    config: DiffConfig,
) -> Change:
    kl, names = seen.survey.outputs.kl.cpu(), pair.b.token_names()
    tokens, squares = seen.tokens_of(features)
    windows = seen.windows_of(features, config.effect_windows)
    words, where = in_common(seen.profile_of(features, pair.b.vocab_size), of_all, _WORDS)
    largest = tokens[kl[tokens].argsort(descending=True, stable=True)[:_CONTEXTS]]
    return Change(
        features=features,
        fired=len(tokens),
        kl=float((squares * kl[tokens]).sum() / squares.sum()),
        share=float(kl[tokens].sum() / kl[seen.parts].sum().clamp(min=1e-12)),
        where=tuple(names[i] for i in where),
        words=tuple(names[i] for i in words),
        turned=turned(pair, seen.dictionary, seen.sites, features, controls, windows),
        contexts=tuple(context_of(pair, seen.survey, token) for token in largest.tolist()),
    )
