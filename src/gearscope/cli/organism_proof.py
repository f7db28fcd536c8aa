"""`organism proof`: circuits of the bundled model put to test by intervention, with their controls."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.interventions.text import share, table

if TYPE_CHECKING:
    from gearscope.evaluation.proof_report import AgreementReport, EdgeRow, GateRow, PatchingRow, ProofReport

PARTS = ("pairs", "patching", "gates", "edges")
QUESTIONS = ("known", "dangerous")
_SHOWN = 0.02
"""Share of the effect from which on an edge is true, in the lines about kinds of prompts."""


def proof(
    only: Annotated[
        Literal["pairs", "patching", "gates", "edges"] | None,
        typer.Option("--only", help="This part alone: feature pairs, activation patching of neurons, gates, or edges."),
    ] = None,
    basis: options.SomeBases = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of draws, controls and chosen questions.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Whether circuits predict what editing one feature does to another, and neurons what patching them does.

    Whether known inhibitions are found unaided, in neurons only if --basis neurons says so, which takes many minutes;
    and whether a circuit's edges are the paths that matter in the model. Every figure beside its control; some minutes
    in all.
    """
    from gearscope.evaluation.agreement_of_pairs import measure_agreement
    from gearscope.evaluation.edges import beliefs, edge_rows, truths
    from gearscope.evaluation.gate_recall import measure_gates
    from gearscope.evaluation.patching import measure_patching
    from gearscope.evaluation.proof_report import ProofReport
    from gearscope.workbench import Workbench

    parts = PARTS if only is None else (only,)
    agreement, gates, edges, patching = [], [], [], ()
    with status_line("proving") as show:
        known = truths(Workbench.open().model, seed=seed, progress=show) if "edges" in parts else []
        for name in basis or ("neurons", "plt", "clt"):
            show(f"opening {name}", 0)
            bench = Workbench.open(basis=name)
            if "pairs" in parts:
                agreement.append(measure_agreement(bench, seed=seed, progress=show))
            if "gates" in parts and (basis or name != "neurons"):
                gates += [measure_gates(bench, kind, seed=seed, progress=show) for kind in QUESTIONS]
            if "edges" in parts:
                edges += edge_rows(bench.basis, known, beliefs(bench, known, show), seed=seed)
        if "patching" in parts:
            patching = measure_patching(Workbench.open(), seed=seed, progress=show)
    report = ProofReport(agreement=tuple(agreement), patching=patching, gates=tuple(gates), edges=tuple(edges))
    typer.echo(report.to_json() if as_json else "\n\n".join(_sections(report)))


def _sections(report: "ProofReport") -> Iterable[str]:
    for one in report.agreement:
        yield _agreement(one)
    if report.patching:
        yield _patching(report.patching)
    if report.gates:
        yield _gates(report.gates)
    if report.edges:
        yield _edges(report.edges)


def _agreement(found: "AgreementReport") -> str:
    head = (
        f"PREDICTED AND MEASURED, basis {found.basis}: {found.prompts} held-out prompts, one edited feature each time"
    )
    lines = [["norms", "edit", "edges", "pairs", "rank corr.", "control", "signs"]]
    lines += [
        [
            row.norms,
            row.edit,
            row.chosen,
            str(row.pairs),
            share(row.spearman),
            share(row.spearman_control),
            share(row.signs),
        ]
        for row in found.pairs
    ]
    streams = [["the residual stream", "edits", "cosine", "control", "NMSE"]]
    streams += [
        [
            f"norms {row.norms}, {row.distance} on",
            str(row.edits),
            *map(share, (row.cosine, row.cosine_control, row.nmse)),
        ]
        for row in found.streams
    ]
    return "\n".join([head, table(lines), table(streams)])


def _patching(rows: "Iterable[PatchingRow]") -> str:
    lines = [["variable", "attribution", "held", "pairs", "neurons", "Pearson", "shuffled"]]
    lines += [
        [
            row.variable,
            row.attribution,
            row.held,
            str(row.pairs),
            f"{row.neurons:,}",
            share(row.pearson),
            share(row.pearson_shuffled),
        ]
        for row in rows
    ]
    return "NEURONS, attribution beside activation patching\n" + table(lines)


def _gates(rows: "Iterable[GateRow]") -> str:
    lines = [["basis", "question", "prompts", "first", "in five", "or behind", "random", "features"]]
    lines += [
        [
            row.basis,
            row.question,
            str(row.prompts),
            f"{row.first:.1%}",
            f"{row.recall:.1%}",
            f"{row.recall_behind:.1%}",
            f"{row.recall_random:.1%}",
            "-" if row.features is None else f"{row.features:.1f}",
        ]
        for row in rows
    ]
    return "GATES, the known inhibition found unaided\n" + table(lines)


def _edges(rows: "Iterable[EdgeRow]") -> str:
    head = ["basis", "prompts", "held", "edges", "true from", "asked", "true", "precision", "recall", "F1"]
    lines = [[*head, "random", "same kind", "other kind", "AP", "AUROC", "contrasts", "held"]]
    lines += [
        [
            row.basis,
            f"{row.prompts} {row.kind}",
            row.held,
            row.rule,
            f"{row.share:.0%}",
            f"{row.asked:,}",
            str(row.true),
            *map(share, (row.found.precision, row.found.recall, row.found.f1)),
            *map(share, (row.controls.random, row.controls.same_kind, row.controls.other_kind)),
            *map(share, (row.average_precision, row.auroc, row.contrasts, row.held_beside_live)),
        ]
        for row in rows
        if row.kind == "all" or row.share == _SHOWN
    ]
    return "EDGES, beside paths patched in the running model; behind F1 that of other edges\n" + table(lines)
