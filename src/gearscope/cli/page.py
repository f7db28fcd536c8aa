"""`demo` and `serve`: circuits in the browser. The page is local, and opens without torch."""

import json
import os
import sys
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from gearscope.artifact import unwritable
from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.cli.trace import open_bench, report
from gearscope.errors import ArtifactError, GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.store import read_graph, write_graph

DEMO_PROMPT = "calc : 36 + 59 ="
DEMO_NAME = "demo-36-plus-59"

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the page; a free one by default.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address only.")]


def demo(
    once: Annotated[bool, typer.Option("--once", help="Print the circuit and stop.")] = False,
    port: Port = 0,
    no_browser: NoBrowser = False,
    as_json: options.Json = False,
) -> None:
    """Trace `calc : 36 + 59 =` on the bundled organism, print its circuit, and open it in the browser."""
    bench = open_bench(None, "neurons", "cpu", "float32", None)
    with status_line("tracing") as progress:
        graph = bench.trace(DEMO_PROMPT, progress=progress)
    if once or as_json:
        report(graph, None, as_json)
        return
    report(graph, None, as_json=False)
    place = _user_folder()
    typer.echo(f"\nstored as {_kept(graph, place)}")
    serve(place, port=port, no_browser=no_browser)


def serve(
    source: Annotated[
        Path | None, typer.Argument(metavar="[DIR|GRAPH]", help="A folder of graph files, or one; your own by default.")
    ] = None,
    port: Port = 0,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; this machine alone by default.")
    ] = "127.0.0.1",
    model: options.Model = None,
    basis: options.Basis = "neurons",
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
    no_browser: NoBrowser = False,
    as_json: options.Json = False,
) -> None:
    """Show stored circuits in the browser, and trace new ones with --model. Ctrl-C stops."""
    # Imported here so that other commands start without a web framework.
    from gearscope.web.config import EngineConfig, ServeConfig
    from gearscope.web.server import is_loopback
    from gearscope.web.server import serve as run

    if source is None:
        source = _user_folder()
    engine = EngineConfig.of(model=model, basis=basis, device=device, dtype=dtype, revision=revision)
    config = ServeConfig.of(source=source, host=host, port=port, engine=engine)

    def announce(address: str) -> None:
        if as_json:
            typer.echo(json.dumps({"url": address, "serves": str(source)}))
        else:
            typer.echo(f"the page is at {address}\nCtrl-C stops it")
        sys.stdout.flush()
        if not is_loopback(host):
            typer.echo("gearscope: other machines can reach this address; whoever has the token can use it", err=True)
        if not (no_browser or as_json):
            _open_browser(address)

    run(config, announce)


def _user_folder() -> Path:
    from gearscope.web.config import data_folder

    place = data_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(place, error) from error
    return place


def _kept(graph: AttributionGraph, place: Path) -> Path:
    """Store the demo's circuit, unless it lies there already, perhaps with a person's pins and labels."""
    path = place / f"{DEMO_NAME}.json"
    for number in range(2, 1000):
        if not path.exists():
            write_graph(path, graph)
            return path
        with suppress(GraphError):
            if _inputs_of(read_graph(path)) == _inputs_of(graph):
                return path
        path = place / f"{DEMO_NAME}-{number}.json"
    raise ArtifactError(f"a free name for the demo's circuit was expected in {place}", found="a thousand of them")


def _inputs_of(graph: AttributionGraph) -> object:
    """What a circuit was made of: fingerprints of model, prompt and basis, and the settings."""
    certificate = graph.details.get("certificate")
    return {k: certificate.get(k) for k in ("inputs", "config")} if isinstance(certificate, dict) else graph


def _open_browser(address: str) -> None:
    """Show the page where there is a desktop; a browser that does not start must not stop the server."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
