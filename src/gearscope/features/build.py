"""Build a library: one streaming pass over a corpus, on one machine or many, from any kill on.

    build_library(subject, corpus, Path("lib"), LibraryConfig(), names=Names(...), inputs={...})

    corpus      the tokens, once                                      corpus_file.py
    weights     tokens that features promote, neighbours, the map     weights.py
    shards      model -> codes -> counts and examples, in parts       shard.py -> reading.py, tally.py, parts.py
    merge       parts -> columns and examples, by ranges of features  merge.py
    text        the strings of tokens, the windows' text              text.py

While it runs everything lies in `<out>.run`; each step leaves a finished file that a later run finds. Nothing that is
stored depends on shards, on who worked on them, or on memory (`tests/features/test_build.py`).
"""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gearscope.artifact import unwritable
from gearscope.config import fingerprint
from gearscope.corpus.windows import Corpus
from gearscope.errors import ArtifactError
from gearscope.features import layout, merge
from gearscope.features.arrays import new_arrays, read_arrays, write_arrays
from gearscope.features.bins import N_BINS
from gearscope.features.cluster import Run, here
from gearscope.features.config import Contents, LibraryConfig
from gearscope.features.corpus_file import write_corpus
from gearscope.features.parts import Part, parts_in
from gearscope.features.plan import PARTS, PLAN, WEIGHTS, Plan, WorkConfig, read_plan, write_plan
from gearscope.features.reading import Subject, blocks, windows_per_pass
from gearscope.features.shard import ShardWork
from gearscope.features.spread import spread_out
from gearscope.features.store import write_manifest_of
from gearscope.features.tally import TABLES
from gearscope.features.text import write_text
from gearscope.features.weights import Output, directions, neighbours
from gearscope.threads import one_thread

