"""Interchange maps on the terminal and as pictures, for `organism verify`."""

from collections.abc import Sequence
from pathlib import Path

import typer

from gearscope.artifact import write_text
from gearscope.errors import ConfigError
from gearscope.organism.truth.claims import claim
from gearscope.organism.truth.maps import InterchangeMap
from gearscope.organism.truth.picture import draw
from gearscope.organism.truth.registry import VARIABLES
from gearscope.organism.truth.text import table_text

ALL = "all"


def check_names(names: Sequence[str]) -> None:
    """A name is a variable (`two_hops/state`), a phenomenon (`two_hops`) or `all`. Raises ConfigError for any other."""
    known = {ALL, *(variable.title for variable in VARIABLES), *(variable.phenomenon for variable in VARIABLES)}
    for name in names:
        if name not in known:
            hint = f"one of {', '.join(sorted(known))}"
            raise ConfigError("a variable or a phenomenon with an interchange map was expected", found=name, hint=hint)


def print_maps(maps: Sequence[InterchangeMap], names: Sequence[str] = ()) -> None:
    """What every map says, a line each, then the tables of the named ones."""
    for table in maps:
        typer.echo(claim(table))
    for table in chosen_maps(maps, names):
        typer.echo(f"\n{table_text(table)}")


def write_pictures(maps: Sequence[InterchangeMap], folder: Path) -> list[Path]:
    """One SVG file per map; returns their paths."""
    paths = []
    for table in maps:
        paths.append(folder / f"{table.phenomenon}-{table.name}.svg")
        write_text(paths[-1], draw(table))
    return paths


def chosen_maps(maps: Sequence[InterchangeMap], names: Sequence[str]) -> list[InterchangeMap]:
    """The maps that some names stand for, in the order of the maps."""
    return [table for table in maps if {ALL, table.phenomenon, table.title} & set(names)]
