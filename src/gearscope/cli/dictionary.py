"""`dictionary`: measure a folder of dictionaries, write it in another format, or put it on the hub."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.train import table
from gearscope.errors import ConfigError

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
    to: Annotated[
        str | None, typer.Option("--to", help=f"Write it in another format instead, into --out: {FORMATS}.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The new folder for --to.")] = None,
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

    With --to or --upload, write it in another format, or put it on the HuggingFace hub.
    """
    if (to is None) != (out is None):
        raise ConfigError("--to FORMAT and --out DIR go together", found="one of them", hint="give both, or none")
    if to is not None or upload is not None:
        done = _pass_on(folder, to, out, upload)
        typer.echo(json.dumps(done) if as_json else "\n".join(f"{name} {place}" for name, place in done.items()))
        return
    # Imported here so that --help never loads torch.
    from gearscope.recipes.again import measure_again
    from gearscope.recipes.train import Opening

    report = measure_again(folder, model, corpus, tokens=tokens, opening=Opening(device, dtype, revision))
    typer.echo(json.dumps(report.model_dump(mode="json")) if as_json else table(report))


def _pass_on(folder: str, to: str | None, out: Path | None, upload: str | None) -> dict[str, str]:
    """Write and upload; where it is now, by what was done."""
    from gearscope.dictionaries.store import read_dictionaries, upload_dictionaries, write_as
    from gearscope.workbench import basis_folder

    found, done = basis_folder(folder), {}
    if found is None:
        raise ConfigError("a folder of dictionaries was expected (or hub:OWNER/NAME, plt, clt)", found=repr(folder))
    if to is not None and out is not None:
        write_as(out, read_dictionaries(found), to)
        found, done["written"] = out, str(out)
    if upload is not None:
        done["uploaded"] = upload_dictionaries(found, upload)
    return done