_SHARD_TOKENS = 262_144
_ROWS = 8192
_ENTRY_BYTES = 100
"""Memory that merging takes for each entry of a part, about."""
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
    when an unfinished build is in the way (or, with `resume`, none is there or it is another one), for too little text
    and a full disk; and what reading raises.
    """
    tell, work = progress or (lambda _, __: None), work or WorkConfig()
    folder, key = out.with_name(f"{out.name}.run"), fingerprint([config.model_dump(), inputs])
    try:
        plan = _begin(out, folder, key, resume=resume)
        with one_thread(), torch.no_grad():
            if plan is None:
                plan = _prepared(folder, key, subject, corpus, config, names, work, tell)
            _weights(folder, subject, plan.contents, tell)
        shards = [n for n in range(plan.shards) if not (folder / PARTS / f"{n:05d}").is_dir()]
        run(
            shards,
            ShardWork(
                folder=folder,
                open=reopen or (lambda: subject),
                memory_megabytes=work.memory_megabytes,
                progress=None if reopen else partial(tell, "tokens read"),
            ),
        )
        contents = _merge(folder, plan.contents, work, tell)
        _write_words(folder, subject, contents)
        for name in (PLAN, WEIGHTS):
            (folder / name).unlink()
        shutil.rmtree(folder / PARTS)
        write_manifest_of(folder, contents, inputs)
        folder.rename(out)
    except OSError as error:
        raise unwritable(out, error) from error


def _begin(out: Path, folder: Path, key: str, *, resume: bool) -> Plan | None:
    """What an earlier run has decided, if it came so far."""
    if out.exists():
        raise ArtifactError(f"a new folder was expected at {out}", found="one that exists", hint="choose another --out")
    if resume != folder.exists():
        hint = "start without --resume" if resume else "go on with --resume, or remove it"
        expected = "an unfinished build" if resume else "no unfinished build"
        raise ArtifactError(f"{expected} was expected at {folder}", found="none" if resume else "one", hint=hint)
    folder.mkdir(parents=True, exist_ok=True)
    plan = read_plan(folder)
    if plan is not None and plan.run != key:
        hint = "give what it was begun with, or build into another folder"
        raise ArtifactError(
            f"a build of this model, dictionary, corpus and settings was expected at {folder}",
            found="another",
            hint=hint,
        )
    return plan


def _prepared(
    folder: Path, key: str, subject: Subject, corpus: Corpus, config: LibraryConfig, names: Names, work: WorkConfig,
    tell: Report,
) -> Plan:  # fmt: skip
    """Store the corpus, and decide how the work is cut and how closely co-firing is looked at."""
    n_vocabulary = len(subject.model.token_names())
    path = folder / layout.CORPUS
    n_windows = write_corpus(
        path, corpus, tokens=config.tokens, n_vocabulary=n_vocabulary, progress=partial(tell, "tokens of text")
    )
    contents = Contents(
        settings=config, model=names.model, dictionaries=names.dictionaries, corpus=names.corpus,
        shelves=tuple(coder.shelf for coder in subject.coders), d_model=subject.model.d_model, context=corpus.context,
        n_windows=n_windows, n_vocabulary=n_vocabulary,
    )  # fmt: skip
    windows = _windows(folder, contents)
    block, seen = next(blocks(subject, windows, range(1)))
    per_token = np.bincount(block.place, minlength=1).astype(np.float64)
    pairs = float((per_token**2).sum()) / (len(seen) * (corpus.context - 1)) * contents.n_tokens
    contents = contents.model_copy(update={"cofiring_every": max(1, round(pairs / config.cofiring_pairs))})
    n_passes = -(-n_windows // windows_per_pass(corpus.context))
    shards = min(n_passes, work.shards or -(-contents.n_tokens // _SHARD_TOKENS))
    plan = Plan(run=key, contents=contents, n_passes=n_passes, shards=shards)
    write_plan(folder, plan)
    return plan


def _windows(folder: Path, c: Contents) -> np.ndarray:
    columns = layout.corpus_columns(c.n_windows, c.context, c.n_vocabulary)
    return read_arrays(folder / layout.CORPUS, columns)["tokens"]


def _weights(folder: Path, subject: Subject, contents: Contents, tell: Report) -> None:
    """Store what follows from the weights: effects, directions, neighbours, the map."""
    if (folder / WEIGHTS).is_file():
        return
    n, settings = contents.n_features, contents.settings
    ids = torch.from_numpy(_windows(folder, contents)[0].astype(np.int64))
    output, first, where = Output(subject.model, ids), 0, torch.empty(n, contents.d_model)
    columns = layout.weight_columns(n, settings)
    made = {name: np.zeros(_shape(column), column.dtype) for name, column in columns.items()}
    for coder in subject.coders:
        for features in torch.arange(coder.shelf.n_features).split(_ROWS):
            written = output.written(coder, features)
            rows = slice(first + int(features[0]), first + int(features[-1]) + 1)
            where[rows] = directions(written).float().cpu()
            for name, values in output.effects(written, settings.effects)._asdict().items():
                made[name][rows] = _in_half(values) if name.endswith("_by") else values.cpu().numpy()
            tell("features written", len(features))
        first += coder.shelf.n_features
    for start in range(0, n, _ROWS):
        stop = min(start + _ROWS, n)
        near = neighbours(where, start, stop, settings.neighbours)
        made["neighbours"][start:stop], made["cosine"][start:stop] = near.features.numpy(), _in_half(near.cosine)
        tell("features compared", stop - start)
    laid = {"direction": where.half().numpy(), "on_map": spread_out(where).astype(np.float32)}
    write_arrays(folder / layout.DIRECTIONS, laid)
    write_arrays(folder / WEIGHTS, made)


def _shape(column: "layout.Column") -> tuple[int, ...]:
    return tuple(length or 0 for length in column.shape)


def _in_half(values: torch.Tensor) -> np.ndarray:
    return values.clamp(-layout.LARGEST, layout.LARGEST).half().cpu().numpy()


def _merge(folder: Path, contents: Contents, work: WorkConfig, tell: Report) -> Contents:
    """Parts to columns and examples; returns what the library holds."""
    n, settings, c = contents.n_features, contents.settings, contents
    widths = dict(zip(TABLES, (c.n_vocabulary, N_BINS, n), strict=True))
    parts = [Part(path, n, widths) for path in parts_in(folder / PARTS)]
    corpus = merge.counts_of(_windows(folder, contents), c.n_vocabulary)
    together = np.sum([part.together() for part in parts], axis=0)
    entries = np.sum([part.entries() for part in parts], axis=0)
    columns = layout.feature_columns(n, settings)
    made = new_arrays(folder / layout.FEATURES, {name: (k.dtype, _shape(k)) for name, k in columns.items()})
    weights = read_arrays(folder / WEIGHTS, layout.weight_columns(n, settings))
    for name, column in weights.items():
        made[name][...] = column
    for shard, begin in enumerate(range(0, n, layout.SHARD)):
        pieces = []
        for first, stop in _ranges(entries, begin, min(begin + layout.SHARD, n), work.memory_megabytes):
            tallied = merge.merged([part.rows(first, stop) for part in parts], settings)
            promoted = weights["promoted"][first:stop]
            for name, values in merge.statistics(tallied, first, corpus, together, promoted, settings).items():
                made[name][first:stop] = values
            pieces.append(merge.examples_of(tallied, first, stop - first, settings))
            tell("features merged", stop - first)
        stored = merge.stitched(pieces)
        kinds = layout.example_columns(len(stored["begin"]) - 1)
        path = folder / layout.examples_file(shard)
        path.parent.mkdir(exist_ok=True)
        write_arrays(path, {name: stored[name].astype(kind.dtype) for name, kind in kinds.items()})
    return contents.model_copy(update={"cofiring_tokens": max(1, sum(part.looked_at() for part in parts))})


def _ranges(entries: np.ndarray, begin: int, end: int, memory_megabytes: int) -> Sequence[tuple[int, int]]:
    """Ranges of features whose entries fit into memory, one feature at least."""
    fits = max(1, memory_megabytes * 1_000_000 // _ENTRY_BYTES)
    before = np.append(0, np.cumsum(entries[begin:end]))
    found, first = [], 0
    while first < end - begin:
        stop = max(first + 1, int(np.searchsorted(before, before[first] + fits, side="right")) - 1)
        found.append((begin + first, begin + stop))
        first = stop
    return found


def _write_words(folder: Path, subject: Subject, contents: Contents) -> None:
    passages = (subject.model.text(window.tolist()) for window in _windows(folder, contents))
    write_text(folder / layout.TEXT, list(subject.model.token_names()), passages)
