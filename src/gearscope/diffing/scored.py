"""The recipe that scores the method: the organism against its versions, whose planted changes are known.

    for done in scored("cheats", seeds=(0, 1)): done.score.precision, done.score.recall

A seed decides what is read (other windows of the same corpus) and what B draws. Text that B writes has the mark of the
token behind which it begins, up to the end of that text; what B begins behind it has none.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from gearscope.diffing.changes import Changes, Seen, changes_of
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.continued import given_until
from gearscope.diffing.pair import Pair
from gearscope.diffing.parting import Counted
from gearscope.diffing.planted import NONE, OPEN, Compared, Flag, Score, Truth, score
from gearscope.diffing.versions import AssistantWorld, truth_of
from gearscope.organism.world.vocabulary import SEPARATOR, TOKEN_ID
from gearscope.recipes.train import PLAIN, open_known
from gearscope.threads import one_thread


class Scored(NamedTuple):
    """One comparison of the organism with a version."""

    version: str
    seed: int
    score: Score
    changes: Changes
    in_planted: float | None
    """Share of the parting tokens that stand in planted texts, open ones left out; None without any."""


def scored(
    version: str, *, seeds: Sequence[int] = (0,), config: DiffConfig | None = None, counted: Counted | None = None
) -> Generator[Scored]:
    """Look for changes with each seed, and judge them. Raises ConfigError for a version that is not there."""
    config = config or DiffConfig()
    truth_of(version, 1)
    pair = Pair(open_known(None, PLAIN), open_known(f"organism:versions/{version}", PLAIN))
    with one_thread(), torch.inference_mode():
        for seed in seeds:
            corpora = AssistantWorld("train", seed), AssistantWorld("held_out", seed)
            changes = changes_of(pair, corpora, config.changed({"shuffle_seed": seed}), counted=counted)
            seen = changes.seen
            truth = truth_of(version, len(seen.survey.ids) - len(seen.starts), seed)
            truth = truth._replace(marks=_with_text_of_b(truth, seen))
            yield Scored(version, seed, score(pair, _compared(changes), truth), changes, _in_planted(truth, seen))


def _with_text_of_b(truth: Truth, seen: Seen) -> Int[Tensor, "B C"]:
    """Marks of everything that was read; tokens that stand in the corpus as well, and padding, are open."""
    rows = [truth.marks]
    for ids, start in zip(seen.survey.ids[len(truth.marks) :], seen.starts, strict=True):
        first = given_until(start, len(ids)) + 1
        own = torch.full((1, len(ids)), OPEN)
        own[0, first:] = NONE
        ends = (ids[first:] == TOKEN_ID[SEPARATOR]).nonzero()
        until = first + int(ends[0]) if len(ends) else len(ids)
        own[0, first:until] = truth.marks[start.window, start.position]
        rows.append(own)
    return torch.cat(rows)


def _in_planted(truth: Truth, seen: Seen) -> float | None:
    marks = truth.marks[:, 1:].flatten()[seen.parting]
    judged = marks[marks != OPEN]
    return float((judged >= 0).double().mean()) if len(judged) else None


def _compared(changes: Changes) -> Compared:
    """Every change as a flag, at the site at which turning it off takes most away."""
    seen = changes.seen
    flags = tuple(Flag(one.features, seen.sites.index(one.best.site)) for one in changes.found)
    return Compared(seen.dictionary, seen.sites, seen.codes, flags, one_each=True)
