"""A library on disk, read: any feature, its examples, labels, and the columns that searches scan. No torch.

    library = Library.open(Path("lib"))
    record = library.record(library.number(FeatureId.parse("2/417")))
    library.notes.shown([record.number])              # its label
    library.columns["fired"]                          # one value per feature, mapped

Opening reads headers only. Everything that a damaged or hostile folder could hold is checked before it is used, and
raises ArtifactError. `write_manifest_of` seals a folder whose files lie there already.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from gearscope.artifact import read_manifest, verify, write_manifest
from gearscope.config import Config
from gearscope.errors import ArtifactError, ConfigError, TargetError
from gearscope.features import layout
from gearscope.features.arrays import read_arrays
from gearscope.features.bins import coarse_edges
from gearscope.features.config import Contents, Shelf
from gearscope.features.kept import Kept, alike, bars
from gearscope.features.notes import Notes
from gearscope.features.records import (
    Bin,
    CoFiring,
    Example,
    FeatureRecord,
    Interval,
    Neighbour,
    Strings,
    TokenEffect,
    Trigger,
)
from gearscope.features.text import LibraryText
from gearscope.ids import FeatureId

_MOST_EXAMPLES = 2_000
"""Of one feature; more is a damaged file."""


class _Columns(dict[str, np.ndarray]):
    """Columns by name; one that an imported library lacks says so."""

    def __missing__(self, name: str) -> np.ndarray:
        raise _absent(name.replace("_", " "))


def _absent(what: str) -> ConfigError:
    return ConfigError(f"a library with {what} was expected", found="an imported one, whose source does not say")


class Library:
    """A stored library. Made by `Library.open`; `with` closes its files. Many threads may read one."""

    def __init__(self, folder: Path, contents: Contents, inputs: dict[str, str]) -> None:
        self.folder, self.contents, self.inputs = folder, contents, inputs
        self.n_features, self.n_tokens = contents.n_features, contents.n_tokens
        self._firsts = [0, *accumulate(shelf.n_features for shelf in contents.shelves)]
        self._layers = [shelf.layer for shelf in contents.shelves]
        self._by_layer = {shelf.layer: number for number, shelf in enumerate(contents.shelves)}
        c, imported = contents, contents.imported
        sizes = (self.n_features, c.n_vocabulary, c.settings)
        built = imported is None
        columns = layout.feature_columns(*sizes, c.looked_at) if built else layout.imported_feature_columns(*sizes)
        self.columns = _Columns(read_arrays(folder / layout.FEATURES, columns))
        """One value, or several, of each feature; ConfigError for what an imported library lacks."""
        corpus = read_arrays(folder / layout.CORPUS, layout.corpus_columns(c.n_windows, c.context, c.n_vocabulary))
        self.windows: Integer[np.ndarray, "W P"] = corpus["tokens"]
        """The token ids of the corpus."""
        self.token_counts: Integer[np.ndarray, " V"] = corpus["counts"]
        """How often each token stands behind the first position of a window."""
        if imported is None:
            path, kinds = folder / layout.DIRECTIONS, layout.direction_columns(self.n_features, c.d_model)
        else:
            path, kinds = folder / layout.VECTORS, layout.vector_columns(self.n_features, c.d_model)
        self._directions = _Columns(read_arrays(path, kinds) if imported is None or imported.vectors else {})
        self._kept = None if imported is None else Kept(folder / layout.KEPT)
        self.text = LibraryText(folder / layout.TEXT, c.n_vocabulary)
        self._examples: dict[int, dict[str, np.ndarray]] = {}
        self._notes: Notes | None = None

    @classmethod
    def open(cls, folder: Path, *, check_sums: bool = False) -> "Library":
        """Open a folder; with `check_sums` every byte is checked against the manifest. Raises ArtifactError."""
        manifest = (verify if check_sums else read_manifest)(folder, layout.KIND)
        inputs = manifest.get("inputs")
        if not isinstance(inputs, dict):
            raise ArtifactError(f"{folder} should say what it was made from", found=repr(inputs)[:60])
        return cls(folder, contents_of(manifest.get("config")), {str(k): str(v) for k, v in inputs.items()})

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the databases."""
        self.text.close()
        if self._kept is not None:
            self._kept.close()
        if self._notes is not None:
            self._notes.close()

    # Names

    def number(self, feature: FeatureId) -> int:
        """The row of a feature. Raises TargetError when the library has no such feature."""
        shelf = self._shelf_of(feature.layer, str(feature))
        n_features, first = self.contents.shelves[shelf].n_features, self._firsts[shelf]
        if self.contents.imported is not None:
            rows = self.columns["index"][first : first + n_features]
            row = int(np.searchsorted(rows, feature.index)) if feature.index < 2**32 else n_features
            if row == n_features or int(rows[row]) != feature.index:
                expected = f"one of the {n_features} features of layer {feature.layer} that were imported was expected"
                raise TargetError(expected, found=str(feature))
            return first + row
        if feature.index >= n_features:
            raise TargetError(f"an index below {n_features} was expected in layer {feature.layer}", found=str(feature))
        return first + feature.index

    def feature(self, number: int) -> FeatureId:
        """The name of a row. Raises ArtifactError for one that is not there: it came from a damaged file."""
        if not 0 <= number < self.n_features:
            raise ArtifactError(f"features below {self.n_features} were expected in {self.folder}", found=str(number))
        shelf = bisect_right(self._firsts, number) - 1
        imported = self.contents.imported is not None
        index = int(self.columns["index"][number]) if imported else int(number) - self._firsts[shelf]
        return FeatureId(self._layers[shelf], index)

    def numbers(self, layer: int) -> range:
        """The rows of a layer's features. Raises TargetError."""
        shelf = self._shelf_of(layer, f"layer {layer}")
        return range(self._firsts[shelf], self._firsts[shelf + 1])

    def _shelf_of(self, layer: int, asked: str) -> int:
        shelf = self._by_layer.get(layer)
        if shelf is None:
            layers = ", ".join(map(str, sorted(self._by_layer)))
            raise TargetError(f"a feature of layer {layers} was expected", found=asked)
        return shelf

    def shelf(self, number: int) -> Shelf:
        """The dictionary of a feature."""
        return self.contents.shelves[bisect_right(self._firsts, number) - 1]

    def directions(self, numbers: slice | Sequence[int]) -> Float[np.ndarray, "K D"]:
        """What features add to the residual stream, of length 1 to about 1 %; 0 where they write nothing.

        Raises ConfigError where an imported library's source does not say.
        """
        if self.contents.imported is None:
            scale = self._directions["scale"][numbers].astype(np.float32)
            return self._directions["direction"][numbers].astype(np.float32) * scale[:, None]
        vectors = self._directions["vector"][numbers]
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(length > 0, length, 1)

    def vector(self, number: int) -> Float[np.ndarray, " D"] | None:
        """What an imported library's source says that a feature writes."""
        imported = self.contents.imported
        return self._directions["vector"][number] if imported is not None and imported.vectors else None

    @property
    def density(self) -> Float[np.ndarray, " F"]:
        """Share of tokens on which each feature fires; NaN where that is not known."""
        return self.density_of(slice(None))

    def density_of(self, numbers: slice | Sequence[int] | np.ndarray) -> Float[np.ndarray, " K"]:
        """The same of some features."""
        if self.contents.imported is None:
            return self.columns["fired"][numbers] / self.n_tokens
        return self.columns["density"][numbers].astype(np.float64)

    # Notes

    @property
    def notes(self) -> Notes:
        """Labels and lists, to read; those of a file that was made after opening, too."""
        path = self.folder / layout.NOTES
        if self._notes is None or (self._notes.empty and path.exists()):
            self._notes = Notes.read(path)
        return self._notes

    def write_notes(self) -> Notes:
        """Labels and lists, to write: `with library.write_notes() as notes:`."""
        return Notes.write(self.folder / layout.NOTES)

    # Records

    def record(self, number: int, *, examples: bool = True) -> FeatureRecord:
        """Everything that was measured of a feature, with its examples unless they are not wanted."""
        feature, row = self.feature(number), {name: column[number] for name, column in self.columns.items()}
        built, kept = self.contents.imported is None, {} if self._kept is None else self._kept.of(number)
        fired, largest = int(row["fired"]) if built else None, _told(row["max_activation"])
        scores = [float(row[name]) if built else None for name in ("input_score", "output_score", "output_base")]
        density = fired / self.n_tokens if fired is not None else _told(row["density"])
        on_map = self._directions["on_map"][number].tolist() if built else None
        return FeatureRecord(
            feature=feature,
            number=number,
            shelf=self.shelf(number),
            fired=fired,
            density=density,
            max_activation=largest,
            deciles=tuple(row["deciles"].tolist()) if fired else (),
            histogram=self._histogram(row["histogram"], largest or 0.0) if built else bars(kept),
            promoted=self._effects(row["promoted"], row["promoted_by"]),
            suppressed=self._effects(row["suppressed"], row["suppressed_by"]),
            triggers=self._triggers(row["triggers"], row["trigger_count"], fired or 0) if built else (),
            neighbours=self._neighbours(number, row["neighbours"]) if built else self._alike(feature, kept),
            cofiring=self._cofiring(int(row["cofiring_fired"]), row["cofiring"], row["cofiring_count"])
            if built
            else (),
            input_score=scores[0],
            output_score=scores[1],
            output_base=scores[2],
            on_map=None if on_map is None else (on_map[0], on_map[1]),
            examples=self.examples(number) if examples else (),
            kept=kept,
        )

    def examples(self, number: int) -> tuple[Example, ...]:
        """Windows in which a feature fires: the largest activations first, then by decile from the highest down."""
        self.feature(number)
        shard, row = divmod(number, layout.SHARD)
        stored, imported = self.example_shard(shard), self.contents.imported is not None
        begin, end = (int(edge) for edge in stored["begin"][row : row + 2])
        at, stop = (int(edge) for edge in stored["around_begin"][row : row + 2])
        counts = stored["n_around"][begin:end].astype(np.int64)
        spread = 0 if imported else int(stored["tenths"][row].sum())
        whole = 0 <= begin <= begin + spread <= end <= len(stored["place"]) and at + int(counts.sum()) == stop
        if not whole or stop > len(stored["around_offset"]) or end - begin > _MOST_EXAMPLES:
            raise ArtifactError(f"whole examples of feature {number} were expected in {self.folder}", found="others")
        places = stored["place"][begin:end].astype(np.int64)
        if places.size and int(places.max()) >= self.windows.size:
            raise ArtifactError(f"examples inside the corpus were expected in {self.folder}", found=str(places.max()))
        window, position = np.divmod(places, self.contents.context)
        activations = self._activations(number, stored, slice(begin, end), slice(at, stop), position)
        ids, values = self.windows[window], stored["activation"][begin:end].tolist()
        groups = _groups(stored, begin, end) if imported else _tenths(stored["tenths"][row], end - begin)
        lengths = self._lengths(ids)
        return tuple(
            Example(
                at_window, at_position, value, decile, row[:length], Strings(self._strings, row[:length]),
                acts[:length], interval,
            )
            for at_window, at_position, value, (decile, interval), row, acts, length in zip(
                window.tolist(), position.tolist(), values, groups, ids, activations, lengths, strict=True
            )
        )  # fmt: skip

    def _activations(
        self, number: int, stored: dict[str, np.ndarray], own: slice, around: slice, position: np.ndarray
    ) -> Float[np.ndarray, "K P"]:
        """Activations at every position of the windows of some examples."""
        found = np.zeros((len(position), self.contents.context), np.float32)
        example = np.repeat(np.arange(len(position)), stored["n_around"][own])
        at = position[example] + stored["around_offset"][around].astype(np.int64)
        inside = (at >= 0) & (at < found.shape[1])
        if self.contents.imported is None:
            step = np.float32(self.columns["max_activation"][number] / 255)
            values = step * stored["around_level"][around].astype(np.float32)
        else:
            values = stored["around_value"][around]
        found[example[inside], at[inside]] = values[inside]
        found[np.arange(len(position)), position] = stored["activation"][own]
        return found

    def _lengths(self, ids: Integer[np.ndarray, "K P"]) -> list[int]:
        """Tokens of each window before what fills it up."""
        filler = self.contents.filler
        if filler is None:
            return [ids.shape[1]] * len(ids)
        fills = ids == filler
        return np.where(fills.any(1), fills.argmax(1), ids.shape[1]).tolist()

    def strings(self, token_ids: Sequence[int]) -> tuple[str, ...]:
        """The strings of some tokens; of one that is missing, its number."""
        return tuple(self._strings(np.asarray(token_ids, np.int64)))

    def _strings(self, ids: Integer[np.ndarray, "*K"]) -> list[Any]:
        known = self.text.names
        if ids.size and int(ids.max()) >= len(known):
            numbers = np.array([f"[{token}]" for token in ids.ravel().tolist()], object).reshape(ids.shape)
            return np.where(ids < len(known), known[np.minimum(ids, len(known) - 1)], numbers).tolist()
        return known[ids].tolist()

    def example_shard(self, shard: int) -> dict[str, np.ndarray]:
        """The examples of a range of features, mapped (`layout.example_columns`)."""
        if shard not in self._examples:
            n_features = min(layout.SHARD, self.n_features - shard * layout.SHARD)
            path, built = self.folder / layout.examples_file(shard), self.contents.imported is None
            kinds = layout.example_columns if built else layout.imported_example_columns
            self._examples[shard] = read_arrays(path, kinds(n_features))
        return self._examples[shard]

    def _histogram(self, counts: Integer[np.ndarray, " 16"], largest: float) -> tuple[Bin, ...]:
        if largest <= 0:
            return ()
        edges = coarse_edges(largest, len(counts))
        return tuple(
            Bin(low, high, count)
            for low, high, count in zip([0.0, *edges[1:-1]], edges[1:], counts.tolist(), strict=True)
        )

    def _effects(self, tokens: np.ndarray, values: np.ndarray) -> tuple[TokenEffect, ...]:
        told = slice(0, self._lengths(tokens[None])[0])
        return tuple(map(TokenEffect, tokens[told].tolist(), self._strings(tokens[told]), values[told].tolist()))

    def _triggers(self, tokens: np.ndarray, counts: np.ndarray, fired: int) -> tuple[Trigger, ...]:
        ids = [token for token, count in zip(tokens.tolist(), counts.tolist(), strict=True) if count]
        occurs = self.token_counts
        return tuple(
            Trigger(token, text, count, count / max(1, fired), count / max(1, int(occurs[token])))
            for token, text, count in zip(ids, self.strings(ids), counts.tolist(), strict=False)
            if token < len(occurs)
        )

    def _neighbours(self, number: int, numbers: np.ndarray) -> tuple[Neighbour, ...]:
        near = numbers[numbers >= 0].tolist()
        names = [self.feature(other) for other in near]
        return tuple(map(Neighbour, names, (self.directions(near) @ self.directions([number])[0]).tolist()))

    def _alike(self, feature: FeatureId, kept: dict[str, Any]) -> tuple[Neighbour, ...]:
        """Neighbours that an imported library's source names, of those that were imported with it."""
        first = self.numbers(feature.layer)
        known = self.columns["index"][first.start : first.stop]
        near = [(index, cosine) for index, cosine in alike(kept) if index != feature.index and index < 2**32]
        there = np.isin([index for index, _ in near], known).tolist()
        names = [FeatureId(feature.layer, index) for index, _ in near]
        return tuple(Neighbour(name, near[i][1]) for i, name in enumerate(names) if there[i])

    def _cofiring(self, one: int, numbers: np.ndarray, counts: np.ndarray) -> tuple[CoFiring, ...]:
        fired, found = self.columns["cofiring_fired"], []
        for other, both in zip(numbers.tolist(), counts.tolist(), strict=True):
            if other >= 0:
                name, two = self.feature(other), int(fired[other])
                expected = max(1, one) * max(1, two) / self.contents.cofiring_tokens
                jaccard = both / max(1, one + two - both)
                found.append(CoFiring(name, both, jaccard, float(np.log2(max(both, 1) / expected))))
        return tuple(found)


