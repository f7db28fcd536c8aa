"""Interchange maps written by hand."""

from gearscope.organism.truth.maps import InterchangeMap


def hand_map(moved, *, roles=("a", "b", "="), intended=("b",), counted=20, first=0, **changes):
    """A map with these counts of moved pairs, by layer from the embeddings up; what is not moved is kept."""
    moved = tuple(tuple(row) for row in moved)
    settings = {
        "phenomenon": "hops",
        "name": "state",
        "roles": tuple(roles),
        "intended": tuple(intended),
        "asked": counted,
        "base_right": counted,
        "source_right": counted,
        "counted": counted,
        "controlled": min(10, counted),
        "first": first,
        "moved": moved,
        "kept": tuple(tuple(counted - count for count in row) for row in moved),
        "control": tuple((0,) * len(row) for row in moved),
        "whole": (counted,) * len(moved),
    }
    return InterchangeMap.of(**{**settings, **changes})


TWO_HOPS = hand_map([(20, 0, 0), (4, 18, 0), (0, 15, 2), (0, 0, 20)])
"""At a in the embeddings, at b after 1 and 2 blocks, at the end after 3."""
