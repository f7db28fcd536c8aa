"""The recipe that scores the method: the organism against its versions, whose planted changes are known.

    for done in scored("cheats", seeds=(0, 1)): done.score.precision, done.score.recall

What is read is the same for all seeds; a seed decides the first weights of the directions and the order of tokens.
"""

import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from gearscope.config import fingerprint
from gearscope.diffing.changes import Changes, learnt, measured, sites_for
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.pair import Pair
from gearscope.diffing.parting import Counted, part
from gearscope.diffing.planted import Compared, Flag, Score, score
from gearscope.diffing.versions import AssistantWorld, truth_of
from gearscope.recipes.train import PLAIN, open_known
from gearscope.threads import one_thread


class Scored(NamedTuple):
    """One comparison of the organism with a version."""

    version: str
    seed: int
    score: Score
    changes: Changes


def scored(
    version: str, *, seeds: Sequence[int] = (0,), config: DiffConfig | None = None, counted: Counted | None = None
) -> Generator[Scored]:
    """Look for changes with each seed, and judge them. Raises ConfigError for a version that is not there."""
    config = config or DiffConfig()
    truth_of(version, 1)
    pair = Pair(open_known(None, PLAIN), open_known(f"organism:versions/{version}", PLAIN))
    sites = sites_for(config.changes.change_layers, pair.a.n_layers)
    read, held_out = AssistantWorld("train"), AssistantWorld("held_out")
    size = config.reading.pass_tokens
    with one_thread(), torch.inference_mode():
        parted = part(pair, read, sites, config.changes, pass_tokens=size, counted=counted)
        for seed in seeds:
            own = config.changed({"seed": seed})
            with tempfile.TemporaryDirectory() as run:
                made_of = fingerprint([pair.a.fingerprint, pair.b.fingerprint, read.fingerprint])
                dictionary = learnt(parted, sites, Path(run), own, made_of)
            changes = measured(pair, dictionary, sites, held_out, own)
            truth = truth_of(version, len(changes.seen.survey.ids))
            yield Scored(version, seed, score(pair, _compared(changes), truth), changes)


def _compared(changes: Changes) -> Compared:
    """Every change as a flag, at the site at which turning it off takes most away."""
    seen = changes.seen
    flags = tuple(Flag(one.features, seen.sites.index(one.best.site)) for one in changes.found)
    return Compared(seen.dictionary, seen.sites, seen.codes, flags, one_each=True)
