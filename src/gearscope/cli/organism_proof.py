"""`organism proof`: circuits of the bundled model put to test by intervention, with their controls."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.interventions.text import share, table

if TYPE_CHECKING:
    from gearscope.evaluation.proof_report import AgreementReport, GateRow, PatchingRow, ProofReport

PARTS = ("pairs", "patching", "gates")
QUESTIONS = ("known", "dangerous")


def proof(
    only: Annotated[
        Literal["pairs", "patching", "gates"] | None,
        typer.Option("--only", help="This part alone: feature pairs, activation patching of neurons, or gates."),
    ] = None,
    basis: options.SomeBases = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of draws, controls and chosen questions.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Whether circuits predict what editing one feature does to another, and neurons what patching them does.

    And whether known inhibitions are found unaided, in neurons only if --basis neurons says so, which takes many
    minutes. Every figure beside its control; some minutes in all.
    """
    from gearscope.evaluation.agreement_of_pairs import measure_agreement
    from gearscope.evaluation.gate_recall import measure_gates
    from gearscope.evaluation.patching import measure_patching
    from gearscope.evaluation.proof_report import ProofReport
    from gearscope.workbench import Workbench

    parts = PARTS if only is None else (only,)
    agreement, gates, patching = [], [], ()
    with status_line("proving") as show:
        for name in basis or ("neurons", "plt", "clt"):
            show(f"opening {name}", 0)
            bench = Workbench.open(basis=name)
            if "pairs" in parts:
                agreement.append(measure_agreement(bench, seed=seed, progress=show))
            if "gates" in parts and (basis or name != "neurons"):
                gates += [measure_gates(bench, kind, seed=seed, progress=show) for kind in QUESTIONS]
        if "patching" in parts:
            patching = measure_patching(Workbench.open(), seed=seed, progress=show)
    report = ProofReport(agreement=tuple(agreement), patching=patching, gates=tuple(gates))
    typer.echo(report.to_json() if as_json else "\n\n".join(_sections(report)))


def _sections(report: "ProofReport") -> Iterable[str]:
    for one in report.agreement:
        yield _agreement(one)
    if report.patching:
        yield _patching(report.patching)
    if report.gates:
        yield _gates(report.gates)


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
