"""One shard of a build, by whoever works on it: read its text, count, write the parts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gearscope.features import layout
from gearscope.features.arrays import read_arrays
from gearscope.features.parts import ShardFolder
from gearscope.features.plan import FINISHED, PARTS, WEIGHTS, Plan, WorkConfig, read_plan
from gearscope.features.reading import Subject, blocks
from gearscope.features.tally import Tally
from gearscope.threads import one_thread


@dataclass(frozen=True, kw_only=True)
class ShardWork:
    """Work on shards of the build in a folder that every worker sees. Can be sent to another machine if `open` can."""

    folder: Path
    open: Callable[[], Subject]
    work: WorkConfig
    progress: Callable[[int], None] | None = None

    def __call__(self, shard: int) -> None:
        """Count one shard and write its parts; a new one begins when the counts have filled their memory."""
        plan = read_plan(self.folder)
        assert plan is not None
        c, subject, out = plan.contents, self.open(), ShardFolder(self.folder / PARTS, shard)
        corpus = layout.corpus_columns(c.n_windows, c.context, c.n_vocabulary)
        weights = layout.weight_columns(c.n_features, c.n_vocabulary, c.settings)
        windows = read_arrays(self.folder / FINISHED / layout.CORPUS, corpus)["tokens"]
        promoted = read_arrays(self.folder / WEIGHTS, weights)["promoted"]
        out.begin()
        with one_thread():
            tally = self._new(plan, windows, promoted)
            stretch, passes = plan.stretch(shard), self.work.block_passes
            for block, here in blocks(subject, windows, stretch, self.progress, block_passes=passes):
                tally.add(block, here)
                if tally.n_bytes > self.work.memory_megabytes * 500_000:
                    out.add(tally.finish())
                    tally = self._new(plan, windows, promoted)
            out.add(tally.finish())
        out.finish()

    def _new(self, plan: Plan, windows: np.ndarray, promoted: np.ndarray) -> Tally:
        c = plan.contents
        every, waiting = c.cofiring_every, self.work.waiting
        return Tally(windows, promoted, c.n_vocabulary, c.settings, cofiring_every=every, waiting=waiting)
