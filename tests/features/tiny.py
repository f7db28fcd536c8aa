"""Small libraries with numpy alone, every number from a dense matrix of activations: for tests, and as their oracle."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gearscope.features import layout
from gearscope.features.arrays import write_arrays
from gearscope.features.bins import coarse_bins, fine_bins, lower_edges
from gearscope.features.config import Contents, LibraryConfig, Shelf
from gearscope.features.sampling import lots
from gearscope.features.store import Library, write_manifest_of
from gearscope.features.text import write_text

WORDS = ("<s>", *(f" {w}" for w in "the cat dog sat ran on a mat red blue tall small tree house and".split()))  # noqa: SIM905
"""The vocabulary of `tiny_library`; token 0 begins every window."""
CONTEXT, N_WINDOWS, D_MODEL = 16, 60, 8
SHELVES = (
    Shelf(layer=0, kind="plt", reads=("blocks.0.mlp_in",), writes=("blocks.0.mlp_out",), n_features=12),
    Shelf(layer=2, kind="plt", reads=("blocks.2.mlp_in",), writes=("blocks.2.mlp_out",), n_features=8),
)
RULES = {
    "0/0": "fires on ' cat'",
    "0/5": "fires on ' on'",
    "0/10": "fires on ' tall'",
    "0/11": "never fires",
    "2/0": "fires behind ' cat'",
    "2/1": "fires on ' cat' or ' dog', twice as strongly on ' dog'",
    "2/2": "fires on every word",
    "2/7": "never fires",
}
"""What some features of `tiny_library` do. 0/I fires on word I + 2 of WORDS, for I below 11."""


def tiny_library(folder: Path, **settings: int) -> Library:
    """A library of 20 features that follow RULES, on random sentences. The folder must not exist yet."""
    rng = np.random.default_rng(0)
    windows = rng.integers(1, len(WORDS), (N_WINDOWS, CONTEXT))
    windows[:, 0] = 0
    acts = planted_activations(windows, rng)
    directions = rng.normal(size=(acts.shape[2], D_MODEL))
    return dense_library(folder, windows, acts, directions, SHELVES, WORDS, LibraryConfig(**settings))


def planted_activations(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[W, C, 20], zero at first positions."""
    acts = np.zeros((*windows.shape, 20), np.float32)
    strength = (1 + rng.random(acts.shape)).astype(np.float32)
    for index in range(11):
        acts[..., index] = windows == index + 2
    cat, dog = windows == 2, windows == 3
    acts[:, 1:, 12] = cat[:, :-1]
    acts[..., 13] = cat + 2 * dog
    acts[..., 14] = 0.5
    for index in range(15, 19):
        acts[..., index] = (windows % 4 == index - 15) & (windows > 4)
    acts *= strength
    acts[:, 0] = 0
    return acts


def dense_library(
    folder: Path,
    windows: np.ndarray,
    acts: np.ndarray,
    directions: np.ndarray,
    shelves: Sequence[Shelf],
    words: Sequence[str],
    config: LibraryConfig,
) -> Library:
    """A library of dense activations [W, C, F] and directions [F, D]; the unembedding is drawn from the vocabulary."""
    folder.mkdir(parents=True)
    contents = Contents(
        settings=config, model="tiny", dictionaries="planted", corpus="random", shelves=tuple(shelves),
        d_model=directions.shape[1], context=windows.shape[1], n_windows=len(windows), n_vocabulary=len(words),
        cofiring_tokens=windows.shape[0] * (windows.shape[1] - 1),
    )  # fmt: skip
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    unembedding = np.random.default_rng(1).normal(size=(len(words), directions.shape[1]))
    columns = dense_columns(windows, acts, directions, directions @ unembedding.T, config)
    kinds = layout.feature_columns(acts.shape[2], len(words), config, contents.looked_at)
    write_arrays(folder / layout.FEATURES, as_stored(columns, kinds))
    examples = dense_examples(acts, config)
    write_arrays(folder / layout.examples_file(0), as_stored(examples, layout.example_columns(acts.shape[2])))
    counts = np.bincount(windows[:, 1:].ravel(), minlength=len(words))
    corpus = {"tokens": windows, "counts": counts}
    write_arrays(folder / layout.CORPUS, as_stored(corpus, layout.corpus_columns(*windows.shape, len(words))))
    steps, scale = layout.in_steps(directions)
    laid = {"direction": steps, "scale": scale, "on_map": directions[:, :2]}
    write_arrays(folder / layout.DIRECTIONS, as_stored(laid, layout.direction_columns(*directions.shape)))
    texts = ["".join(words[token] for token in window) for window in windows]
    write_text(folder / layout.TEXT, words, texts)
    write_manifest_of(folder, contents, {"model": "m" * 16, "dictionaries": "d" * 16, "corpus": "c" * 16})
    return Library.open(folder)


