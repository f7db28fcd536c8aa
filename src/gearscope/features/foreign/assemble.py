"""Features, examples and labels of strangers, in any order, to the files of a library.

Tokens are numbered as they come: an imported library has a vocabulary of its own. A window is stored once, however
many examples it is in. What grows with the corpus lies on disk on the way.
"""

import hashlib
import zlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Integer

from gearscope.errors import ArtifactError
from gearscope.features import layout
from gearscope.features.arrays import Column, new_arrays, write_arrays
from gearscope.features.config import Contents, Imported, LibraryConfig, Shelf
from gearscope.features.foreign.files import Limits
from gearscope.features.foreign.parsed import ForeignExample, ForeignFeature, ForeignLabel, Source
from gearscope.features.kept import write_kept
from gearscope.features.records import NewLabel
from gearscope.features.store import write_manifest_of
from gearscope.features.text import write_text

_ROWS = 8_192
_WINDOWS, _VECTORS = ".windows", ".vectors"


class _Feature(NamedTuple):
    """A feature on the way; `at` is where its vector lies, -1 for none."""

    source: int
    feature: ForeignFeature
    promoted: tuple[list[int], np.ndarray]
    suppressed: tuple[list[int], np.ndarray]
    kept: bytes
    at: int


class Assembly:
    """What was read so far. `finish` writes the library into the folder."""

    def __init__(self, folder: Path, form: Literal["neuronpedia", "saedashboard"], limits: Limits) -> None:
        self._folder, self._form, self._limits = folder, form, limits
        self._model: str | None = None
        self._sources: dict[str, tuple[int, Source]] = {}
        self._features: dict[tuple[int, int], int] = {}
        self._known: list[_Feature] = []
        self._words: dict[str, int] = {}
        self._windows: dict[bytes, int] = {}
        self._lengths = array("I")
        self._examples = {name: array(kind) for name, kind in _EXAMPLE.items()}
        self._around_offset, self._around_value = array("h"), array("f")
        self._labels: list[tuple[int, ForeignLabel]] = []
        self._n_vectors, self._width = 0, 0
        self._raw, self._raw_vectors = (folder / _WINDOWS).open("wb"), (folder / _VECTORS).open("wb")
        self.left_out = 0
        """Examples and labels of features that the source does not describe."""

    def add_feature(self, source: Source, feature: ForeignFeature) -> None:
        """Take a feature in. Raises ArtifactError for one that is there already, or cannot be."""
        number, where = self._source(source), f"feature {feature.index} of {source.id}"
        if (number, feature.index) in self._features:
            raise ArtifactError(f"{where} was expected once", found="it twice")
        if not (feature.density != feature.density or 0 <= feature.density <= 1):
            raise ArtifactError(f"{where} should fire on a share of tokens from 0 to 1", found=f"{feature.density:g}")
        if len(self._known) >= self._limits.features:
            raise ArtifactError(f"at most {self._limits.features:,} features were expected", found="more")
        at = -1
        if feature.vector is not None:
            if self._n_vectors and len(feature.vector) != self._width:
                found = f"{len(feature.vector)} numbers"
                raise ArtifactError(f"{where} should write a vector of {self._width} numbers", found=found)
            self._width, at = len(feature.vector), self._n_vectors
            self._raw_vectors.write(feature.vector.astype("<f4").tobytes())
            self._n_vectors += 1
        self._features[number, feature.index] = len(self._known)
        promoted, suppressed = ((self._ids(words), values) for words, values in (feature.promoted, feature.suppressed))
        bare = feature._replace(vector=None, kept="", promoted=([], np.zeros(0)), suppressed=([], np.zeros(0)))
        self._known.append(_Feature(number, bare, promoted, suppressed, zlib.compress(feature.kept.encode(), 1), at))

    def add_example(self, source: Source, index: int, example: ForeignExample) -> None:
        """Take an example of a feature in."""
        feature = self._features.get((self._source(source), index))
        if feature is None:
            self.left_out += 1
            return
        window, values = self._window(self._ids(example.tokens)), example.values
        around = np.flatnonzero(values)
        around = around[around != example.position]
        row = (
            feature, window, example.position, values[example.position], example.low, example.high, example.share,
            len(around),
        )  # fmt: skip
        for column, value in zip(self._examples.values(), row, strict=True):
            column.append(value)
        self._around_offset.frombytes((around - example.position).astype(np.int16).tobytes())
        self._around_value.frombytes(values[around].astype(np.float32).tobytes())

    def add_label(self, source: Source, index: int, label: ForeignLabel) -> None:
        """Take a label of a feature in."""
        feature = self._features.get((self._source(source), index))
        if feature is None:
            self.left_out += 1
        else:
            self._labels.append((feature, label))

    def _source(self, source: Source) -> int:
        model, known = self._model or source.model, self._sources.get(source.id)
        if source.model != model:
            raise ArtifactError(
                f"features of one model ({model:.60}) were expected", found=f"{source.model:.60} as well"
            )
        self._model = model
        if known is None:
            known = self._sources[source.id] = (len(self._sources), source)
        elif known[1].hook is None and source.hook is not None:
            known = self._sources[source.id] = (known[0], source)
        return known[0]

    def _ids(self, words: Sequence[str]) -> list[int]:
        ids = [self._words.setdefault(word, len(self._words)) for word in words]
        if len(self._words) > self._limits.words:
            raise ArtifactError(f"at most {self._limits.words:,} different tokens were expected", found="more")
        return ids

    def _window(self, ids: list[int]) -> int:
        raw = np.array(ids, "<u4").tobytes()
        known = self._windows.setdefault(hashlib.blake2b(raw, digest_size=16).digest(), len(self._lengths))
        if known == len(self._lengths):
            self._lengths.append(len(ids))
            self._raw.write(raw)
        return known

    # What is written

    def finish(self, inputs: dict[str, str]) -> tuple[Contents, list[NewLabel]]:
        """Write everything but the labels, which belong into the notes of the finished library."""
        self.close()
        if not self._known:
            raise ArtifactError("a feature was expected", found="none")
        contents, order = self._contents()
        number = np.empty(len(order), np.int64)
        number[order] = np.arange(len(order))
        self._write_features(contents, order)
        self._write_examples(contents, number)
        self._write_corpus(contents)
        if contents.d_model:
            self._write_vectors(contents, order)
        write_kept(
            self._folder / layout.KEPT,
            ((row, zlib.decompress(self._known[at].kept).decode()) for row, at in enumerate(order.tolist())),
        )
        for name in (_WINDOWS, _VECTORS):
            (self._folder / name).unlink()
        named = {"model": contents.model, "dictionaries": contents.dictionaries, "corpus": contents.corpus}
        write_manifest_of(self._folder, contents, named | inputs)
        return contents, [_new_label(int(number[at]), label) for at, label in self._labels]

    def close(self) -> None:
        """Close the files that are on the way."""
        self._raw.close()
        self._raw_vectors.close()

    def _contents(self) -> tuple[Contents, Integer[np.ndarray, " F"]]:
        """The shape of the library, and its features in the order of their numbers."""
        sources = sorted((source for _, source in self._sources.values()), key=lambda one: one.layer)
        place = {self._sources[source.id][0]: at for at, source in enumerate(sources)}
        shelf = np.array([place[one.source] for one in self._known])
        order = np.lexsort((np.array([one.feature.index for one in self._known]), shelf))
        has = np.bincount(shelf, minlength=len(sources))
        effects = max((len(ids) for one in self._known for ids, _ in (one.promoted, one.suppressed)), default=1)
        corpora = {source.corpus for source in sources} - {None}
        whole = self._n_vectors == len(self._known)
        contents = Contents.of(
            settings=LibraryConfig(effects=max(1, effects)),
            model=sources[0].model,
            dictionaries=", ".join(source.id for source in sources),
            corpus=", ".join(sorted(map(str, corpora))) or "not told",
            shelves=tuple(
                Shelf(layer=s.layer, kind="imported", reads=(s.hook,) if s.hook else (), writes=(), n_features=int(n))
                for s, n in zip(sources, has, strict=True)
                if n
            ),
            d_model=self._width if whole else 0,
            context=max(2, max(self._lengths, default=1)),
            n_windows=max(1, len(self._lengths)),
            n_vocabulary=len(self._words) + 1,
            imported=Imported(
                format=self._form,
                sources=tuple(s.id for s, n in zip(sources, has, strict=True) if n),
                vectors=whole,
            ),
        )
        return contents, order

    def _write_features(self, c: Contents, order: np.ndarray) -> None:
        kinds = layout.imported_feature_columns(len(order), c.n_vocabulary, c.settings)
        made = _made(self._folder / layout.FEATURES, kinds)
        for row, at in enumerate(order.tolist()):
            one = self._known[at]
            made["index"][row], made["density"][row] = one.feature.index, one.feature.density
            made["max_activation"][row] = one.feature.largest
            for name, (ids, values) in (("promoted", one.promoted), ("suppressed", one.suppressed)):
                made[name][row] = c.filler
                made[name][row, : len(ids)], made[f"{name}_by"][row, : len(ids)] = ids, values

    def _write_examples(self, c: Contents, number: np.ndarray) -> None:
        """Examples by feature: the largest first, then by interval from the highest down."""
        stored = {name: np.frombuffer(column, column.typecode) for name, column in self._examples.items()}
        feature, top = number[stored["feature"]], stored["share"] == -1
        high = np.where(top | np.isnan(stored["high"]), -np.inf, stored["high"])
        order = np.lexsort((-stored["activation"], -high, ~top, feature))
        feature, ends = feature[order], np.cumsum(stored["n_around"], dtype=np.int64)
        for shard, first in enumerate(range(0, c.n_features, layout.SHARD)):
            n = min(layout.SHARD, c.n_features - first)
            edges = np.searchsorted(feature, np.arange(first, first + n + 1))
            some = order[edges[0] : edges[-1]]
            length = stored["n_around"][some].astype(np.int64)
            near = _runs(ends[some] - length, length)
            arrays = {name: stored[name][some] for name in ("activation", "low", "high", "share", "n_around")} | {
                "begin": edges - edges[0],
                "place": stored["window"][some].astype(np.int64) * c.context + stored["position"][some],
                "around_begin": np.append(0, np.cumsum(length))[edges - edges[0]],
                "around_offset": np.frombuffer(self._around_offset, np.int16)[near],
                "around_value": np.frombuffer(self._around_value, np.float32)[near],
            }
            kinds = layout.imported_example_columns(n)
            typed = {name: arrays[name].astype(kind.dtype) for name, kind in kinds.items()}
            path = self._folder / layout.examples_file(shard)
            path.parent.mkdir(exist_ok=True)
            write_arrays(path, typed)

    def _write_corpus(self, c: Contents) -> None:
        kinds = layout.corpus_columns(c.n_windows, c.context, c.n_vocabulary)
        made = _made(self._folder / layout.CORPUS, kinds)
        made["tokens"][...] = c.filler
        for row, ids in enumerate(self._stored_windows()):
            made["tokens"][row, : len(ids)] = ids
            made["counts"][:] += np.bincount(ids[1:], minlength=c.n_vocabulary).astype(np.uint32)
        words = list(self._words)
        passages = ("".join(words[token] for token in ids.tolist()) for ids in self._stored_windows())
        write_text(self._folder / layout.TEXT, [*words, ""], passages)

    def _stored_windows(self) -> Iterator[np.ndarray]:
        with (self._folder / _WINDOWS).open("rb") as stream:
            for length in self._lengths:
                yield np.frombuffer(stream.read(4 * length), "<u4")

    def _write_vectors(self, c: Contents, order: np.ndarray) -> None:
        raw = np.memmap(self._folder / _VECTORS, "<f4", "r", shape=(self._n_vectors, c.d_model))
        made = _made(self._folder / layout.VECTORS, layout.vector_columns(len(order), c.d_model))
        for start in range(0, len(order), _ROWS):
            at = [self._known[one].at for one in order[start : start + _ROWS].tolist()]
            made["vector"][start : start + _ROWS] = raw[at]


_EXAMPLE = {
    "feature": "Q", "window": "I", "position": "H", "activation": "f", "low": "f", "high": "f", "share": "f",
    "n_around": "H",
}  # fmt: skip


def _made(path: Path, kinds: dict[str, Column]) -> dict[str, Any]:
    return new_arrays(path, {name: (kind.dtype, layout.shape(kind)) for name, kind in kinds.items()})


def _runs(begin: np.ndarray, length: np.ndarray) -> np.ndarray:
    before = np.cumsum(length) - length
    return np.repeat(begin - before, length) + np.arange(int(length.sum()))


def _new_label(number: int, label: ForeignLabel) -> NewLabel:
    return NewLabel(
        number, label.text, "imported", model=label.model, score=label.score, scored_by=label.scored_by,
        details=label.details,
    )  # fmt: skip
