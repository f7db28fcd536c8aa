"""The corpus of a library as one array of windows, each read once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gearscope.corpus.windows import Corpus, windows_for
from gearscope.errors import ArtifactError
from gearscope.features import layout
from gearscope.features.arrays import new_arrays
from gearscope.features.merge import counts_of

_AT_ONCE = 256


def write_corpus(
    path: Path, corpus: Corpus, *, tokens: int, n_vocabulary: int, progress: Callable[[int], None] | None = None
) -> int:
    """Write windows of so many tokens, or of all the text where that is less; returns how many windows.

    No text is read twice: what would be a second reading is left out. Raises ArtifactError for too little text.
    """
    raw, dtype = path.with_suffix(".raw"), layout.token_type(n_vocabulary)
    wanted, written, place, whole = windows_for(corpus, tokens), 0, None, None
    with raw.open("wb") as stream:
        while written < wanted and whole is None:
            ids, place, whole = corpus.take(min(_AT_ONCE, wanted - written), place)
            rows = ids.numpy()
            if int(rows.min()) < 0 or int(rows.max()) >= n_vocabulary:
                raise ArtifactError(f"tokens below {n_vocabulary} were expected in the corpus", found=str(rows.max()))
            stream.write(rows.astype(dtype).tobytes())
            written += len(rows)
            if progress is not None:
                progress(len(rows) * (corpus.context - 1))
    if whole is not None:
        written = min(written, whole // corpus.context)
    if not written:
        raise ArtifactError(f"text of {corpus.context} tokens or more was expected", found=f"{whole}")
    windows = np.memmap(raw, dtype, "r", shape=(written, corpus.context))
    _seal(path, windows, n_vocabulary)
    raw.unlink()
    return written


def _seal(path: Path, windows: np.ndarray, n_vocabulary: int) -> None:
    columns = layout.corpus_columns(*windows.shape, n_vocabulary)
    scratch = path.with_name(f".{path.name}")
    shapes = {"tokens": windows.shape, "counts": (n_vocabulary,)}
    made = new_arrays(scratch, {name: (column.dtype, shapes[name]) for name, column in columns.items()})
    made["tokens"][...] = windows
    made["counts"][...] = counts_of(windows, n_vocabulary).occurs
    scratch.replace(path)
