"""`intervene`: edits of a stored graph's nodes, predicted, measured, beside a control; or a whole graph put to test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gearscope.artifact import write_text
from gearscope.cli import options
from gearscope.cli.progress import status_line
from gearscope.cli.prove import ACTIONS, Proof, prove
from gearscope.errors import ConfigError
from gearscope.graph.store import read_graph
from gearscope.interventions.config import InterventionConfig
from gearscope.interventions.edits import parse_edits
from gearscope.interventions.text import describe_intervention

Edits = Annotated[
    list[str] | None,
    typer.Option(
        "--edit",
        help="'L/F@P*0' (ablate), '*2', '=3.1', '=2max', '+1.5', the same with 'supernode:NAME', or "
        "'swap:NAME<-other.json:NAME'. Repeatable: all edits are made together.",
    ),
]
Validate = Annotated[
    bool,
    typer.Option(
        "--validate",
        help="Ablate (to zero, and to values of other runs) and double every supernode by a plan fixed before; "
        "the table goes into the graph file, or into --out.",
    ),
]
Redundancy = Annotated[
    bool, typer.Option("--redundancy", help="Hold growing shares of the features at 0: what survives?")
]
Gates = Annotated[bool, typer.Option("--gates", help="Find what holds another answer down, one ablation away.")]
Reference = Annotated[
    Path | None,
    typer.Option("--reference", help="--validate: a file of other prompts, one a line, to take values from."),
]
Top = Annotated[
    int | None,
    typer.Option("--top", help="--validate: features that are edited where there are no supernodes (30)."),
]
Svg = Annotated[Path | None, typer.Option("--svg", help="--redundancy: draw what survives into this file.")]
Mode = Annotated[
    str | None, typer.Option("--mode", help="direct (all frozen), constrained (MLPs held up to a layer), or free.")
]
FreezeTo = Annotated[
    int | None,
    typer.Option("--freeze-to", help="constrained: the last layer held; the last edited one by default."),
]
HoldNorms = Annotated[bool, typer.Option("--hold-norms", help="constrained: hold norm scales too, as the graph does.")]
Generate = Annotated[int, typer.Option("--generate", help="Also write so many tokens, before and after.")]
Controls = Annotated[
    int | None,
    typer.Option("--controls", help="Random draws that the control is averaged over (8; for --validate 4)."),
]


def intervene(
    graph: Annotated[Path, typer.Argument(help="A graph file, as `gearscope trace --out` writes it.")],
    edit: Edits = None,
    validate: Validate = False,
    redundancy: Redundancy = False,
    gates: Gates = False,
    reference: Reference = None,
    top: Top = None,
    svg: Svg = None,
    mode: Mode = None,
    freeze_to: FreezeTo = None,
    hold_norms: HoldNorms = False,
    generate: Generate = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random control.")] = 0,
    controls: Controls = None,
    model: options.OtherModel = None,
    basis: options.OtherBasis = None,
    out: options.Out = None,
    as_json: options.Json = False,
    device: options.Device = "cpu",
    dtype: options.Dtype = "float32",
    revision: options.Revision = None,
) -> None:
    """Edit nodes of GRAPH and compare what it predicts with what the model does, or put the whole graph to test."""
    asked = {"--edit": bool(edit), "--validate": validate, "--redundancy": redundancy, "--gates": gates}
    action = _action(asked)
    edit_only = {"--mode": mode, "--freeze-to": freeze_to, "--hold-norms": hold_norms, "--generate": generate}
    _refuse_unused(action, edit_only | {"--reference": reference, "--top": top, "--svg": svg, "--controls": controls})
    circuit = read_graph(graph)
    bench = options.BenchOptions(model=model, basis=basis, device=device, dtype=dtype, revision=revision)
    if action in ACTIONS:
        given = {"top": top, "controls": controls, "seed": seed}
        settings = {name: value for name, value in given.items() if value is not None}
        prove(Proof(action, graph, circuit, settings, reference, svg, out, as_json), bench)
        return
    edits = parse_edits(edit or ())
    choices: dict[str, Any] = {
        "mode": "constrained" if mode is None else mode,
        "freeze_to": freeze_to,
        "hold_norms": hold_norms,
        "generate": generate,
        "seed": seed,
        "controls": 8 if controls is None else controls,
    }
    InterventionConfig.of(**choices)  # before the model is opened
    with status_line("intervening") as progress:
        progress("opening the model", 0)
        result = bench.open_for(circuit).intervene(circuit, edits, **choices)
    if out is not None:
        write_text(out, result.to_json() + "\n")
    typer.echo(result.to_json() if as_json else describe_intervention(result))


def _action(asked: dict[str, bool]) -> str:
    """The one thing that was asked for."""
    chosen = [name for name, wanted in asked.items() if wanted]
    if len(chosen) != 1:
        raise ConfigError(f"one of {', '.join(asked)} was expected", found=" and ".join(chosen) or "none of them")
    return chosen[0]


_USED: dict[str, Sequence[str]] = {
    "--edit": ("--mode", "--freeze-to", "--hold-norms", "--generate", "--controls"),
    "--validate": ("--reference", "--top", "--controls"),
    "--redundancy": ("--svg",),
    "--gates": (),
}


def _refuse_unused(action: str, given: dict[str, Any]) -> None:
    """An option that would do nothing is a mistake."""
    unused = [name for name, value in given.items() if value not in (None, False, 0) and name not in _USED[action]]
    if unused:
        raise ConfigError(f"options that {action} uses were expected", found=", ".join(unused))
