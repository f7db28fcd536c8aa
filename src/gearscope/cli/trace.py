"""`trace` and `show`: from a prompt to a circuit, and from a circuit to text."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gearscope.artifact import write_text
from gearscope.cli import options
from gearscope.cli.bases import Bases, compare
from gearscope.cli.progress import status_line
from gearscope.errors import ArtifactError, ConfigError, PromptError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.opened import read_opened
from gearscope.graph.picture import draw
from gearscope.graph.schema import about_bytes, to_json
from gearscope.graph.store import read_graph, write_graph
from gearscope.graph.text import describe, describe_node
from gearscope.interventions.validation import read_validation
from gearscope.interventions.validation_text import describe_validation

if TYPE_CHECKING:
    from gearscope.workbench import Workbench


TargetToken = Annotated[str | None, typer.Option("--target", help="A token to explain, instead of the likely ones.")]
NodeThreshold = Annotated[
    float, typer.Option("--node-threshold", help="Keep the strongest nodes that hold this share of the influence.")
]
TargetFeature = Annotated[
    str | None, typer.Option("--target-feature", help="A feature to explain: LAYER/INDEX@POSITION.")
]
TargetProbe = Annotated[
    Path | None,
    typer.Option("--target-probe", help="A safetensors file with `direction` and, as metadata, its `site`."),
]
Position = Annotated[
    int | None, typer.Option("--position", help="Explain what follows this position; the last by default.")
]
MaxFeatures = Annotated[
    int | None, typer.Option("--max-features", help="Expand at most so many features, in order of influence.")
]
Coverage = Annotated[
    float, typer.Option("--coverage", help="Expand features until this share of the influence is explained.")
]
OpenErrors = Annotated[
    int, typer.Option("--open-errors", min=0, help="Open so many of its strongest error nodes into neurons.")
]
Prompts = Annotated[
    Path | None, typer.Option("--prompts", help="--basis all: a file of prompts, one a line, instead of PROMPT.")
]


def trace(
    prompt: Annotated[str | None, typer.Argument(help="The text to look into.")] = None,
    model: options.Model = None,
    basis: options.Basis = "neurons",
    target: TargetToken = None,
    against: Annotated[str | None, typer.Option("--against", help="Explain --target minus this token.")] = None,
    target_feature: TargetFeature = None,
    target_probe: TargetProbe = None,
    position: Position = None,
    max_features: MaxFeatures = None,
    coverage: Coverage = 0.95,
    tolerance: options.Tolerance = None,
    memory: options.Memory = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put the prompt into the model's chat template.")] = False,
    node_threshold: NodeThreshold = 0.8,
    edge_threshold: Annotated[float, typer.Option("--edge-threshold", help="The same for edges.")] = 0.98,
    everything: Annotated[bool, typer.Option("--all", help="Do not prune.")] = False,
    open_errors: OpenErrors = 0,
    prompts: Prompts = None,
    out: options.Out = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    device_map: options.DeviceMap = None,
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Trace what a model writes after PROMPT back to its tokens, and print or store the circuit.

    With `--basis all`, the bundled model's bases side by side instead: which of them to trust.
    """
    settings: dict[str, Any] = {
        **{"target": target, "against": against, "target_feature": target_feature, "target_probe": target_probe},
        **{"position": position, "max_features": max_features, "coverage": coverage, "tolerance": tolerance},
        **{"memory": memory, "chat": chat, "node_threshold": node_threshold, "edge_threshold": edge_threshold},
        **{"everything": everything, "open_errors": open_errors},
    }
    if basis == "all":
        asked = Bases(prompt, prompts, model, device, dtype, revision, out, as_json)
        compare(asked, _chosen(settings | {"device_map": device_map}))
        return
    if prompts is not None or prompt is None:
        found = "--prompts without --basis all" if prompts is not None else "none"
        raise PromptError("one PROMPT was expected", found=found)
    bench = open_bench(model, basis, device, dtype, revision, device_map)
    with status_line("tracing") as progress:
        graph = bench.trace(prompt, **settings, progress=progress)
    report(graph, out, as_json)
    if open_errors and not as_json:
        ids = list(read_opened(graph))
        hint = "none: this graph has no error nodes; --all keeps them" if not ids else ", ".join(ids)
        typer.echo(f"\nerrors opened into neurons: {hint}")


_DEFAULTS = {"coverage": 0.95, "node_threshold": 0.8, "edge_threshold": 0.98}


