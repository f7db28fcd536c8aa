"""Any feature found: by label, text, token, neighbours or what fires, filtered and sorted. No torch.

Every criterion gives numbers of features with scores; features that meet all of them remain, in the order of the first
criterion's score, or of the column that is asked for. Columns are scanned: a million features take milliseconds.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field

from gearscope.config import Config
from gearscope.errors import ConfigError
from gearscope.features import layout
from gearscope.features.asking import asked, asking
from gearscope.features.similar import similar_labels
from gearscope.features.store import Library
from gearscope.ids import FeatureId

Sort = Literal["match", "density", "max_activation", "input_score", "output_score", "number"]
Found = dict[int, float]
"""Scores by number."""
_MOST_LABELS, _MOST_WINDOWS, _MOST_NEAR = 300, 20_000, 100
_ROWS = 65_536


class Query(Config):
    """What is searched for. Everything that is given has to hold."""

    label: str | None = None
    """Words of labels, or words like them."""
    rule: str | None = None
    """Words of labels that are executable rules; or `COLUMN=VALUE`, which a rule asks for."""
    text: str | None = None
    """Words that stand one after another in the window of an example."""
    token: str | None = None
    """A token on which it fires: one of those on which it fires most often."""
    promotes: str | None = None
    """A token that it promotes."""
    suppresses: str | None = None
    """A token that it suppresses."""
    near: str | None = None
    """Features that write in the most similar directions to this one, `LAYER/INDEX`."""
    layers: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    min_density: float | None = Field(default=None, ge=0, le=1)
    max_density: float | None = Field(default=None, ge=0, le=1)
    min_score: float | None = None
    """Of the label that is shown."""
    min_input_score: float | None = None
    min_output_lift: float | None = None
    """Output score less its base."""
    dead: bool | None = None
    """True for features that never fire alone, False for the others."""
    sort: Sort = "match"
    most: int = Field(default=20, ge=1, le=100_000)


class Hit(NamedTuple):
    """A feature that was found."""

    feature: FeatureId
    number: int
    score: float
    """Of the first criterion, or the column that was sorted by."""
    label: str | None
    density: float | None


def find(library: Library, query: Query, extra: Mapping[str, Float[np.ndarray, " F"]] | None = None) -> list[Hit]:
    """The features that a query asks for, the best first.

    `extra` are further criteria that were computed elsewhere (a direction, a contrast): a score per feature, NaN where
    it does not hold. Raises ConfigError for an unknown token, TargetError for an unknown feature.
    """
    allowed = _filtered(library, query)
    criteria = [*_criteria(library, query), *(_held(scores) for scores in (extra or {}).values())]
    if criteria:
        numbers = np.array([n for n in criteria[0] if all(n in other for other in criteria[1:])], np.int64)
        numbers = numbers[allowed[numbers]]
    else:
        numbers = np.flatnonzero(allowed)
    scores = _sorted_by(library, query, numbers, criteria)
    order = np.lexsort((numbers, -scores))[: query.most]
    best = numbers[order].tolist()
    shown = library.notes.shown(best)
    density = library.density_of(best)
    return [
        Hit(library.feature(n), n, score, shown[n].text if n in shown else None, None if np.isnan(d) else float(d))
        for n, score, d in zip(best, scores[order].tolist(), density, strict=True)
    ]


def _criteria(library: Library, query: Query) -> list[Found]:
    found = []
    if query.label is not None:
        found.append(_by_label(library, query.label, rules=False))
    if query.rule is not None:
        found.append(_by_rule(library, query.rule))
    if query.text is not None:
        found.append(by_text(library, query.text))
    if query.token is not None:
        found.append(by_token(library, query.token, "triggers"))
    if query.promotes is not None:
        found.append(by_token(library, query.promotes, "promoted"))
    if query.suppresses is not None:
        found.append(by_token(library, query.suppresses, "suppressed"))
    if query.near is not None:
        found.append(by_neighbours(library, FeatureId.parse(query.near)))
    if query.min_score is not None:
        found.append(library.notes.scored(query.min_score))
    return found


def _by_rule(library: Library, text: str) -> Found:
    wanted = asked(text)
    if wanted is None:
        return _by_label(library, text, rules=True)
    return {
        number: score for number, score in asking(library.notes, wanted).items() if 0 <= number < library.n_features
    }


def _by_label(library: Library, words: str, *, rules: bool) -> Found:
    found: Found = {}
    for hit in similar_labels(library.notes, words, _MOST_LABELS):
        if 0 <= hit.label.number < library.n_features and (not rules or hit.label.method == "rule"):
            found.setdefault(hit.label.number, hit.score)
    return found


def by_text(library: Library, words: str) -> Found:
    """Features with an example in a window that has these words: how many of its examples do."""
    windows = np.array(library.text.windows_with(words, _MOST_WINDOWS), np.int64)
    has = np.zeros(library.contents.n_windows, bool)
    has[windows[windows < len(has)]] = True
    found: Found = {}
    for shard in range(-(-library.n_features // layout.SHARD)):
        stored = library.example_shard(shard)
        window = stored["place"] // np.uint32(library.contents.context)
        inside = np.flatnonzero(has[np.minimum(window, len(has) - 1)])
        row = np.searchsorted(stored["begin"], inside, side="right") - 1
        numbers, counts = np.unique(row, return_counts=True)
        found |= dict(zip((numbers + shard * layout.SHARD).tolist(), counts.astype(float).tolist(), strict=True))
    return {number: score for number, score in found.items() if number < library.n_features}


def by_token(library: Library, text: str, column: Literal["triggers", "promoted", "suppressed"]) -> Found:
    """Features among whose tokens this one is: the share of firings on it, or the effect on it. Raises ConfigError."""
    ids = token_ids(library, text)
    stored, values = library.columns[column], library.columns[{"triggers": "trigger_count"}.get(column, f"{column}_by")]
    found: Found = {}
    for start in range(0, library.n_features, _ROWS):
        tokens = stored[start : start + _ROWS]
        is_it = tokens == ids[0] if len(ids) == 1 else np.isin(tokens, ids)
        row, place = np.divmod(np.flatnonzero(is_it), tokens.shape[1])
        score = values[start : start + _ROWS][row, place].astype(np.float64)
        if column == "triggers":
            row, score = row[score > 0], score[score > 0]
            score = score / np.maximum(1, library.columns["fired"][row + start])
        for number, value in zip((row + start).tolist(), np.abs(score).tolist(), strict=True):
            found[number] = found.get(number, 0.0) + value
    return found


def token_ids(library: Library, text: str) -> list[int]:
    """The tokens that read like this, with or without the space before a word. Raises ConfigError for none."""
    tokens = library.text.tokens
    exact = [token for token, known in enumerate(tokens) if known == text]
    ids = exact or [token for token, known in enumerate(tokens) if known.strip() == text.strip() != ""]
    if not ids:
        raise ConfigError(f"a token of {library.contents.model} was expected", found=repr(text))
    return ids


def by_neighbours(library: Library, feature: FeatureId) -> Found:
    """The features that write in the most similar directions, by cosine.

    Of an imported library that names none, those by its vectors; ConfigError where it has none.
    """
    number = library.number(feature)
    neighbours = library.record(number, examples=False).neighbours
    if not neighbours and library.contents.imported is not None:
        cosines = by_direction(library, library.directions([number])[0])
        near = [other for other in np.argsort(-cosines, kind="stable")[: _MOST_NEAR + 1].tolist() if other != number]
        return {other: float(cosines[other]) for other in near[:_MOST_NEAR]}
    return {library.number(one.feature): one.cosine for one in neighbours}


def by_direction(library: Library, direction: Float[np.ndarray, " D"]) -> Float[np.ndarray, " F"]:
    """The cosine of every feature's direction with any other one. Raises ConfigError when it does not fit."""
    length = float(np.linalg.norm(direction.astype(np.float64)))
    width = library.directions(slice(1)).shape[1]
    if len(direction) != width or not 0 < length < np.inf:
        expected = f"a finite direction of {width} numbers, not all 0, was expected"
        raise ConfigError(expected, found=f"{len(direction)} of length {length:g}")
    unit = (direction / length).astype(np.float32)
    rows = range(0, library.n_features, _ROWS)
    return np.concatenate([library.directions(slice(start, start + _ROWS)) @ unit for start in rows])


