"""Build a library: one streaming pass over a corpus, on one machine or many, from any kill on.

    build_library(subject, corpus, Path("lib"), LibraryConfig(), names=Names(...), inputs={...})

    corpus      the tokens, once                                      corpus_file.py
    weights     tokens that features promote, neighbours, the map     from_weights.py -> weights.py, spread.py
    shards      model -> codes -> counts and examples, in parts       shard.py -> reading.py, tally.py, parts.py
    gather      parts -> columns and examples, by ranges of features  gather.py -> merge.py
    text        the strings of tokens, the windows' text              text.py

While it runs everything lies in `<out>.run`; each step leaves a finished file that a later run finds. Nothing that is
stored depends on shards, on who worked on them, or on memory (`tests/features/test_build.py`).
"""

import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gearscope.artifact import alone_in, unwritable
from gearscope.config import fingerprint
from gearscope.corpus.windows import Corpus
from gearscope.errors import ArtifactError, GearscopeError
from gearscope.features import layout
from gearscope.features.arrays import read_arrays
from gearscope.features.cluster import Run, here
from gearscope.features.config import Contents, LibraryConfig
from gearscope.features.corpus_file import write_corpus
from gearscope.features.from_weights import write_weights
from gearscope.features.gather import gather
from gearscope.features.parts import parts_in
from gearscope.features.plan import FINISHED, PARTS, WEIGHTS, Plan, WorkConfig, read_plan, write_plan
from gearscope.features.reading import Subject, pairs_per_token, windows_per_pass
from gearscope.features.shard import ShardWork
from gearscope.features.store import write_manifest_of
from gearscope.features.text import write_text
from gearscope.threads import one_thread

_SHARD_TOKENS = 262_144
Report = Callable[[str, int], None]
"""Called with what is being done, and how much more of it is done."""


class Names(NamedTuple):
    """How the parts of a library were named when they were opened."""

    model: str
    dictionaries: str
    corpus: str


def build_library(
    subject: Subject,
    corpus: Corpus,
    out: Path,
    config: LibraryConfig,
    *,
    names: Names,
    inputs: dict[str, str],
    work: WorkConfig | None = None,
    reopen: Callable[[], Subject] | None = None,
    run: Run = here,
    progress: Report | None = None,
    resume: bool = False,
) -> None:
    """Build the folder `out`. `inputs` are fingerprints of what it is made from.

    Where `run` sends work to other processes, `reopen` opens the subject there. Raises ArtifactError when `out` exists,
    when another process builds it, when an unfinished build is in the way (or, with `resume`, none is there or it is
    another one), for too little text and a full disk; and what reading raises.
    """
    tell, work = progress or (lambda _, __: None), work or WorkConfig()
    if out.exists():
        raise ArtifactError(f"a new folder was expected at {out}", found="one that exists", hint="choose another --out")
    folder, key = out.with_name(f"{out.name}.run"), fingerprint([config.model_dump(), inputs])
    finished = folder / FINISHED
    try:
        with alone_in(folder), one_thread(), torch.no_grad():
            plan = _begun(folder, key, resume=resume)
            if plan is None:
                with _nothing_begun(folder):
                    contents = _corpus(finished, subject, corpus, config, names, tell)
                    plan = _plan(folder, key, subject, contents, work)
            windows = _windows(finished, plan.contents)
            if not (folder / WEIGHTS).is_file():
                laid = finished / layout.DIRECTIONS
                write_weights(folder / WEIGHTS, laid, subject, plan.contents, windows[0], tell)
            run(
                [shard for shard in range(plan.shards) if not (folder / PARTS / f"{shard:05d}").is_dir()],
                ShardWork(
                    folder=folder,
                    open=reopen or (lambda: subject),
                    work=work,
                    progress=None if reopen else partial(tell, "tokens read"),
                ),
            )
            looked_at = gather(
                parts_in(folder / PARTS),
                folder / WEIGHTS,
                finished,
                plan.contents,
                windows,
                memory_megabytes=work.memory_megabytes,
                tell=tell,
            )
            passages = (subject.model.text(window.tolist()) for window in windows)
            write_text(finished / layout.TEXT, subject.model.tokens_in_text(), passages)
            contents = plan.contents.model_copy(update={"cofiring_tokens": max(1, looked_at)})
            write_manifest_of(finished, contents, inputs)
            finished.rename(out)
            shutil.rmtree(folder)
    except OSError as error:
        raise unwritable(out, error) from error


@contextmanager
def _nothing_begun(folder: Path) -> Generator[None]:
    """A corpus that cannot be read leaves no unfinished build behind."""
    try:
        yield
    except GearscopeError:
        shutil.rmtree(folder)
        raise


def _begun(folder: Path, key: str, *, resume: bool) -> Plan | None:
    """What an earlier run has decided, if it came so far."""
    begun = (folder / FINISHED).exists()
    if resume != begun:
        hint = "start without --resume" if resume else "go on with --resume, or remove it"
        expected = "an unfinished build" if resume else "no unfinished build"
        raise ArtifactError(f"{expected} was expected at {folder}", found="one" if begun else "none", hint=hint)
    (folder / FINISHED).mkdir(exist_ok=True)
    plan = read_plan(folder)
    if plan is not None and plan.run != key:
        hint = "give what it was begun with, or build into another folder"
        expected = f"a build of this model, dictionary, corpus and settings was expected at {folder}"
        raise ArtifactError(expected, found="another", hint=hint)
    return plan


def _corpus(
    finished: Path, subject: Subject, corpus: Corpus, config: LibraryConfig, names: Names, tell: Report
) -> Contents:
    """Store the tokens; returns the shape of the library."""
    n_vocabulary, path = len(subject.model.token_names()), finished / layout.CORPUS
    told = partial(tell, "tokens of text")
    n_windows = write_corpus(path, corpus, tokens=config.tokens, n_vocabulary=n_vocabulary, progress=told)
    return Contents(
        settings=config,
        model=names.model,
        dictionaries=names.dictionaries,
        corpus=names.corpus,
        shelves=tuple(coder.shelf for coder in subject.coders),
        d_model=subject.model.d_model,
        context=corpus.context,
        n_windows=n_windows,
        n_vocabulary=n_vocabulary,
    )


def _plan(folder: Path, key: str, subject: Subject, contents: Contents, work: WorkConfig) -> Plan:
    """Decide how the work is cut, and how closely co-firing is looked at: by the first windows."""
    pairs = pairs_per_token(subject, _windows(folder / FINISHED, contents)) * contents.n_tokens
    every = max(1, round(pairs / contents.settings.cofiring_pairs))
    n_passes = -(-contents.n_windows // windows_per_pass(contents.context))
    shards = min(n_passes, work.shards or -(-contents.n_tokens // _SHARD_TOKENS))
    contents = contents.model_copy(update={"cofiring_every": every})
    plan = Plan(run=key, contents=contents, n_passes=n_passes, shards=shards)
    write_plan(folder, plan)
    return plan


def _windows(finished: Path, c: Contents) -> np.ndarray:
    columns = layout.corpus_columns(c.n_windows, c.context, c.n_vocabulary)
    return read_arrays(finished / layout.CORPUS, columns)["tokens"]