def as_stored(arrays: dict[str, np.ndarray], columns: dict) -> dict[str, np.ndarray]:
    """Arrays in the types of their columns."""
    assert set(arrays) == set(columns)
    return {name: np.asarray(array).astype(columns[name].dtype) for name, array in arrays.items()}


def dense_columns(
    windows: np.ndarray, acts: np.ndarray, directions: np.ndarray, effects: np.ndarray, config: LibraryConfig
) -> dict[str, np.ndarray]:
    """The columns of `features.safetensors`, one feature at a time."""
    F, V = acts.shape[2], effects.shape[1]
    tokens, flat = windows[:, 1:].ravel(), acts[:, 1:].reshape(-1, F)
    fires = flat > 0
    occurs = np.bincount(tokens, minlength=V)
    has_next = np.ones(windows[:, 1:].shape, bool)
    has_next[:, -1] = False
    has_next, following = has_next.ravel(), np.roll(windows, -1, axis=1)[:, 1:].ravel()
    columns: dict[str, list] = {name: [] for name in layout.feature_columns(F, V, config, 1)}
    both = fires.astype(np.int64).T @ fires
    for f in range(F):
        here = flat[fires[:, f], f]
        columns["fired"].append(len(here))
        columns["max_activation"].append(here.max(initial=0))
        columns["deciles"].append(dense_deciles(here))
        columns["histogram"].append(dense_histogram(here))
        up, down = (np.argsort(sign * effects[f], kind="stable")[: config.effects] for sign in (-1, 1))
        columns["promoted"].append(padded(up, config.effects, 0))
        columns["promoted_by"].append(padded(effects[f, up], config.effects, 0))
        columns["suppressed"].append(padded(down, config.effects, 0))
        columns["suppressed_by"].append(padded(effects[f, down], config.effects, 0))
        on = np.bincount(tokens[fires[:, f]], minlength=V)
        most = np.argsort(-on, kind="stable")[: config.triggers]
        columns["triggers"].append(padded(np.where(on[most] > 0, most, 0), config.triggers, 0))
        columns["trigger_count"].append(padded(on[most], config.triggers, 0))
        cosine = directions @ directions[f]
        cosine[f] = -np.inf
        near = np.argsort(-cosine, kind="stable")[: min(config.neighbours, F - 1)]
        columns["neighbours"].append(padded(near, config.neighbours, -1))
        jaccard = both[f] / np.maximum(1, both[f, f] + np.diag(both) - both[f])
        jaccard[f] = 0
        firing = [g for g in np.argsort(-jaccard, kind="stable")[: config.cofiring] if jaccard[g] > 0]
        columns["cofiring"].append(padded(firing, config.cofiring, -1))
        columns["cofiring_count"].append(padded(both[f, firing], config.cofiring, 0))
        columns["cofiring_fired"].append(both[f, f])
        columns["input_score"].append(dense_input_score(on, occurs))
        says = np.isin(following, up) & has_next
        columns["output_score"].append(says[fires[:, f]].sum() / max(1, (has_next & fires[:, f]).sum()))
        columns["output_base"].append(says.sum() / has_next.sum())
    return {name: np.array(rows) for name, rows in columns.items()}


def padded(values: Sequence | np.ndarray, length: int, filler: int) -> list:
    """Values and fillers, `length` in all."""
    return [*values, *[filler] * (length - len(values))]