def _told(value: np.floating[Any]) -> float | None:
    return None if np.isnan(value) else float(value)


def _groups(stored: dict[str, np.ndarray], begin: int, end: int) -> list[tuple[int | None, Interval | None]]:
    """What imported examples stand for: Neuronpedia and SAEDashboard mark the largest by a share of -1."""
    found = []
    for low, high, share in zip(*(stored[name][begin:end].tolist() for name in ("low", "high", "share")), strict=True):
        if share == -1:
            found.append((0, None))
        else:
            known = low == low and high == high
            found.append((None, Interval(low, high, share if share == share else None) if known else None))
    return found


def _tenths(counts: Integer[np.ndarray, " 10"], n: int) -> list[tuple[int, None]]:
    """The tenth of each of `n` examples, 0 for the largest, which come first."""
    deciles = np.repeat(np.arange(layout.TENTHS, 0, -1), counts)
    return [(decile, None) for decile in [0] * (n - len(deciles)) + deciles.tolist()]


def contents_of(config: object) -> Contents:
    """The `Contents` in a manifest. Raises ConfigError."""
    return Contents.from_json(json.dumps(config))


def write_manifest_of(folder: Path, contents: Config, inputs: dict[str, str]) -> None:
    """Seal a folder of finished files; notes are no part of what is sealed."""
    assert not (folder / layout.NOTES).exists()
    write_manifest(folder, layout.KIND, config=contents.model_dump(mode="json"), inputs=inputs)
