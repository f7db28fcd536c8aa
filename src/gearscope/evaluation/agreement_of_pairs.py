"""Do circuits predict what editing one feature does to another? Over prompts of the bundled model, in one basis.

The rule was fixed before the first figures: 20 held-out prompts (8 sums, 6 chains of two facts, 6 couplets). In each
prompt's pruned graph the 10 strongest feature-to-feature edges by weight, and 10 other such edges at random, name
(source, target) pairs. Every source is edited by the plan of a validation (MLPs held through its layer): set to 0, to
what it is in other prompts of its kind, and doubled; the control is one random other feature of its layer. Compared are
the targets' changes over all pairs, and the residual stream behind every source by distance in layers.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import numpy as np
import torch

from gearscope.attribution.expand import Progress
from gearscope.config import fingerprint
from gearscope.evaluation.proof_report import AgreementReport, PairFigures, StreamAgreement
from gearscope.graph.graph import AttributionGraph
from gearscope.interventions.agreement import sign_agreement, spearman
from gearscope.interventions.config import ValidationConfig
from gearscope.interventions.validate import validate
from gearscope.interventions.validation import (
    EDIT_KINDS,
    NORMS,
    Compared,
    EditEffect,
    EditKind,
    Norms,
    Plan,
    PlannedGroup,
    Validation,
)
from gearscope.organism.behaviours.registry import ask
from gearscope.workbench import Workbench

PROMPTS = {"addition": 8, "two_hops": 6, "rhyme": 6}
PAIRS = 10
_REFERENCES = 4


class Edge(NamedTuple):
    """A pair of nodes of one graph."""

    target: int
    source: int
    strong: bool
    """Whether it is one of the strongest."""


class _Pair(NamedTuple):
    """One edited source and its target."""

    strong: bool
    predicted: float
    measured: float
    control: float


def prompts(counts: dict[str, int] = PROMPTS) -> dict[str, list[str]]:
    """The prompts by kind, in a fixed order."""
    return {
        name: [" ".join(question.prompt).removeprefix("<s> ") for question in ask(name, "heldout", count)]
        for name, count in counts.items()
    }


def edges_of(graph: AttributionGraph, seed: int, most: int = PAIRS) -> list[Edge]:
    """The pairs of one graph: the strongest edges between features, and others at random."""
    edges = graph.adjacency.tocoo()
    last = graph.layout.features.stop
    between = (edges.row < last) & (edges.col < last)
    columns = edges.row[between].tolist(), edges.col[between].tolist(), edges.data[between].tolist()
    found = sorted(zip(*columns, strict=True), key=lambda edge: -abs(edge[2]))
    strong, others = found[:most], found[most:]
    drawn = Random(f"interventions {seed}").sample(others, min(most, len(others)))
    return [Edge(t, s, True) for t, s, _ in strong] + [Edge(t, s, False) for t, s, _ in drawn]


def measure_agreement(
    bench: Workbench, *, seed: int = 0, counts: dict[str, int] = PROMPTS, progress: Progress | None = None
) -> AgreementReport:
    """The report of a bench. Raises as tracing does."""
    pairs: dict[tuple[Compared, EditKind], list[_Pair]] = {}
    done: list[Validation] = []
    for some in prompts(counts).values():
        ids = [bench.model.tokens(prompt).ids.tolist() for prompt in some]
        for number, prompt in enumerate(some):
            graph = bench.trace(prompt, heads=False)
            edges = edges_of(graph, len(done))
            others = (ids[:number] + ids[number + 1 :])[:_REFERENCES]
            done.append(_validated(bench, graph, edges, others, seed))
            _collect(graph, edges, done[-1], pairs)
            if progress is not None:
                progress(f"prompts validated in {bench.basis}", len(done))
    return AgreementReport(
        model=bench.name,
        basis=bench.basis,
        prompts=len(done),
        seed=seed,
        pairs=tuple(_figures(norms, kind, some, rows) for (norms, kind), rows in pairs.items() for some in _CHOSEN),
        streams=tuple(_streams(done, norms, far) for norms in NORMS for far in range(1, bench.model.n_layers + 1)),
    )


_CHOSEN = ("all", "strongest", "random")


def _validated(
    bench: Workbench, graph: AttributionGraph, edges: Sequence[Edge], references: Sequence[list[int]], seed: int
) -> Validation:
    """Every source of an edge edited by itself."""
    nodes = graph.nodes
    sources = list(dict.fromkeys(edge.source for edge in edges))
    plan = Plan(
        settings=ValidationConfig(resamples=len(references), controls=1, seed=seed),
        groups_are="features",
        groups=tuple(
            PlannedGroup(name=nodes.ids[source], ids=(nodes.ids[source],), held_to=int(nodes.layer[source]))
            for source in sources
        ),
        references_are="given",
        references=tuple(tuple(ids) for ids in references),
        graph=fingerprint(list(nodes.ids)),
    )
    with torch.inference_mode():
        return validate(bench.scene(graph), plan)


def _collect(
    graph: AttributionGraph,
    edges: Sequence[Edge],
    validation: Validation,
    pairs: dict[tuple[Compared, EditKind], list[_Pair]],
) -> None:
    """Add the pairs of one prompt."""
    table = {group.group: group for group in validation.table}
    for edge in edges:
        group = table[graph.nodes.ids[edge.source]]
        at = group.targets.index(graph.nodes.ids[edge.target])
        for kind in EDIT_KINDS:
            held, live = (_effect(group.edits, kind, norms) for norms in NORMS)
            both: dict[Compared, tuple[EditEffect, EditEffect]] = {
                "held": (held, held),
                "live": (live, live),
                "held, then live": (held, live),
            }
            for norms, (said, was) in both.items():
                row = _Pair(edge.strong, said.predicted[at], was.measured[at], was.control[at])
                pairs.setdefault((norms, kind), []).append(row)


def _effect(edits: Sequence[EditEffect], kind: EditKind, norms: Norms) -> EditEffect:
    return next(edit for edit in edits if (edit.kind, edit.norms) == (kind, norms))


def _figures(norms: Compared, kind: EditKind, chosen: str, rows: Sequence[_Pair]) -> PairFigures:
    mine = [row for row in rows if chosen == "all" or row.strong == (chosen == "strongest")]
    predicted, measured, control = (np.array([getattr(row, name) for row in mine]) for name in _Pair._fields[1:])
    return PairFigures.of(
        norms=norms,
        edit=kind,
        chosen=chosen,
        pairs=len(mine),
        spearman=spearman(predicted, measured),
        spearman_control=spearman(predicted, control),
        signs=sign_agreement(predicted, measured),
    )


def _streams(done: Sequence[Validation], norms: Norms, distance: int) -> StreamAgreement:
    rows = [row for one in done for row in one.streams if (row.norms, row.distance) == (norms, distance)]
    means: dict[str, float | None] = {}
    for name in ("cosine", "cosine_control", "nmse"):
        known = [(getattr(row, name), row.edits) for row in rows if getattr(row, name) is not None]
        total = sum(count for _, count in known)
        means[name] = sum(value * count for value, count in known) / total if total else None
    return StreamAgreement(norms=norms, distance=distance, edits=sum(row.edits for row in rows), **means)
