"""What is known of a feature: examples to show, others to score with, stretches on which it does not fire. numpy alone.

Examples of the library are parted by window: every second one is shown to explainers, the others are kept for scores,
less those whose text was shown. Where a feature does *not* fire is known of a slice of the corpus, on which all
firings were counted: half of its windows are for explainers, half for scores. Hard stretches look alike: a token
stands there on which the feature often fires, or a feature fires that fires together with it or writes alike.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Integer

from gearscope.explainers.config import EvidenceConfig
from gearscope.explainers.passages import Passage
from gearscope.features.records import Example, FeatureRecord
from gearscope.features.store import Library
from gearscope.ids import FeatureId

_NEAR = 5
"""Features of each kind that look alike."""
_NEXT = 8


@runtime_checkable
class Firings(Protocol):
    """Where features fire in some windows: tokens are window · context + position."""

    def tokens(self, feature: int) -> Integer[np.ndarray, " J"]:
        """Where a feature fires."""
        ...


class Slice(NamedTuple):
    """Windows of a corpus in which all firings are known."""

    windows: Integer[np.ndarray, "W P"]
    firings: Firings


class Evidence(NamedTuple):
    """Of one feature."""

    number: int
    feature: FeatureId
    largest: float
    shown: tuple[Passage, ...]
    kept: tuple[Passage, ...]
    """Those that no explainer sees."""
    next_tokens: tuple[tuple[str, int], ...]
    """What stands behind the firing token in the examples that are shown, and how often."""
    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]


class Quiet(NamedTuple):
    """Stretches on which a feature does not fire."""

    drawn: tuple[Passage, ...]
    """At random."""
    hard: tuple[Passage, ...]


def half_width(library: Library, config: EvidenceConfig) -> int:
    """Tokens on each side of an example: no more than those whose firings a library keeps."""
    return max(1, min(config.around, library.contents.settings.around // 2))


def evidence(library: Library, number: int, config: EvidenceConfig) -> Evidence:
    """What a library knows of a feature."""
    record, half = library.record(number), half_width(library, config)
    place_of: dict[int, int] = {}
    for example in record.examples:
        place_of.setdefault(example.window, len(place_of))
    shown = [example for example in record.examples if place_of[example.window] % 2 == 0]
    passages = _mixed(shown, half)[: config.shown]
    known = {passage.text for passage in passages}
    others = _mixed([example for example in record.examples if place_of[example.window] % 2], half)
    behind = Counter(
        example.tokens[example.position + 1] for example in shown if example.position + 1 < len(example.tokens)
    )
    return Evidence(
        number=number,
        feature=record.feature,
        largest=max([record.max_activation or 0.0, *(one.activation for one in record.examples)]),
        shown=tuple(sorted(passages, key=lambda passage: -max(passage.activations))),
        kept=tuple(passage for passage in others if passage.text not in known),
        next_tokens=tuple(behind.most_common(_NEXT)),
        promoted=tuple(effect.text for effect in record.promoted if effect.effect > 0),
        suppressed=tuple(effect.text for effect in record.suppressed if effect.effect < 0),
    )


def quiet(
    library: Library, part: Slice, number: int, *, half: int, drawn: int, hard: int, seed: int, scores: bool
) -> Quiet:
    """Stretches of up to `2 half + 1` tokens without a firing, each text once; `scores`: from which half of it."""
    rng = np.random.default_rng([seed, number, int(scores)])
    fires = np.zeros(part.windows.size, bool)
    fires[part.firings.tokens(number)] = True
    free = _free(fires.reshape(part.windows.shape), half)
    free[:, 0] = False
    free[int(scores) :: 2] = False
    alike = free & _alike(library, part, library.record(number, examples=False))
    seen: set[str] = set()
    first = _taken(library, part, alike, half, hard, rng, seen)
    return Quiet(_taken(library, part, free, half, drawn, rng, seen), first)


def _free(fires: Bool[np.ndarray, "W P"], half: int) -> Bool[np.ndarray, "W P"]:
    """Where nothing fires within `half` tokens in the same window."""
    sums = np.pad(fires.cumsum(1), ((0, 0), (1, 0)))
    at = np.arange(fires.shape[1])
    return sums[:, np.minimum(at + half + 1, fires.shape[1])] == sums[:, np.maximum(at - half, 0)]


def _alike(library: Library, part: Slice, record: FeatureRecord) -> Bool[np.ndarray, "W P"]:
    found = np.isin(part.windows, [trigger.token for trigger in record.triggers])
    for one in (*record.cofiring[:_NEAR], *record.neighbours[:_NEAR]):
        found.ravel()[part.firings.tokens(library.number(one.feature))] = True
    return found


def _taken(
    library: Library, part: Slice, free: Bool[np.ndarray, "W P"], half: int, most: int, rng: np.random.Generator,
    seen: set[str],
) -> tuple[Passage, ...]:  # fmt: skip
    """Stretches around places drawn from `free`: one of a window, as far as there are windows enough."""
    found: list[Passage] = []
    for window, position in _draws(free, rng):
        if len(found) == most:
            break
        row = part.windows[window, max(0, position - half) : position + half + 1].tolist()
        passage = Passage(library.strings(row), (0.0,) * len(row))
        if passage.text not in seen:
            seen.add(passage.text)
            found.append(passage)
    return tuple(found)


def _draws(free: Bool[np.ndarray, "W P"], rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Places in random order, each window once before any comes again, and none more than twice."""
    windows = np.flatnonzero(free.any(1))
    for _ in range(2):
        for window in rng.permutation(windows).tolist():
            yield window, int(rng.choice(np.flatnonzero(free[window])))


def _around(example: Example, half: int) -> Passage:
    inside = slice(max(0, example.position - half), example.position + half + 1)
    return Passage(tuple(example.tokens[inside]), tuple(float(value) for value in example.activations[inside]))


def _mixed(examples: Sequence[Example], half: int) -> list[Passage]:
    """Each text once: by turns one of the largest activations and one from a tenth of them, from the highest down."""
    top = [example for example in examples if example.decile == 0]
    spread = [example for example in examples if example.decile != 0]
    found: dict[str, Passage] = {}
    for pair in zip_longest(top, spread):
        for example in pair:
            if example is not None:
                passage = _around(example, half)
                found.setdefault(passage.text, passage)
    return list(found.values())
