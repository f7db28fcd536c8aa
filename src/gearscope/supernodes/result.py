"""What is known of a graph's supernodes, as JSON. No torch.

Kept in the graph under `details["supernodes"]`, beside the groups themselves: those are edited on the page or in the
file, and a group that was edited no longer has the evidence of the one that was proposed.
"""

from typing import Literal

from gearscope.config import Config
from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph, Supernode

KEY = "supernodes"


class Figure(Config):
    """A number of a group, and the mean over random groups of as many features. None where nothing is known."""

    value: float | None
    random: float | None


class GroupFacts(Config):
    """One supernode with its evidence."""

    name: str
    members: tuple[str, ...]
    """Ids of its nodes."""
    nodes: float
    """Share of the graph's nodes."""
    influence: float
    """Share of the influence of all grouped and ungrouped features."""
    evidence: dict[str, Figure]
    """Kind -> mean likeness of its members; None for a group of one, and where nothing is known."""
    stability: Figure
    """Jaccard index with the most alike group found again, averaged."""
    again: int
    """In how many of the paraphrases some of its features were there; the number of resamples without paraphrases."""


class Restricted(Config):
    """Scores of a part of the graph."""

    replacement: float
    completeness: float
    """With all that is not in the part counted as error."""
    completeness_inside: float
    """As published: of what the part's nodes receive from each other, the share that is not from error nodes."""


class Grouping(Config):
    """A graph's supernodes, and what they leave out."""

    groups: tuple[GroupFacts, ...]
    kept: tuple[str, ...]
    """Groups that were there before and stayed as they were."""
    kinds: tuple[str, ...]
    """The kinds of evidence that there were."""
    stability_from: Literal["paraphrases", "resampled evidence"]
    again_of: int
    """Paraphrases or resamples."""
    ungrouped: int
    """Features in no group."""
    ungrouped_influence: float
    """Their share of the influence of all features."""
    nodes: int
    features: int
    largest: float
    """The largest share of nodes in one group."""
    graph_completeness: float | None
    """Completeness as published, of the graph before pruning (the low end of its interval)."""
    pruned: Restricted
    """The graph as it stands."""
    restricted: Restricted
    """Its supernodes, and all nodes that are no features."""
    restricted_random: Restricted
    """Restricted to as many random features instead, averaged; equal to `restricted` where all are grouped."""
    alike: float
    seed: int
    draws: int


def read_grouping(graph: AttributionGraph) -> Grouping | None:
    """What is stored of a graph's supernodes; None without. Raises GraphError for a damaged entry."""
    stored = graph.details.get(KEY)
    if stored is None:
        return None
    try:
        return Grouping.model_validate(stored, strict=False)
    except ValueError as error:
        raise GraphError(
            "what was found out about the graph's supernodes was expected", found="a damaged entry"
        ) from error


def is_unchanged(group: Supernode, facts: GroupFacts) -> bool:
    """Whether a group is still the one that the evidence is of."""
    return group.name == facts.name and set(group.ids) == set(facts.members)
