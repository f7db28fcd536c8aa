"""`dictionary`: measure a folder of dictionaries, write it in another format, or put it on the hub."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.train import table
from gearscope.errors import ConfigError
from gearscope.evaluation.report import DictionaryReport, TruthReport

FORMATS = "gearscope, circuit-tracer, saelens, sparsify, dictionary_learning, gemma-scope-2, gemma-scope"


def dictionary(
    folder: Annotated[
        str, typer.Argument(help="A folder of dictionaries in any known format, hub:OWNER/NAME, plt or clt.")
    ],
    model: options.Model = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="Held-out text is taken from here; `organism` for its own world.")
    ] = None,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Held-out tokens to measure on.")] = 65_536,
    truths: Annotated[
        int | None,
        typer.Option(
            "--truths",
            min=50,
            help="Ask which truth variables of the organism its features tell, on so many documents.",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help=f"Write it in another format instead, into --out: {FORMATS}.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The new folder for --to.")] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(
            "--join", help="With --to: a folder of other layers of the same model, to go in; can be repeated."
        ),
    ] = None,
    upload: Annotated[
        str | None,
        typer.Option(
            "--upload", help="Put it on the hub instead, as OWNER/NAME, with a card; with --to, what --to wrote."
        ),
    ] = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Measure a folder of dictionaries in its model: error, sparsity, dead features, agreement when all is replaced.

    Figures are by layer, then by the place of a token in its text, in spans that double in length. With --truths, ask
    instead which truth variables of the organism's world single features tell. With --to or --upload, write it in
    another format, or put it on the HuggingFace hub.
    """
    if (to is None) != (out is None):
        raise ConfigError("--to FORMAT and --out DIR go together", found="one of them", hint="give both, or none")
    if join and to is None:
        raise ConfigError("--join goes with --to FORMAT and --out DIR", found="no --to", hint="add --to gearscope")
    if to is not None or upload is not None:
        done = _pass_on([folder, *(join or ())], to, out, upload)
        typer.echo(json.dumps(done) if as_json else "\n".join(f"{name} {place}" for name, place in done.items()))
        return
    # Imported here so that --help never loads torch.
    from gearscope.recipes.again import measure_again, truths_again
    from gearscope.recipes.train import Opening

    opening = Opening(device, dtype, revision)
    if truths is not None:
        known = truths_again(folder, model, documents=truths, opening=opening)
        typer.echo(json.dumps(known.model_dump(mode="json")) if as_json else truth_table(known))
        return
    report = measure_again(folder, model, corpus, tokens=tokens, opening=opening)
    typer.echo(
        json.dumps(report.model_dump(mode="json")) if as_json else f"{table(report)}\n\n{position_table(report)}"
    )


def position_table(report: DictionaryReport) -> str:
    """NMSE of every layer, then the mean over layers of active features and what replacing all does, by position."""
    spans = [f"{at.first}" if at.first == at.last else f"{at.first}-{at.last}" for at in report.positions]
    lines = [f"{'by position':<18} " + "".join(f"{span:>9}" for span in spans)]
    for number, layer in enumerate(report.layers):
        lines.append(f"{layer.writes:<18} " + "".join(f" {at.nmse[number]:8.2%}" for at in report.positions))
    means = [sum(at.l0) / len(at.l0) for at in report.positions]
    return "\n".join(
        [
            *lines,
            f"{'L0, mean':<18} " + "".join(f"{mean:9.1f}" for mean in means),
            f"{'next token same':<18} " + "".join(f"{at.top1:9.2%}" for at in report.positions),
            f"{'KL':<18} " + "".join(f"{at.kl:9.4f}" for at in report.positions),
        ]
    )


def truth_table(report: TruthReport) -> str:
    """AUROC by variable, what became of it, and the shares that reach the bar."""
    columns = ("auroc", "neurons", "random", "shuffled", "probe")
    lines = [
        f"{'phenomenon':<13} {'variable':<16} {'at':<22} {'values':>9} "
        + "".join(f"{c:>9}" for c in columns)
        + f"{'together':>9}"
    ]
    for row in report.rows:
        values = f"{row.values} of {row.of_values}"
        areas = "".join(f"{getattr(row, column):9.3f}" for column in columns)
        more = " " * 9 if row.together is None else f"{row.together:9.3f}"
        lines.append(
            f"{row.phenomenon:<13} {row.variable:<16} {row.place:<22} {values:>9} {areas}{more}  {report.outcome(row)}"
        )
    for left in report.unasked:
        lines.append(f"{left.phenomenon:<13} {left.variable:<16} not asked: {left.reason}")
    for of_all, rows in ((True, report.rows), (False, report.there)):
        shares = ", ".join(f"{column} {report.recovered(column, of_all=of_all):.0%}" for column in columns[1:])
        which = "variables" if of_all else "variables that are there as a direction"
        lines.append(
            f"AUROC of {report.bar} or more: {report.recovered(of_all=of_all):.0%} of {len(rows)} {which} ({shares})"
        )
    lines.append(f"at most {report.documents} documents of each phenomenon")
    return "\n".join(lines)


def _pass_on(folders: Sequence[str], to: str | None, out: Path | None, upload: str | None) -> dict[str, str]:
    """Write and upload; where it is now, by what was done."""
    from gearscope.dictionaries.collection import joined
    from gearscope.dictionaries.store import read_dictionaries, upload_dictionaries, write_as
    from gearscope.opening import basis_folder

    done, places = {}, []
    for folder in folders:
        found = basis_folder(folder)
        if found is None:
            raise ConfigError("a folder of dictionaries was expected (or hub:OWNER/NAME, plt, clt)", found=repr(folder))
        places.append(found)
    if to is not None and out is not None:
        write_as(out, joined([read_dictionaries(place) for place in places]), to)
        places, done["written"] = [out], str(out)
    if upload is not None:
        done["uploaded"] = upload_dictionaries(places[0], upload)
    return done
