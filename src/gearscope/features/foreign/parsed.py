"""A feature, an example and a label, whatever file they were read from."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from gearscope.errors import ArtifactError
from gearscope.features.foreign.files import Fields

NAN = float("nan")


class Source(NamedTuple):
    """A dictionary, as its files call it."""

    model: str
    id: str
    """For instance `20-gemmascope-res-16k`."""
    layer: int
    hook: str | None
    """Where it reads."""
    corpus: str | None


class ForeignFeature(NamedTuple):
    """What is said of a feature; NaN for what is not said."""

    index: int
    density: float
    largest: float
    promoted: tuple[list[str], Float[np.ndarray, " M"]]
    suppressed: tuple[list[str], Float[np.ndarray, " M"]]
    vector: Float[np.ndarray, " D"] | None
    kept: str
    """JSON of everything else that is known by name."""


class ForeignExample(NamedTuple):
    """An example with its own tokens."""

    tokens: list[str]
    values: Float[np.ndarray, " P"]
    position: int
    low: float
    high: float
    share: float
    """-1 for one of the largest activations, NaN where it is not said."""


class ForeignLabel(NamedTuple):
    """An explanation."""

    text: str
    model: str | None
    score: float | None
    scored_by: str | None
    details: dict[str, Any]


def tokens_with_values(fields: Fields, names: str, values: str) -> tuple[list[str], Float[np.ndarray, " M"]]:
    """Tokens and a number for each."""
    tokens, numbers = fields.strings(names), fields.numbers(values)
    if len(tokens) != len(numbers) or len(tokens) > 100:
        found = f"{len(tokens)} and {len(numbers)}"
        raise ArtifactError(f"{fields.where} should have as many {names} as {values}, at most 100", found=found)
    return tokens, numbers


def example(fields: Fields, *, at: str, low: str, high: str, share: str) -> ForeignExample:
    """An example. Where the file does not say which token it is about, the largest activation is."""
    tokens, values = fields.strings("tokens"), fields.numbers("values")
    if not 0 < len(tokens) <= fields.limits.tokens or len(tokens) != len(values):
        expected = f"{fields.where} should have 1 to {fields.limits.tokens} tokens and as many values"
        raise ArtifactError(expected, found=f"{len(tokens)} and {len(values)}")
    position = int(values.argmax())
    told = fields.number(at)
    if told == told and 0 <= told < len(values) and told == int(told):
        position = int(told)
    return ForeignExample(tokens, values, position, fields.number(low), fields.number(high), fields.number(share))


def kept(fields: Fields, numbers: Iterable[str], texts: Iterable[str]) -> str:
    """JSON of those of these fields that are there: lists of numbers and single numbers, and strings."""
    found: dict[str, Any] = {}
    for name in numbers:
        if name in fields:
            value = fields.values[name]
            (fields.numbers if isinstance(value, list) else fields.number)(name)
            if value != []:
                found[name] = value
    for name in texts:
        if name in fields:
            found[name] = fields.text(name)
    return json.dumps(found, separators=(",", ":"))
