"""What an interchange map says, in words and as a bar: computed from the map, never written beside it. No torch.

    claim       where the variable is carried, layer by layer, and whether that is where the design expects it
    planning    whether a plan is carried by one place alone: the bar of causal planning

A place carries a variable where the swap moves at least half of the pairs. It knows nothing about how maps are
measured.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from gearscope.organism.truth.maps import InterchangeMap

CARRIED = 0.5
"""Share of the pairs that a swap must move for its place to carry the variable."""
PLANNED = 0.9
"""Share that a swap at the place of a plan must move, once the plan is there."""
ELSEWHERE = 0.1
"""Share that a swap at any place before it may move from then on."""


def carriers(table: InterchangeMap, layer: int) -> tuple[int, ...]:
    """The positions that carry the variable at a layer."""
    return tuple(position for position in range(len(table.roles)) if table.moves(layer, position) >= CARRIED)


def claim(table: InterchangeMap) -> str:
    """One line: where the variable is carried after how many blocks, and what the design expected."""
    if not table.counted:
        return f"{table.title}: nothing to say, the model continues no pair of prompts rightly"
    runs = [(places, list(layers)) for places, layers in groupby(table.layers, lambda layer: carriers(table, layer))]
    design = _design(table)
    return f"{table.title}: {', '.join(_run(table, *run) for run in runs)}" + (f"; {design}" if design else "")


def _run(table: InterchangeMap, places: tuple[int, ...], layers: list[int]) -> str:
    """Layers in a row that have the same carriers."""
    if places:
        return f"{_span(*layers)} at {' and '.join(table.roles[place] for place in places)}"
    share, place = max(
        (table.moves(layer, place), -place) for layer in layers for place in range(table.first, len(table.roles))
    )
    most = f" (at most {share:.0%}, {table.roles[-place]})" if share else ""
    return f"{_span(*layers)} at no single position{most}"


def _span(first: int, *rest: int) -> str:
    """Layers in a row as words."""
    last = rest[-1] if rest else first
    if last == 0:
        return "in the embeddings"
    blocks = "1 block" if last == 1 else f"{last} blocks"
    if first == 0:
        return f"up to {blocks}"
    return f"after {blocks}" if first == last else f"after {first} to {blocks}"


def _design(table: InterchangeMap) -> str:
    """Compares the carriers with the roles that the design intends, the last layer aside: it holds nothing but the end.

    Where the words themselves differ, and the end of the prompt, are places that every variable passes.
    """
    inner = table.layers[:-1]
    passed = {*carriers(table, 0), len(table.roles) - 1}
    said = []
    for place, role in enumerate(table.roles):
        layers = [layer for layer in inner if table.moves(layer, place) >= CARRIED]
        expected = role in table.intended
        if expected and not layers:
            most = max(table.moves(layer, place) for layer in inner)
            said.append(f"the design expects it at {role}, which moves at most {most:.0%}")
        elif expected:
            said.append(f"at {role} as designed" + (", in the embeddings alone" if layers == [0] else ""))
        elif layers and place not in passed:
            said.append(f"at {role}, which the design does not expect")
    return ", ".join(said)


class Planning(NamedTuple):
    """Whether a plan stands at one place alone, and the figures that decide it."""

    layer: int
    """The first layer at which it does; otherwise the layer that comes nearest."""
    at_place: float
    """Share of the pairs that a swap at the place moves there."""
    elsewhere: float
    """The largest share that a swap at another place before it moves there."""
    where: str
    """The role of that other place."""

    @property
    def holds(self) -> bool:
        """Both bars are met."""
        return self.at_place >= PLANNED and self.elsewhere <= ELSEWHERE


def planning(table: InterchangeMap, place: str) -> Planning:
    """Whether from some layer on the role `place` (a line break) carries the variable and no position before it does.

    Positions after `place` are free: the plan has to leave it some time.
    """
    stop = table.roles.index(place)
    found = []
    for layer in table.layers:
        elsewhere, other = max(((table.moves(layer, i), -i) for i in range(stop)), default=(0.0, 0))
        found.append(Planning(layer, table.moves(layer, stop), elsewhere, table.roles[-other]))
    nearest = max(found, key=lambda one: min(one.at_place / PLANNED - 1, ELSEWHERE - one.elsewhere))
    return next((one for one in found if one.holds), nearest)


PLAN, PLACE = "rhyme/rhyme", "break"
"""The variable that must be planned, and where."""


def missed_planning(tables: Iterable[InterchangeMap]) -> list[str]:
    """A phrase when the rhyme is not planned at the line break, or was not measured; nothing when it is."""
    table = next((table for table in tables if table.title == PLAN), None)
    if table is None:
        return ["planning not measured"]
    found = planning(table, PLACE)
    if found.holds:
        return []
    return [
        f"planning: after {found.layer} blocks a swap at the {PLACE} moves {found.at_place:.1%} of the last words (bar "
        f"{PLANNED:.0%}) and one at {found.where} {found.elsewhere:.1%} (at most {ELSEWHERE:.0%})"
    ]
