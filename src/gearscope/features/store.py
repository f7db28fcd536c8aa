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

import numpy as np
from jaxtyping import Float, Integer

from gearscope.artifact import read_manifest, verify, write_manifest
from gearscope.config import Config
from gearscope.errors import ArtifactError, TargetError
from gearscope.features import layout
from gearscope.features.arrays import read_arrays
from gearscope.features.bins import coarse_edges
from gearscope.features.config import Contents, Shelf
from gearscope.features.notes import Notes
from gearscope.features.records import (
    Bin,
    CoFiring,
    Example,
    FeatureRecord,
    Neighbour,
    TokenEffect,
    Trigger,
)
from gearscope.features.text import LibraryText
from gearscope.ids import FeatureId

_MOST_EXAMPLES = 2_000
"""Of one feature; more is a damaged file."""


class Library:
    """A stored library. Made by `Library.open`; `with` closes its files. Many threads may read one."""

    def __init__(self, folder: Path, contents: Contents, inputs: dict[str, str]) -> None:
        self.folder, self.contents, self.inputs = folder, contents, inputs
        self.n_features, self.n_tokens = contents.n_features, contents.n_tokens
        self._firsts = [0, *accumulate(shelf.n_features for shelf in contents.shelves)]
        self._by_layer = {shelf.layer: number for number, shelf in enumerate(contents.shelves)}
        settings, c = contents.settings, contents
        self.columns = read_arrays(
            folder / layout.FEATURES, layout.feature_columns(self.n_features, c.n_vocabulary, settings)
        )
        corpus = read_arrays(folder / layout.CORPUS, layout.corpus_columns(c.n_windows, c.context, c.n_vocabulary))
        self.windows: Integer[np.ndarray, "W P"] = corpus["tokens"]
        """The token ids of the corpus."""
        self.token_counts: Integer[np.ndarray, " V"] = corpus["counts"]
        """How often each token stands behind the first position of a window."""
        directions = read_arrays(folder / layout.DIRECTIONS, layout.direction_columns(self.n_features, c.d_model))
        self.direction_steps: Integer[np.ndarray, "F D"] = directions["direction"]
        self.direction_scale: Float[np.ndarray, " F"] = directions["scale"]
        self.on_map: Float[np.ndarray, "F 2"] = directions["on_map"]
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
        if self._notes is not None:
            self._notes.close()

    # Names

    def number(self, feature: FeatureId) -> int:
        """The row of a feature. Raises TargetError when the library has no such feature."""
        shelf = self._by_layer.get(feature.layer)
        if shelf is None:
            layers = ", ".join(map(str, sorted(self._by_layer)))
            raise TargetError(f"a feature of layer {layers} was expected", found=str(feature))
        if feature.index >= self.contents.shelves[shelf].n_features:
            n_features = self.contents.shelves[shelf].n_features
            raise TargetError(f"an index below {n_features} was expected in layer {feature.layer}", found=str(feature))
        return self._firsts[shelf] + feature.index

    def feature(self, number: int) -> FeatureId:
        """The name of a row. Raises ArtifactError for one that is not there: it came from a damaged file."""
        if not 0 <= number < self.n_features:
            raise ArtifactError(f"features below {self.n_features} were expected in {self.folder}", found=str(number))
        shelf = bisect_right(self._firsts, number) - 1
        return FeatureId(self.contents.shelves[shelf].layer, int(number) - self._firsts[shelf])

    def numbers(self, layer: int) -> range:
        """The rows of a layer's features. Raises TargetError."""
        first = self.number(FeatureId(layer, 0))
        return range(first, first + self.shelf(first).n_features)

    def shelf(self, number: int) -> Shelf:
        """The dictionary of a feature."""
        return self.contents.shelves[bisect_right(self._firsts, number) - 1]

    def direction(self, number: int) -> Float[np.ndarray, " D"]:
        """What a feature adds to the residual stream, of length 1 to about 1 %; 0 where it writes nothing."""
        return self.direction_steps[number].astype(np.float32) * np.float32(self.direction_scale[number])

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
        fired = int(row["fired"])
        return FeatureRecord(
            feature=feature,
            number=number,
            shelf=self.shelf(number),
            fired=fired,
            density=fired / self.n_tokens,
            max_activation=float(row["max_activation"]),
            deciles=tuple(row["deciles"].tolist()) if fired else (),
            histogram=self._histogram(row["histogram"], float(row["max_activation"])),
            promoted=self._effects(row["promoted"], row["promoted_by"]),
            suppressed=self._effects(row["suppressed"], row["suppressed_by"]),
            triggers=self._triggers(row["triggers"], row["trigger_count"], fired),
            neighbours=self._neighbours(number, row["neighbours"]),
            cofiring=self._cofiring(int(row["cofiring_fired"]), row["cofiring"], row["cofiring_count"]),
            input_score=float(row["input_score"]),
            output_score=float(row["output_score"]),
            output_base=float(row["output_base"]),
            on_map=(float(self.on_map[number, 0]), float(self.on_map[number, 1])),
            examples=self.examples(number) if examples else (),
        )

    def examples(self, number: int) -> tuple[Example, ...]:
        """Windows in which a feature fires: the largest activations first, then by decile from the highest down."""
        self.feature(number)
        shard, row = divmod(number, layout.SHARD)
        stored = self.example_shard(shard)
        begin, end = (int(edge) for edge in stored["begin"][row : row + 2])
        at, stop = (int(edge) for edge in stored["around_begin"][row : row + 2])
        counts = stored["n_around"][begin:end].astype(np.int64)
        whole = 0 <= begin <= end <= len(stored["place"]) and at + int(counts.sum()) == stop
        if not whole or stop > len(stored["around_offset"]) or end - begin > _MOST_EXAMPLES:
            raise ArtifactError(f"whole examples of feature {number} were expected in {self.folder}", found="others")
        places = stored["place"][begin:end].astype(np.int64)
        if places.size and int(places.max()) >= self.windows.size:
            raise ArtifactError(f"examples inside the corpus were expected in {self.folder}", found=str(places.max()))
        values, deciles = stored["activation"][begin:end], stored["decile"][begin:end]
        found, step = [], float(self.columns["max_activation"][number]) / 255
        for place, value, decile, n_around in zip(
            places.tolist(), values.tolist(), deciles.tolist(), counts.tolist(), strict=True
        ):
            window, position = divmod(place, self.contents.context)
            activations = np.zeros(self.contents.context, np.float32)
            positions = position + stored["around_offset"][at : at + n_around].astype(np.int64)
            inside = (positions >= 0) & (positions < self.contents.context)
            activations[positions[inside]] = step * stored["around_level"][at : at + n_around][inside]
            activations[position] = value
            at += n_around
            ids = self.windows[window].tolist()
            found.append(Example(window, position, value, decile, tuple(ids), self.strings(ids), activations))
        return tuple(found)

    def strings(self, token_ids: Sequence[int]) -> tuple[str, ...]:
        """The strings of some tokens."""
        known, n = self.text.tokens, self.contents.n_vocabulary
        return tuple([known[token] if token < n else f"[{token}]" for token in token_ids])

    def example_shard(self, shard: int) -> dict[str, np.ndarray]:
        """The examples of a range of features, mapped (`layout.example_columns`)."""
        if shard not in self._examples:
            n_features = min(layout.SHARD, self.n_features - shard * layout.SHARD)
            path = self.folder / layout.examples_file(shard)
            self._examples[shard] = read_arrays(path, layout.example_columns(n_features))
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
        ids = tokens.tolist()
        return tuple(map(TokenEffect, ids, self.strings(ids), values.tolist()))

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
        cosines = self.direction_steps[near].astype(np.float32) @ self.direction(number) * self.direction_scale[near]
        return tuple(map(Neighbour, names, cosines.tolist()))

    def _cofiring(self, one: int, numbers: np.ndarray, counts: np.ndarray) -> tuple[CoFiring, ...]:
        fired, found = self.columns["cofiring_fired"], []
        for other, both in zip(numbers.tolist(), counts.tolist(), strict=True):
            if other >= 0:
                name, two = self.feature(other), int(fired[other])
                expected = max(1, one) * max(1, two) / self.contents.cofiring_tokens
                jaccard = both / max(1, one + two - both)
                found.append(CoFiring(name, both, jaccard, float(np.log2(max(both, 1) / expected))))
        return tuple(found)


def contents_of(config: object) -> Contents:
    """The `Contents` in a manifest. Raises ConfigError."""
    return Contents.from_json(json.dumps(config))


def write_manifest_of(folder: Path, contents: Config, inputs: dict[str, str]) -> None:
    """Seal a folder of finished files; notes are no part of what is sealed."""
    assert not (folder / layout.NOTES).exists()
    write_manifest(folder, layout.KIND, config=contents.model_dump(mode="json"), inputs=inputs)
