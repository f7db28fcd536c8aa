"""A graph's supernodes as plain text. No torch."""

from collections.abc import Sequence

from gearscope.graph.graph import AttributionGraph
from gearscope.supernodes.result import Figure, GroupFacts, Grouping

_SHOWN = 8
_AGAIN = {"paraphrases": "paraphrases", "resampled evidence": "resamples of the evidence"}


def describe_grouping(graph: AttributionGraph, grouping: Grouping) -> str:
    """Groups with members and evidence, every figure beside that of random groups."""
    of = f"{grouping.again_of} {_AGAIN[grouping.stability_from]}"
    lines = [
        f"SUPERNODES  {len(grouping.groups)} of {grouping.features - grouping.ungrouped} features, the largest with "
        f"{grouping.largest:.1%} of {grouping.nodes} nodes",
        f"  evidence: {', '.join(grouping.kinds)}; in brackets random groups of the same size; stability over {of}",
    ]
    if grouping.kept:
        lines.append(f"  as they were before: {', '.join(grouping.kept)}")
    if grouping.ungrouped:
        lines.append(
            f"  in no group: {grouping.ungrouped} features with {grouping.ungrouped_influence:.1%} of the influence"
        )
    for facts in grouping.groups:
        lines += ["", *_group_lines(graph, facts, grouping)]
    return "\n".join([*lines, "", *_score_lines(grouping)])


def _group_lines(graph: AttributionGraph, facts: GroupFacts, grouping: Grouping) -> list[str]:
    figures = [f"{kind} {_shown(figure)}" for kind, figure in facts.evidence.items()]
    seen = f" in {facts.again} of {grouping.again_of}" if grouping.stability_from == "paraphrases" else ""
    figures.append(f"stability {_shown(facts.stability)}{seen}")
    return [
        f"{facts.name}",
        f"  {len(facts.members)} node{'s' if len(facts.members) > 1 else ''}, {facts.influence:.1%} of the influence: "
        + _members(graph, facts.members),
        f"  {', '.join(figures)}",
    ]


def _members(graph: AttributionGraph, ids: Sequence[str]) -> str:
    numbers = [graph.find(name) for name in ids[:_SHOWN]]
    nodes = graph.nodes
    names = [f"{nodes.layer[i]}/{nodes.index[i]}@{nodes.position[i]}" for i in numbers]
    return " ".join(names) + (f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")


def _shown(figure: Figure) -> str:
    if figure.value is None:
        return "-"
    return f"{figure.value:.2f} [{'-' if figure.random is None else format(figure.random, '.2f')}]"


def _score_lines(grouping: Grouping) -> list[str]:
    rows = [
        ("the graph as it stands", grouping.pruned),
        ("restricted to the supernodes", grouping.restricted),
        ("restricted to random features", grouping.restricted_random),
    ]
    lines = ["SCORES  replacement and completeness with all that is left out as error | completeness as published"]
    lines += [
        f"  {name:<32} {row.replacement:.3f}  {row.completeness:.3f} | {row.completeness_inside:.3f}"
        for name, row in rows
    ]
    if grouping.graph_completeness is not None:
        lines.append(f"  {'the graph before pruning':<32}              | {grouping.graph_completeness:.3f}")
    return lines
