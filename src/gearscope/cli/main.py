"""`gearscope`: the application, and how its errors become one sentence and an exit code."""

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

import gearscope.cli.attention as attention_commands
import gearscope.cli.average as average_commands
import gearscope.cli.dictionary as dictionary_commands
import gearscope.cli.diff as diff_commands
import gearscope.cli.explain as explain_commands
import gearscope.cli.group as group_commands
import gearscope.cli.intervene as intervene_commands
import gearscope.cli.label as label_commands
import gearscope.cli.library as library_commands
import gearscope.cli.organism as organism_commands
import gearscope.cli.page as page_commands
import gearscope.cli.planted as planted_commands
import gearscope.cli.trace as trace_commands
import gearscope.cli.train as train_commands
import gearscope.cli.weights as weights_commands
from gearscope.artifact import package_versions
from gearscope.cli.exits import INTERRUPTED, USER_ERROR, say_interrupted
from gearscope.errors import GearscopeError

app = typer.Typer(
    name="gearscope",
    help="An open microscope for language models. Without --model, it looks into the bundled organism.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(page_commands.demo)
app.command("trace")(trace_commands.trace)
app.command("average")(average_commands.average)
app.command("show")(trace_commands.show)
app.command("attention")(attention_commands.attention)
app.command("intervene")(intervene_commands.intervene)
app.command("group")(group_commands.group)
app.command("weights")(weights_commands.weights)
app.command("serve")(page_commands.serve)
app.command("train")(train_commands.train)
app.command("harvest")(train_commands.harvest)
app.command("dictionary")(dictionary_commands.dictionary)
app.command("label")(label_commands.label)
app.command("explain")(explain_commands.explain)
app.command("diff")(diff_commands.diff)
app.command("planted")(planted_commands.planted)
app.command("features")(library_commands.features)
app.add_typer(library_commands.app, name="library")
app.add_typer(organism_commands.app, name="organism")


def _version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(f"gearscope {package_versions().get('gearscope', '(not installed)')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = None,
) -> None:
    # Waiting threads that spin make a shared machine several times slower; read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run() -> None:
    """Run the application and turn every outcome into an exit code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command line and return its exit code. A user's mistake is one sentence on stderr, never a traceback."""
    try:
        result = app(arguments, standalone_mode=False)
    except TyperException as mistake:
        print(f"gearscope: {mistake.format_message()} See `gearscope --help`.", file=sys.stderr)
        return USER_ERROR
    except GearscopeError as mistake:
        print(f"gearscope: {mistake}", file=sys.stderr)
        return USER_ERROR
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED
    # typer turns Ctrl-C inside a command into this number
    if result == INTERRUPTED:
        return say_interrupted()
    return result if isinstance(result, int) else 0
