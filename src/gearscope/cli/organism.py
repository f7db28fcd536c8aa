"""`organism train | assemble | verify | hops | proof | supernodes | diff`: make the bundled organism and measure it."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from gearscope.cli import options
from gearscope.cli.organism_diff import compare
from gearscope.cli.organism_maps import check_names, chosen_maps, print_maps, write_pictures
from gearscope.cli.organism_proof import proof
from gearscope.cli.organism_supernodes import supernodes, with_twin
from gearscope.cli.organism_tables import as_json as tables_json
from gearscope.cli.organism_tables import hop_lines, part_lines, seed_lines
from gearscope.cli.progress import stage_lines, status_line
from gearscope.organism.bundle import SHIPPED, shipped_bundle
from gearscope.organism.runs import ORGANISM, plan_of

MAPS = ("addition/ones_sum", "addition/tens_sum", "two_hops/state", "rhyme/rhyme")
"""Interchange maps that are printed unless others are asked for."""

app = typer.Typer(
    help="The model whose inside is known: train it from its seed, or measure it again.", no_args_is_help=True
)


app.command("diff")(compare)
app.command("proof")(proof)


@app.command("train")
def train(
    seed: Annotated[int, typer.Option("--seed", help="Decides the initial weights and every document.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was interrupted, in any stage.")
    ] = False,
    only: Annotated[
        Literal["model", "twins", "versions"] | None,
        typer.Option("--only", help="This stage alone; the bundle is written by a run without it."),
    ] = None,
    table: Annotated[
        bool,
        typer.Option("--table", help="Write what the seed reaches, missed bars too, as OUT.json, and no bundle."),
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="The bundle's new folder.")] = Path("organism"),
    as_json: options.Json = False,
) -> None:
    """Train an organism, its twins and its versions; write them as one bundle if all reach their bars."""
    # Imported here so that --help never loads torch.
    from gearscope.organism.stages import table_path, train_bundle

    with stage_lines() as show:
        tables = train_bundle(plan_of(seed, must_hold=not table), out, only=only, resume=resume, progress=show)
    written = None if only is not None else str(table_path(out) if table else out)
    if as_json:
        held_out = {part: {name: row.held_out.accuracy for name, row in rows.items()} for part, rows in tables.items()}
        typer.echo(json.dumps({"bundle": written, "held_out": held_out}))
        return
    for part, rows in tables.items():
        typer.echo(part)
        for name, row in rows.items():
            typer.echo(f"  {name:<24} {row.held_out.accuracy:7.2%} on {row.held_out.count:,} held out")
    typer.echo(f"{only} finished; go on with --resume" if written is None else f"written to {written}")


@app.command("assemble")
def assemble(
    trained: Annotated[Path, typer.Argument(help="A bundle that `organism train` wrote.")],
    plt: Annotated[Path | None, typer.Option("--plt", help="Its transcoders: `gearscope train organism-plt`.")] = None,
    clt: Annotated[Path | None, typer.Option("--clt", help="Its cross-layer transcoder.")] = None,
    library: Annotated[
        Path | None, typer.Option("--library", help="Its feature library: `gearscope library build` and `label`.")
    ] = None,
    other_seed: Annotated[
        list[Path] | None,
        typer.Option("--other-seed", help="A bundle of another seed, or its stored table; can be repeated."),
    ] = None,
    sealed: Annotated[
        int | None, typer.Option("--sealed", help="The other seed that nobody looked at before the recipe was final.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Where the bundle is written.", show_default="the bundle in the package")
    ] = SHIPPED,
    replace: Annotated[
        bool, typer.Option("--replace", help="An earlier bundle goes when the new one is whole.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Lock a trained organism, its dictionaries and the tables of other seeds together, by default as what ships."""
    from gearscope.organism.assemble import assemble as run

    dictionaries = {name: folder for name, folder in {"plt": plt, "clt": clt}.items() if folder is not None}
    lock = run(
        trained, out, dictionaries=dictionaries, library=library, seeds=other_seed or [], sealed=sealed, replace=replace
    )
    if as_json:
        typer.echo(json.dumps({"bundle": str(out), "model": lock.model, "parts": list(lock.parts)}))
        return
    typer.echo(f"written to {out}: model {lock.model}, {', '.join(lock.parts)}")


@app.command("hops")
def hops(
    basis: options.SomeBases = None,
    model: options.Model = None,
    prompts: Annotated[int, typer.Option("--prompts", min=2, max=300, help="Held-out chains to trace.")] = 60,
    as_json: options.Json = False,
) -> None:
    """Whether circuits go through the state between a city and its capital, by basis; and in the twin without states.

    With --model, that model alone, and its neurons unless a --basis is given.
    """
    from gearscope.evaluation.hops import measure_hops
    from gearscope.workbench import Workbench

    reports = []
    with status_line("tracing") as show:
        for opened, name in with_twin(model, basis):
            show(f"{opened or 'organism'} {name}", prompts)
            reports.append(measure_hops(Workbench.open(opened, name), prompts=prompts))
    if as_json:
        typer.echo(json.dumps([report.model_dump(mode="json") for report in reports]))
        return
    typer.echo("\n".join(hop_lines(reports)))


app.command("supernodes")(supernodes)


@app.command("verify")
def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="A bundle, or one model of it; the shipped bundle by default.")
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option("--maps", help="Interchange maps to print: a variable, a phenomenon or `all`; can be repeated."),
    ] = None,
    pictures: Annotated[Path | None, typer.Option("--pictures", help="Draw every map into this folder (SVG).")] = None,
    as_json: options.Json = False,
) -> None:
    """Measure every behaviour of a bundle's models again and compare it with the tables stored in them."""
    from gearscope.organism.verify import verify_bundle

    check_names(maps or ())
    with status_line("measuring") as show:
        done = verify_bundle(
            shipped_bundle() if folder is None else folder,
            plan_of(0).parts,
            progress=lambda part, check: show(f"{part} {check.name}", check.measured.held_out.count),
        )
    if pictures is not None:
        for part in done.parts:
            write_pictures(part.maps, pictures / part.name)
    if as_json:
        asked = {part.name: chosen_maps(part.maps, maps or ()) for part in done.parts}
        values = {name: [table.model_dump(mode="json") for table in tables] for name, tables in asked.items() if tables}
        typer.echo(json.dumps(tables_json(done) | {"maps": values}))
    else:
        for part in done.parts:
            typer.echo("\n".join(part_lines(part)))
            print_maps(part.maps, (MAPS if part.kind == ORGANISM else ()) if maps is None else maps)
        for table in done.seeds:
            typer.echo("\n".join(seed_lines(table)))
        if done.missed:
            typer.echo(f"missed: {', '.join(done.missed)}")
    if done.missed:
        raise typer.Exit(code=2)
