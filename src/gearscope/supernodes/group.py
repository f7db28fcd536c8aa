"""The recipe: a traced graph in, the same graph with supernodes and what is known of them out.

1. choose     the features that are not in a group yet, the most influential of them
2. evidence   ablations measured in the model (effects.py), edge profiles (profiles.py), what a library knows
3. join       the most alike into groups (joining.py), of which the most influential are kept
4. name       from labels, promoted tokens or input (naming.py)
5. compare    every figure with random groups of the same size; stability (stability.py); scores (restrict.py)

Groups that are in the graph already stay as they are. It knows nothing about files.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph, Supernode
from gearscope.graph.nodes import NodeKind
from gearscope.interventions.scene import Scene
from gearscope.supernodes.config import GroupConfig
from gearscope.supernodes.effects import ablations
from gearscope.supernodes.joining import join
from gearscope.supernodes.likeness import Evidence, Known, cofiring_table, features_of, label_table, together
from gearscope.supernodes.naming import name_of
from gearscope.supernodes.profiles import begins, sends
from gearscope.supernodes.restrict import restricted_scores
from gearscope.supernodes.result import KEY, Figure, GroupFacts, Grouping, Restricted
from gearscope.supernodes.stability import Partition, found_again, from_end

Progress = Callable[[str, int], None]


def group(
    scene: Scene,
    config: GroupConfig,
    *,
    known: Known | None = None,
    paraphrases: Sequence[Scene] = (),
    progress: Progress | None = None,
) -> AttributionGraph:
    """The scene's graph with supernodes; their evidence is under `details["supernodes"]`.

    Stability is measured on `paraphrases`, prompts that say the same or fill the same template, grouped alike; without
    them on resampled evidence. Raises GraphError for a graph without features to group.
    """
    known = known if known is not None else Known()
    found = _find(scene, config, known, progress)
    names: list[str] = [kept.name for kept in scene.graph.supernodes]
    groups = []
    for rows in found.groups:
        own = found.numbers[rows]
        names.append(name_of(scene.graph, own, found.evidence.begins[rows], known.labels, names))
        groups.append(Supernode(names[-1], tuple(scene.graph.nodes.ids[i] for i in own)))
    others: list[Partition] = []
    for i, other in enumerate(paraphrases):
        if progress is not None:
            progress("paraphrases", i)
        others.append(from_end(other.graph, _unnamed(other, config, known)))
    facts = _report(scene.graph, config, found, groups, others if paraphrases else None)
    details = scene.graph.details | {KEY: facts.model_dump(mode="json")}
    return replace(scene.graph, supernodes=(*scene.graph.supernodes, *groups), details=details)


class _Found(NamedTuple):
    """Features, what is known of them, and how they were grouped."""

    numbers: Int[np.ndarray, " K"]
    """Of the features among the graph's nodes."""
    evidence: Evidence
    likeness: dict[str, Float[np.ndarray, "K K"]]
    groups: list[Int[np.ndarray, " _J"]]
    """Rows, the most influential group first."""


def _find(scene: Scene, config: GroupConfig, known: Known, progress: Progress | None) -> _Found:
    graph = scene.graph
    numbers = _chosen(graph, config)
    depth = np.where(graph.nodes.kind == NodeKind.TARGET, np.iinfo(np.int64).max, graph.nodes.layer)
    effects = ablations(scene, numbers, config.tokens, progress)
    features = features_of(graph, numbers.tolist())
    evidence = Evidence(
        layer=graph.nodes.layer[numbers],
        effect=effects.change,
        effect_layer=effects.layer,
        begins=begins(graph)[numbers],
        sends=sends(graph, numbers),
        sends_layer=depth,
        cofiring=cofiring_table(features, known),
        label=label_table(features, known),
    )
    likeness = evidence.kinds()
    return _Found(numbers, evidence, likeness, _strongest(graph, numbers, _joined(graph, likeness, config), config))


def _chosen(graph: AttributionGraph, config: GroupConfig) -> Int[np.ndarray, " K"]:
    """The features to group: in no group yet, at most so many, the most influential; in the order of the nodes."""
    grouped = {name for kept in graph.supernodes for name in kept.ids}
    every = range(graph.layout.features.start, graph.layout.features.stop)
    free = np.array([i for i in every if graph.nodes.ids[i] not in grouped], dtype=np.int64)
    if not len(free):
        found = "all in groups already" if len(every) else "no features"
        hint = "remove groups first (--replace)" if len(every) else None
        raise GraphError("a graph with features to group was expected", found=found, hint=hint)
    return np.sort(free[np.argsort(-_influence(graph)[free], kind="stable")[: config.most_features]])


def _joined(
    graph: AttributionGraph, likeness: dict[str, Float[np.ndarray, "K K"]], config: GroupConfig
) -> list[Int[np.ndarray, " _J"]]:
    largest = max(1, int(config.largest * len(graph.nodes)))
    return join(together(likeness), alike=config.alike, largest=largest, most=config.most)


def _strongest(
    graph: AttributionGraph, numbers: Int[np.ndarray, " K"], groups: list[Int[np.ndarray, " _J"]], config: GroupConfig
) -> list[Int[np.ndarray, " _J"]]:
    influence = _influence(graph)[numbers]
    room = max(1, config.most - len(graph.supernodes))
    return sorted(groups, key=lambda rows: -influence[rows].sum())[:room]


