"""Options that several commands share, with one wording each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph

if TYPE_CHECKING:
    from gearscope.workbench import Workbench


class BenchOptions(NamedTuple):
    """How a stored graph's model and basis are opened."""

    model: str | None
    basis: str | None
    device: str
    dtype: str
    revision: str | None

    def open_for(self, graph: AttributionGraph) -> "Workbench":
        """The model and basis that the graph says it was traced with, or those that were named instead."""
        model, basis = self.model, self.basis
        if model is None or basis is None:
            named_model, named_basis = _named(graph, basis)
            model, basis = named_model if model is None else model, named_basis if basis is None else basis
        # Imported here so that --help never loads torch.
        from gearscope.workbench import Workbench

        return Workbench.open(model=model, basis=basis, device=self.device, dtype=self.dtype, revision=self.revision)


def _named(graph: AttributionGraph, given: str | None) -> tuple[str | None, str]:
    """The model (None for the organism) and the basis that the graph says it was traced with."""
    opened = graph.details.get("opened")
    names = opened if isinstance(opened, dict) else {"model": graph.model, "basis": graph.basis}
    model, basis = str(names.get("model")), str(names.get("basis"))
    if given is None and not isinstance(opened, dict) and not basis.startswith("neurons"):
        hint = "add --model and --basis"
        raise ConfigError("a graph that says how its basis is opened was expected", found=basis, hint=hint)
    return None if model == "organism" else model, basis


Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="HuggingFace name or directory; the bundled organism by default, its twins and versions as "
        "organism:twins/NAME and organism:versions/NAME.",
    ),
]
Basis = Annotated[
    str,
    typer.Option(
        "--basis",
        help="What the MLPs are rewritten in: neurons (all of them, or the 64 that write most per token and layer in a "
        "large model), neurons:all, neurons:N, plt or clt (the bundled model's own transcoders, per layer or across "
        "layers), a folder of transcoders or SAEs in any known format (ours, circuit-tracer's, SAELens', sparsify's, "
        "dictionary_learning's, Gemma Scope's), or hub:OWNER/NAME or hub:OWNER/NAME/FOLDER on the HuggingFace hub.",
    ),
]
OtherModel = Annotated[str | None, typer.Option("--model", help="Instead of the model named in the graph.")]
OtherBasis = Annotated[str | None, typer.Option("--basis", help="Instead of the basis named in the graph.")]
SomeBases = Annotated[
    list[str] | None,
    typer.Option("--basis", help="neurons, plt, clt or a folder; can be repeated.", show_default="these three"),
]
Device = Annotated[str, typer.Option("--device", help="Where the model runs, for instance cpu or cuda.")]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        "--device-map",
        help="Instead of --device: spread the layers over several devices (auto, balanced, sequential, or devices by "
        "module as JSON); needs accelerate.",
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        help="Store no entries below this share of their row; for long prompts 0.0001 by default, else 0.",
    ),
]
Memory = Annotated[float | None, typer.Option("--memory", help="GiB that may be taken; by default what is free.")]
Dtype = Annotated[str, typer.Option("--dtype", help="float32 or float64 on CPUs; bfloat16 is slow there.")]
Revision = Annotated[
    str | None,
    typer.Option("--revision", help="Branch, tag or commit of a model on the hub; pinned when it is loaded."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]


def library_folder(folder: Path) -> Path:
    """The bundled model's library by its name, unpacked at the first call."""
    from gearscope.features.archive import unpacked
    from gearscope.organism.bundle import shipped_library

    return unpacked(shipped_library()) if str(folder) == BUNDLED else folder


BUNDLED = "organism"
Library = Annotated[
    Path,
    typer.Argument(
        help=f"A folder that `gearscope library build` wrote, or `{BUNDLED}`: the bundled model's, labelled.",
        callback=library_folder,
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Where the result is written.")]
