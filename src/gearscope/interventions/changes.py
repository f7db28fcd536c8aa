"""From edits to the changes of single features: supernodes become their members, amounts become activations.

    =v      after = v                           *n     after = n · before
    =Nmax   after = N · stored maximum          +v     after = before + v
    swap    members of the one group: after = 0; members of the other graph's group: after = their activation there

A feature in both groups of a swap gets the other graph's activation. Everything else that would change one feature
twice is refused. Knows nothing about what a change does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gearscope.errors import ConfigError, GraphError
from gearscope.graph.graph import AttributionGraph, Supernode
from gearscope.graph.nodes import NodeKind
from gearscope.ids import FeatureAt, FeatureId
from gearscope.interventions.edits import NodeEdit, refuse_twice


class Change(NamedTuple):
    """One feature at one position, from one activation to another."""

    feature: FeatureAt
    node_id: str | None
    """Its node; None for a feature that a swap brings in and that the graph does not have."""
    before: float
    after: float

    @property
    def delta(self) -> float:
        """What is added to the activation."""
        return self.after - self.before


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What has to be known to resolve edits."""

    graph: AttributionGraph
    others: Mapping[str, AttributionGraph]
    """Graphs that swaps name."""
    activation: Callable[[FeatureAt], float]
    """The activation of any feature on the prompt."""
    maximum: Callable[[FeatureId], float]
    """The stored maximum of a feature; raises DictionaryError."""


def resolve(edits: Sequence[NodeEdit], situation: Situation) -> tuple[list[Change], list[str]]:
    """The changes of features that the edits ask for, and warnings.

    Raises GraphError for what is not in a graph, ConfigError for edits that contradict each other.
    """
    changes: list[Change] = []
    warnings: list[str] = []
    for edit in edits:
        if edit.operation == "swap":
            changes += _swap(edit, situation, warnings)
            continue
        nodes = [_feature_node(situation.graph, edit.at)] if edit.at else _members(edit, situation.graph, warnings)
        changes += [_changed(edit, situation, feature, node_id) for feature, node_id in nodes]
    refuse_twice([str(change.feature) for change in changes])
    if all(change.delta == 0 for change in changes):
        warnings.append("the edits change nothing: every edited feature keeps its activation")
    return changes, warnings


def _changed(edit: NodeEdit, situation: Situation, feature: FeatureAt, node_id: str) -> Change:
    before = situation.activation(feature)
    match edit.operation:
        case "set":
            after = edit.amount
        case "set_max":
            after = edit.amount * situation.maximum(FeatureId(feature.layer, feature.index))
        case "scale":
            after = edit.amount * before + 0.0  # never minus zero
        case _:
            after = before + edit.amount
    return Change(feature, node_id, before, after)


def _feature_node(graph: AttributionGraph, feature: FeatureAt) -> tuple[FeatureAt, str]:
    number = graph.find(feature)
    if graph.nodes.kind[number] != NodeKind.FEATURE:
        found = f"{graph.nodes.ids[number]!r}, a {graph.nodes.kind[number]}"
        raise GraphError(f"{feature} should be a feature of the graph", found=found, hint="edit what feeds it")
    return feature, graph.nodes.ids[number]


def _group(graph: AttributionGraph, name: str, where: str) -> Supernode:
    found = [group for group in graph.supernodes if group.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise GraphError(f"one supernode {name!r} was expected in {where}", found=f"{len(found)} of that name")
    known = ", ".join(repr(group.name) for group in graph.supernodes[:8]) or "no supernodes at all"
    hint = "name groups of nodes in the graph's page, or under qParams.supernodes of its file"
    raise GraphError(f"supernode {name!r} should be in {where}", found=known, hint=hint)


def _features_of(graph: AttributionGraph, name: str, where: str, warnings: list[str]) -> list[tuple[FeatureAt, str]]:
    """The features of a group. What else is in it (tokens, errors, targets) is named in a warning."""
    found, others = [], []
    for node_id in _group(graph, name, where).ids:
        number, nodes = graph.find(node_id), graph.nodes
        if nodes.kind[number] == NodeKind.FEATURE:
            place = nodes.place(number)
            found.append((place, node_id))
        else:
            others.append(node_id)
    if not found:
        raise GraphError(f"supernode {name!r} of {where} should have features", found=f"only {', '.join(others[:5])}")
    if others:
        warnings.append(f"supernode {name!r}: only features are edited, not {', '.join(others[:5])}")
    return found


def _members(edit: NodeEdit, graph: AttributionGraph, warnings: list[str]) -> list[tuple[FeatureAt, str]]:
    assert edit.supernode is not None
    return _features_of(graph, edit.supernode, "the graph", warnings)


def _swap(edit: NodeEdit, situation: Situation, warnings: list[str]) -> list[Change]:
    assert edit.other_graph is not None
    assert edit.other_supernode is not None
    graph, other = situation.graph, situation.others[edit.other_graph]
    if len(other.tokens) != len(graph.tokens):
        raise ConfigError(
            "a swap needs prompts of one length, so that positions mean the same",
            found=f"{len(graph.tokens)} tokens here and {len(other.tokens)} in {edit.other_graph}",
            hint="trace a prompt of the same length, or edit features one by one",
        )
    out = _members(edit, graph, warnings)
    brought = _features_of(other, edit.other_supernode, edit.other_graph, warnings)
    after = {feature: float(other.nodes.activation[other.find(node_id)]) for feature, node_id in brought}
    unknown = [str(feature) for feature, activation in after.items() if not math.isfinite(activation)]
    if unknown:
        raise GraphError(
            f"activations of supernode {edit.other_supernode!r} were expected", found=f"none of {unknown[0]}"
        )
    places = dict.fromkeys([*(feature for feature, _ in out), *after])
    return [
        Change(feature, _node_id(graph, feature), situation.activation(feature), after.get(feature, 0.0))
        for feature in places
    ]


def _node_id(graph: AttributionGraph, feature: FeatureAt) -> str | None:
    try:
        return _feature_node(graph, feature)[1]
    except GraphError:
        return None
