"""`attention`: which heads carry a stored circuit, and why one of them looks where it does."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.errors import ConfigError, TargetError
from gearscope.graph.qk import with_score
from gearscope.graph.qk_text import describe_looks, describe_score
from gearscope.graph.store import read_graph, write_graph


def attention(
    graph: Annotated[Path, typer.Argument(help="A graph file, as `gearscope trace --out` writes it.")],
    head: Annotated[
        str | None,
        typer.Option("--head", help="The head, as LAYER.HEAD; without it, the heads that carry most are listed."),
    ] = None,
    query: Annotated[
        int | None, typer.Option("--query", help="The position that looks; negative ones count from the end.")
    ] = None,
    key: Annotated[int | None, typer.Option("--key", help="The position that is looked at.")] = None,
    against: Annotated[
        int | None, typer.Option("--against", help="Another position: why --key and not this one.")
    ] = None,
    model: options.OtherModel = None,
    basis: options.OtherBasis = None,
    out: options.Out = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Why an attention head of GRAPH looks where it does: its score as a sum over pairs of nodes."""
    circuit = read_graph(graph)
    asked = _asked(head, query, key, against, out)
    opening = options.BenchOptions(model=model, basis=basis, device=device, dtype=dtype, revision=revision)
    with status_line("looking at heads") as progress:
        progress("opening the model", 0)
        bench = opening.open_for(circuit)
        looks = bench.looks(circuit) if asked is None else []
        found = None if asked is None else bench.attention(circuit, *asked)
    if found is None:
        rows = [look._asdict() | {"edge": [circuit.nodes.ids[node] for node in look.edge]} for look in looks]
        typer.echo(json.dumps(rows) if as_json else describe_looks(circuit, looks))
        return
    if out is not None:
        write_graph(out, with_score(circuit, found))
    typer.echo(json.dumps(found.to_json()) if as_json else describe_score(found, circuit.tokens))
    if out is not None and not as_json:
        typer.echo(f"\nwritten to {out}, with the circuit")


def _asked(
    head: str | None, query: int | None, key: int | None, against: int | None, out: Path | None
) -> tuple[int, int, int, int, int | None] | None:
    """What the options ask: layer, head, query, key, against; None for a list of heads."""
    if head is None:
        if any(option is not None for option in (query, key, against, out)):
            raise ConfigError("--query, --key, --against and --out belong to one head", found="no --head")
        return None
    layer, dot, number = head.partition(".")
    if not dot or not layer.isdecimal() or not number.isdecimal():
        raise TargetError("a head as LAYER.HEAD was expected", found=repr(head), hint="for instance --head 1.2")
    if query is None or key is None:
        raise ConfigError("--head needs a --query and a --key", found="only one of them" if query != key else "neither")
    return int(layer), int(number), query, key, against