def _known_first(values: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """What is not known as the least."""
    return np.where(np.isnan(values), -np.inf, values).astype(np.float64)


def _held(scores: Float[np.ndarray, " F"]) -> Found:
    numbers = np.flatnonzero(~np.isnan(scores))
    return dict(zip(numbers.tolist(), scores[numbers].tolist(), strict=True))


def _filtered(library: Library, query: Query) -> np.ndarray:
    columns, allowed = library.columns, np.ones(library.n_features, bool)
    if query.layers or query.kinds:
        allowed[:] = False
        for layer in query.layers:
            library.numbers(layer)  # names the layers that are there
        for shelf in library.contents.shelves:
            if (not query.layers or shelf.layer in query.layers) and (not query.kinds or shelf.kind in query.kinds):
                numbers = library.numbers(shelf.layer)
                allowed[numbers.start : numbers.stop] = True
    if query.min_density is not None:
        allowed &= library.density >= query.min_density
    if query.max_density is not None:
        allowed &= library.density <= query.max_density
    if query.min_input_score is not None:
        allowed &= columns["input_score"] >= query.min_input_score
    if query.min_output_lift is not None:
        allowed &= columns["output_score"] - columns["output_base"] >= query.min_output_lift
    if query.dead is not None:
        allowed &= library.density == 0 if query.dead else library.density > 0
    return allowed


def _sorted_by(library: Library, query: Query, numbers: np.ndarray, criteria: list[Found]) -> Float[np.ndarray, " K"]:
    if query.sort == "match" and criteria:
        return np.array([criteria[0][n] for n in numbers.tolist()], np.float64)
    if query.sort in ("match", "number"):
        return -numbers.astype(np.float64)
    if query.sort == "density":
        return _known_first(library.density_of(numbers))
    return library.columns[query.sort][numbers].astype(np.float64)