def dense_deciles(values: np.ndarray) -> list[float]:
    """The middle of the fine bin in which the firing of each rank is."""
    if not len(values):
        return [0.0] * layout.DECILES
    bins = np.sort(fine_bins(values))
    ranks = [-(-tenth * len(values) // 10) - 1 for tenth in range(1, 10)]
    low, high = lower_edges(bins[ranks]), lower_edges(bins[ranks] + 1)
    return list((low + high) / 2)


def dense_histogram(values: np.ndarray) -> list[int]:
    """Firings by half octave below the largest one; the first bin takes the rest."""
    if not len(values):
        return [0] * layout.BINS
    bins = coarse_bins(fine_bins(values))
    return list(np.bincount((bins - bins.max() + layout.BINS - 1).clip(min=0), minlength=layout.BINS))


def dense_input_score(on: np.ndarray, occurs: np.ndarray) -> float:
    """I(fires; token) / H(fires), in float64."""

    def entropy(p: np.ndarray) -> np.ndarray:
        p = np.stack([p, 1 - p])
        return -(p * np.log2(np.where(p > 0, p, 1))).sum(0)

    n, seen = occurs.sum(), occurs > 0
    whole = float(entropy(np.array([on.sum() / n]))[0])
    within = float((occurs[seen] / n * entropy(on[seen] / occurs[seen])).sum())
    return 0.0 if whole == 0 else (whole - within) / whole


def dense_examples(acts: np.ndarray, config: LibraryConfig) -> dict[str, np.ndarray]:
    """The arrays of one file of examples, one feature at a time."""
    context = acts.shape[1]
    begin, around_begin = [0], [0]
    rows: dict[str, list] = {"place": [], "activation": [], "tenths": [], "n_around": []}
    around: dict[str, list] = {"around_offset": [], "around_level": []}
    for f in range(acts.shape[2]):
        values = acts[..., f]
        rows["tenths"].append([0] * layout.TENTHS)
        for place, decile in [*dense_top(values, config.top), *dense_spread(values, f, config)]:
            window, position = divmod(place, context)
            near = [p for p in np.flatnonzero(values[window]) if p != position and abs(p - position) < 128]
            near = sorted(sorted(near, key=lambda p: (abs(p - position), p))[: config.around])
            rows["place"].append(place)
            rows["activation"].append(values[window, position])
            if decile:
                rows["tenths"][f][layout.TENTHS - decile] += 1
            rows["n_around"].append(len(near))
            around["around_offset"] += [p - position for p in near]
            around["around_level"] += [min(255, np.ceil(255 * values[window, p] / float(values.max()))) for p in near]
        begin.append(len(rows["place"]))
        around_begin.append(len(around["around_offset"]))
    return {k: np.array(v) for k, v in {**rows, **around, "begin": begin, "around_begin": around_begin}.items()}


def dense_top(values: np.ndarray, most: int) -> list[tuple[int, int]]:
    """The largest firing of each window, the largest first."""
    best = values.argmax(1)
    firing = [(float(values[w, p]), w * values.shape[1] + int(p)) for w, p in enumerate(best) if values[w, p] > 0]
    return [(place, 0) for _, place in sorted(firing, key=lambda pair: (-pair[0], pair[1]))[:most]]


def dense_spread(values: np.ndarray, f: int, config: LibraryConfig) -> list[tuple[int, int]]:
    """Firings of each tenth, from the highest tenth down, without those that `dense_top` has."""
    top = {place for place, _ in dense_top(values, config.top)}
    places = np.flatnonzero(values.ravel() > 0)
    lot = lots(np.full(len(places), f), places)
    drawn = sorted(zip(lot.tolist(), places.tolist(), strict=True))[: config.sample]
    ranked = sorted(drawn, key=lambda pair: (values.ravel()[pair[1]], pair[1]))
    found = []
    for decile in range(10, 0, -1):
        tenth = sorted(pair for rank, pair in enumerate(ranked) if 1 + 10 * rank // len(ranked) == decile)
        found += [(place, decile) for _, place in tenth[: config.per_decile] if place not in top]
    return found