def _chosen(settings: Mapping[str, Any]) -> list[str]:
    """The options that were given, by their names."""
    given = [name for name, value in settings.items() if value not in (None, False, 0, _DEFAULTS.get(name))]
    return ["--all" if name == "everything" else "--" + name.replace("_", "-") for name in given]


def show(
    graph: Annotated[Path, typer.Argument(help="A graph file: ours, circuit-tracer's or Neuronpedia's.")],
    node: Annotated[str | None, typer.Option("--node", help="Only this node: its id or LAYER/INDEX@POSITION.")] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Draw the circuit into this file, instead of printing it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the circuit into this file, instead of printing it.")
    ] = None,
    older: Annotated[
        bool, typer.Option("--older", help="With --out: in the older form of the public format, without our own table.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Print a stored circuit as text, draw it, or write it anew. Needs neither the model nor torch."""
    circuit = read_graph(graph)
    if out is not None or older:
        _rewrite(circuit, graph, node, svg, out, older, as_json)
        return
    if svg is not None:
        _draw(circuit, graph, node, svg, as_json)
        return
    if node is None:
        validation = read_validation(circuit)
        said = "\n\n".join([describe(circuit), *([describe_validation(validation)] if validation is not None else [])])
    else:
        said = describe_node(circuit, circuit.find(node))
    typer.echo(json.dumps(to_json(circuit, graph.stem)) if as_json else said)


def _rewrite(
    circuit: AttributionGraph,
    graph: Path,
    node: str | None,
    svg: Path | None,
    out: Path | None,
    older: bool,
    as_json: bool,
) -> None:
    if out is None:
        raise ConfigError("--older needs a file to write", found="none", hint="add --out FILE")
    if node is not None or svg is not None:
        raise ConfigError("--out writes the whole circuit", found="--node or --svg as well", hint="leave it out")
    if not out.name or out.is_dir():
        raise ArtifactError("--out should name the file to write", found=f"a folder ({out})")
    if out.exists() and out.samefile(graph):
        raise ArtifactError("--out should name another file than the graph", found=str(out))
    write_graph(out, circuit, older=older)
    typer.echo(json.dumps({"graph": str(out)}) if as_json else f"written to {out}")


def _draw(circuit: AttributionGraph, graph: Path, node: str | None, svg: Path, as_json: bool) -> None:
    if node is not None:
        raise ConfigError("--svg draws the whole circuit", found="--node as well", hint="leave one of them out")
    if not svg.name or svg.is_dir():
        raise ArtifactError("--svg should name the file to draw into", found=f"a folder ({svg})")
    if svg.exists() and svg.samefile(graph):
        raise ArtifactError("--svg should name another file than the graph", found=str(svg))
    write_text(svg, draw(circuit))
    typer.echo(json.dumps({"svg": str(svg)}) if as_json else f"drawn into {svg}")


def open_bench(
    model: str | None, basis: str, device: str, dtype: str, revision: str | None, device_map: str | None = None
) -> "Workbench":
    """The workbench of a command's options."""
    # Imported here so that --help and `show` never load torch.
    from gearscope.workbench import Workbench

    return Workbench.open(
        model=model, basis=basis, device=device, device_map=device_map, dtype=dtype, revision=revision
    )


def report(
    graph: AttributionGraph,
    out: Path | None,
    as_json: bool,
    described: Callable[[AttributionGraph], str] = describe,
) -> None:
    """Store the circuit where it was asked for, and print it."""
    if out is not None or as_json:
        _warn_of_size(graph)
    if out is not None:
        write_graph(out, graph)
    if as_json:
        written = {"graph": str(out), "nodes": len(graph.nodes), "edges": graph.adjacency.nnz}
        typer.echo(json.dumps(to_json(graph, "graph") if out is None else written))
        return
    typer.echo(described(graph))
    if out is not None:
        typer.echo(f"\nwritten to {out}; read it again with `gearscope show {out}`")


_LARGE = 100_000_000
"""Bytes of a graph that public viewers no longer take."""


def _warn_of_size(graph: AttributionGraph) -> None:
    """Say on stderr that the file will be very large, before it is written."""
    size = about_bytes(graph)
    if size < _LARGE:
        return
    pruned = graph.thresholds
    way_out = "leave out --all" if pruned is None else f"give a --node-threshold below {pruned[0]:g}"
    edges = f"{len(graph.nodes):,} nodes and {graph.adjacency.nnz:,} edges"
    typer.echo(f"gearscope: about {size / 1e6:,.0f} MB of JSON, {edges}; for less, {way_out}", err=True)
