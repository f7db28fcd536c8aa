"""Supernodes of a file that were left out when it was read, because none of their nodes is in it.

    details["empty_supernodes"]   their names, in the file's order

A viewer that cuts nodes away, or a person, leaves such groups. They stay named when the graph is written again. Knows
nothing about files.
"""

from collections.abc import Sequence
from typing import Any

from gearscope.graph.graph import AttributionGraph

KEY = "empty_supernodes"


def with_empty_groups(details: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The details with these names added; as they are without any."""
    if not names:
        return details
    return details | {KEY: list(dict.fromkeys([*_names(details), *names]))}


def read_empty_groups(graph: AttributionGraph) -> list[str]:
    """The names."""
    return _names(graph.details)


def _names(details: dict[str, Any]) -> list[str]:
    stored = details.get(KEY)
    return [name for name in stored if isinstance(name, str)] if isinstance(stored, list) else []
