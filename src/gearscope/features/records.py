"""What a library knows of a feature, as plain values. No torch.

density        share of tokens on which the feature fires (its activation is positive)
input score    how far the token alone decides whether it fires: I(fires; token) / H(fires), from 0 to 1
output score   how often the next token is one that it promotes, when it fires; `output_base`: at any time
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from jaxtyping import Float, Integer

from gearscope.features.config import Shelf
from gearscope.ids import FeatureId

Method = Literal["human", "rule", "llm", "imported"]


class TokenEffect(NamedTuple):
    """A token that a feature promotes or suppresses, in logits per unit of activation at a final norm of scale 1."""

    token: int
    text: str
    effect: float


class Trigger(NamedTuple):
    """A token on which a feature fires."""

    token: int
    text: str
    count: int
    """Firings on it."""
    precision: float
    """Share of the feature's firings that are on it."""
    recall: float
    """Share of the token's occurrences on which the feature fires."""


class Neighbour(NamedTuple):
    """A feature that writes in a similar direction."""

    feature: FeatureId
    cosine: float
    """To about 0.01."""


class CoFiring(NamedTuple):
    """A feature that fires on the same tokens."""

    feature: FeatureId
    count: int
    """Tokens on which both fire, among those that were looked at."""
    jaccard: float
    """Of the tokens on which either fires, the share on which both do."""
    pmi: float
    """log2 of how much more often both fire than if they were independent."""


class Bin(NamedTuple):
    """Activations from `low` up to `high`."""

    low: float
    high: float
    count: int


class Strings(Sequence[str]):
    """The strings of some tokens, looked up when they are read: most of them are never shown."""

    def __init__(self, look_up: Callable[[np.ndarray], list[str]], ids: Integer[np.ndarray, " P"]) -> None:
        self._look_up, self._ids = look_up, ids

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        found = self._look_up(np.atleast_1d(self._ids[index]))
        return found if isinstance(index, slice) else found[0]

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._look_up(self._ids))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(list(self))


class Interval(NamedTuple):
    """Activations from `low` to `high`, which an imported example stands for."""

    low: float
    high: float
    share: float | None
    """Of all activations; None where that was not said."""


class Example(NamedTuple):
    """A window in which a feature fires."""

    window: int
    position: int
    activation: float
    decile: int | None
    """0 for the largest activations; 1 to 10 for one from that tenth of them, 10 the highest; None if not known."""
    token_ids: Integer[np.ndarray, " P"]
    tokens: Sequence[str]
    activations: Float[np.ndarray, " P"]
    """At every position, to 1/255 of the feature's largest but for the example's own; zero where it does not fire, or
    where that was not kept (`LibraryConfig.around`). All of them, exact, of an imported example."""
    interval: Interval | None = None
    """Of an imported example that is not among the largest."""


class FeatureRecord(NamedTuple):
    """Everything that was measured of one feature. None or empty where an imported library's source does not say."""

    feature: FeatureId
    number: int
    shelf: Shelf
    fired: int | None
    """Tokens on which it fires."""
    density: float | None
    max_activation: float | None
    deciles: tuple[float, ...]
    """Activations that a tenth, ..., nine tenths of its firings do not exceed, to 6 %; none when it is dead."""
    histogram: tuple[Bin, ...]
    """From low to high, two bins per octave; the first takes everything smaller."""
    promoted: tuple[TokenEffect, ...]
    suppressed: tuple[TokenEffect, ...]
    triggers: tuple[Trigger, ...]
    neighbours: tuple[Neighbour, ...]
    cofiring: tuple[CoFiring, ...]
    input_score: float | None
    output_score: float | None
    output_base: float | None
    on_map: tuple[float, float] | None
    examples: tuple[Example, ...]
    kept: dict[str, Any] = {}  # noqa: RUF012 - never written
    """What the source of an imported library says beyond that, by its own names."""


class Label(NamedTuple):
    """What somebody or something says a feature means, and how that was found."""

    id: int
    number: int
    """The feature's number."""
    text: str
    method: Method
    model: str | None
    """The language model that wrote it, where one did."""
    score: float | None
    baseline: float | None
    """The same score for a label that says nothing of the feature."""
    scored_by: str | None
    """Which score it is, for instance token_f1."""
    details: dict[str, Any]
    """What belongs to the method, for instance the rule."""
    created: str


class NewLabel(NamedTuple):
    """A label to store."""

    number: int
    text: str
    method: Method
    model: str | None = None
    score: float | None = None
    baseline: float | None = None
    scored_by: str | None = None
    details: dict[str, Any] | None = None


class Score(NamedTuple):
    """One measurement of a label, beside its baseline. `value` is None where measuring failed."""

    label: int
    """The label's id."""
    name: str
    value: float | None
    baseline: float | None
    n: int
    """On how many examples."""
    details: dict[str, Any]
    created: str


class Listed(NamedTuple):
    """A feature in a list, and what somebody noted beside it."""

    feature: FeatureId
    note: str = ""


class FeatureList(NamedTuple):
    """Features that somebody collected."""

    name: str
    notes: str
    features: tuple[Listed, ...]
    created: str
