"""The plan of a validation: which groups are edited, with what is held, from which runs values are taken.

It is complete before anything is measured, and measuring reads nothing but the plan. Groups are the graph's supernodes
as far as they have features, or the most influential features, each a group of its own. Reference runs are prompts
that were given, each used in turn, or the prompt's own tokens behind its constant positions in a random order: the same
words, of another meaning. Knows nothing about what is measured.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from gearscope.config import fingerprint
from gearscope.errors import GraphError, PromptError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind
from gearscope.interventions.config import ValidationConfig
from gearscope.interventions.scene import Scene
from gearscope.interventions.validation import Plan, PlannedGroup


def register(scene: Scene, config: ValidationConfig, references: Sequence[Sequence[int]] = ()) -> Plan:
    """The plan for a scene's graph. `references` are token ids of other prompts; without any, the prompt is shuffled.

    Raises GraphError for a graph without features, or whose supernodes have none; PromptError for a reference with no
    position where features can be.
    """
    graph = scene.graph
    groups, left_out = _supernodes(graph) if graph.supernodes else (_strongest(graph, config.top), [])
    if not groups:
        expected = "a graph with features, or with supernodes that have some, was expected"
        raise GraphError(expected, found=f"only supernodes {', '.join(left_out[:5])}" if left_out else "none")
    first = scene.prompt.n_constant_positions
    short = next((ids for ids in references if len(ids) <= first), None)
    if short is not None:
        raise PromptError("reference prompts with words were expected", found=f"one of {len(short)} tokens")
    given = [tuple(references[i % len(references)]) for i in range(config.resamples)] if references else []
    return Plan(
        settings=config,
        groups_are="supernodes" if graph.supernodes else "features",
        groups=tuple(groups),
        left_out=tuple(left_out),
        references_are="given" if given else "shuffled",
        references=tuple(given or _shuffled(scene.prompt.token_ids.tolist(), first, config)),
        graph=fingerprint(list(graph.nodes.ids)),
    )


def _supernodes(graph: AttributionGraph) -> tuple[list[PlannedGroup], list[str]]:
    """The supernodes that have features, cut to these; names of the others."""
    groups, left_out = [], []
    for number, group in enumerate(graph.supernodes):
        features = [name for name in group.ids if graph.nodes.kind[graph.nodes.find(name)] == NodeKind.FEATURE]
        name = group.name
        if sum(other.name == name for other in graph.supernodes) > 1:
            name = f"{name} ({number + 1})"
        if features:
            groups.append(_planned(graph, name, tuple(dict.fromkeys(features))))
        else:
            left_out.append(name)
    return groups, left_out


def _strongest(graph: AttributionGraph, most: int) -> list[PlannedGroup]:
    """The features with most influence, each alone."""
    influence = graph.influence if graph.influence is not None else graph.node_influence()
    order = np.argsort(-influence[graph.layout.features], kind="stable")[:most]
    nodes = graph.nodes
    names = (f"{nodes.layer[i]}/{nodes.index[i]}@{nodes.position[i]}" for i in order.tolist())
    return [_planned(graph, name, (nodes.ids[i],)) for name, i in zip(names, order.tolist(), strict=True)]


def _planned(graph: AttributionGraph, name: str, ids: tuple[str, ...]) -> PlannedGroup:
    held_to = max(int(graph.nodes.layer[graph.nodes.find(node_id)]) for node_id in ids)
    return PlannedGroup(name=name, ids=ids, held_to=held_to)


def _shuffled(ids: list[int], first: int, config: ValidationConfig) -> list[tuple[int, ...]]:
    """The prompt with its words in random orders."""
    seed = int(hashlib.sha256(f"references {config.seed}".encode()).hexdigest()[:15], 16)
    generator, live = torch.Generator().manual_seed(seed), ids[first:]
    orders = [torch.randperm(len(live), generator=generator).tolist() for _ in range(config.resamples)]
    return [(*ids[:first], *(live[i] for i in order)) for order in orders]
