"""Opening again what a stored graph was traced with."""

from typing import TYPE_CHECKING, Annotated

import typer

from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph

if TYPE_CHECKING:
    from gearscope.workbench import Workbench

Model = Annotated[str | None, typer.Option("--model", help="Instead of the model named in the graph.")]
Basis = Annotated[str | None, typer.Option("--basis", help="Instead of the basis named in the graph.")]


def named_in(graph: AttributionGraph) -> tuple[str | None, str]:
    """The model (None for the organism) and the basis that the graph says it was traced with."""
    opened = graph.details.get("opened")
    names = opened if isinstance(opened, dict) else {"model": graph.model, "basis": graph.basis}
    model, basis = str(names.get("model")), str(names.get("basis"))
    if not isinstance(opened, dict) and not basis.startswith("neurons"):
        hint = "add --model and --basis"
        raise ConfigError("a graph that says how its basis is opened was expected", found=basis, hint=hint)
    return None if model == "organism" else model, basis


def reopened(
    graph: AttributionGraph, model: str | None, basis: str | None, *, device: str, dtype: str, revision: str | None
) -> "Workbench":
    """A workbench for the graph; a model or basis that is given goes before the one named in the graph."""
    named_model, named_basis = named_in(graph)
    # Imported here so that --help never loads torch.
    from gearscope.workbench import Workbench

    return Workbench.open(
        model=model if model is not None else named_model,
        basis=basis if basis is not None else named_basis,
        device=device,
        dtype=dtype,
        revision=revision,
    )
