"""Error nodes opened into the MLP's neurons, as stored with their graph.

    details["opened_errors"]   a list of `OpenedError`

An error node's edges are divided among neurons and what no neuron can have written: for every target,

    weight = Σ contributions of listed neurons + others + left

What is damaged is as if it were not there. Knows nothing about how errors are opened.
"""

import json
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from gearscope.config import Config
from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph

KEY = "opened_errors"
Finite = Annotated[float, Field(allow_inf_nan=False)]


class OpenedEdge(Config):
    """One edge of an error node."""

    target: str
    weight: Finite
    """The edge itself, in units of the target's value."""
    contributions: tuple[Finite, ...]
    """Of the listed neurons, in their order."""
    others: Finite
    """Of all other neurons together."""
    left: Finite
    """Of the part of the error that the neurons' writes cannot express."""


class OpenedError(Config):
    """One error node: the least change of neurons that would make it."""

    node_id: str
    neurons: tuple[int, ...]
    """Those that contribute most to its edges, the strongest first."""
    activation: tuple[Finite, ...]
    """What they are on the prompt, or, with experts, times the expert's weight in what they write."""
    missed: tuple[Finite, ...]
    """How much of that the basis missed; negative where it wrote too much."""
    active: int
    """All neurons among which the error is divided."""
    needed: int
    """Neurons that hold 80 % of what is missed (|missed| · ‖W_out‖)."""
    needed_random: int | None
    """The same for a random vector in the error's place; None where the error is some of the neurons themselves."""
    edges: tuple[OpenedEdge, ...]


def with_opened(graph: AttributionGraph, opened: list[OpenedError]) -> AttributionGraph:
    """The graph with these in place of any others."""
    return replace(graph, details=graph.details | {KEY: [one.model_dump(mode="json") for one in opened]})


def read_opened(graph: AttributionGraph) -> dict[str, OpenedError]:
    """The opened errors by node id."""
    rows = graph.details.get(KEY)
    try:
        found = [OpenedError.from_json(json.dumps(row)) for row in rows or ()]
    except (ConfigError, TypeError):
        return {}
    return {one.node_id: one for one in found}