def _unnamed(scene: Scene, config: GroupConfig, known: Known) -> list[Supernode]:
    """The groups of a paraphrase."""
    found = _find(scene, config, known, None)
    return [Supernode("", tuple(scene.graph.nodes.ids[i] for i in found.numbers[rows])) for rows in found.groups]


def _report(
    graph: AttributionGraph,
    config: GroupConfig,
    found: _Found,
    groups: Sequence[Supernode],
    paraphrases: Sequence[Partition] | None,
) -> Grouping:
    rng = np.random.default_rng(config.seed)
    others: Sequence[Partition]
    if paraphrases is None:
        others, sets = _resampled(graph, config, found, rng), [frozenset(rows.tolist()) for rows in found.groups]
        every = frozenset(range(len(found.numbers)))
    else:
        others, sets = paraphrases, from_end(graph, groups)
        every = frozenset[object]().union(*from_end(graph, [_all(graph, found.numbers)]))
    influence, features = _influence(graph), graph.layout.features
    whole = float(influence[features].sum()) or 1.0
    rows = []
    for own, named, members in zip(found.groups, groups, sets, strict=True):
        again = found_again(members, every, others, rng)
        facts = GroupFacts(
            name=named.name,
            members=named.ids,
            nodes=len(own) / len(graph.nodes),
            influence=float(influence[found.numbers[own]].sum()) / whole,
            evidence={kind: _figure(table, own, config.draws, rng) for kind, table in found.likeness.items()},
            stability=Figure(value=again.value, random=again.random),
            again=again.count,
        )
        rows.append(facts)
    inside = _inside(graph, groups)
    outside = np.setdiff1d(np.arange(features.start, features.stop), inside)
    scores = graph.scores
    return Grouping(
        groups=tuple(rows),
        kept=tuple(kept.name for kept in graph.supernodes),
        kinds=tuple(found.likeness),
        stability_from="resampled evidence" if paraphrases is None else "paraphrases",
        again_of=len(others),
        ungrouped=len(outside),
        ungrouped_influence=float(influence[outside].sum()) / whole,
        nodes=len(graph.nodes),
        features=features.stop - features.start,
        largest=max(len(own) for own in found.groups) / len(graph.nodes),
        graph_completeness=None if scores is None else scores.completeness.as_published.low,
        pruned=restricted_scores(graph, np.arange(features.start, features.stop)),
        restricted=restricted_scores(graph, inside),
        restricted_random=_random_scores(graph, len(inside), config.draws, rng),
        alike=config.alike,
        seed=config.seed,
        draws=config.draws,
    )


def _influence(graph: AttributionGraph) -> Float[np.ndarray, " N"]:
    return graph.influence if graph.influence is not None else graph.node_influence()


def _all(graph: AttributionGraph, numbers: Int[np.ndarray, " K"]) -> Supernode:
    return Supernode("", tuple(graph.nodes.ids[i] for i in numbers))


def _inside(graph: AttributionGraph, groups: Sequence[Supernode]) -> Int[np.ndarray, " K"]:
    """Numbers of the features in any group."""
    numbers = {graph.find(name) for one in (*graph.supernodes, *groups) for name in one.ids}
    return np.array(sorted(i for i in numbers if graph.nodes.kind[i] == NodeKind.FEATURE), dtype=np.int64)


def _resampled(
    graph: AttributionGraph, config: GroupConfig, found: _Found, rng: np.random.Generator
) -> list[Partition]:
    partitions: list[Partition] = []
    for _ in range(config.resamples):
        groups = _joined(graph, found.evidence.resampled(rng).kinds(), config)
        kept = _strongest(graph, found.numbers, groups, config)
        partitions.append([frozenset(rows.tolist()) for rows in kept])
    return partitions


def _figure(
    table: Float[np.ndarray, "K K"], rows: Int[np.ndarray, " J"], draws: int, rng: np.random.Generator
) -> Figure:
    """Mean likeness within a group, beside random groups of the same size."""
    drawn = [_within(table, rng.choice(len(table), len(rows), replace=False)) for _ in range(draws)]
    known = [value for value in drawn if value is not None]
    return Figure(value=_within(table, rows), random=sum(known) / len(known) if known else None)


def _within(table: Float[np.ndarray, "K K"], rows: Int[np.ndarray, " J"]) -> float | None:
    pairs = table[np.ix_(rows, rows)][np.triu_indices(len(rows), k=1)]
    pairs = pairs[np.isfinite(pairs)]
    return float(pairs.mean()) if len(pairs) else None


def _random_scores(graph: AttributionGraph, count: int, draws: int, rng: np.random.Generator) -> Restricted:
    features = np.arange(graph.layout.features.start, graph.layout.features.stop)
    if count == len(features):
        return restricted_scores(graph, features)
    drawn = [restricted_scores(graph, np.sort(rng.choice(features, count, replace=False))) for _ in range(draws)]
    names = Restricted.model_fields
    return Restricted(**{name: sum(getattr(scores, name) for scores in drawn) / draws for name in names})
