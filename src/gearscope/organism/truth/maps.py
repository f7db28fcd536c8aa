"""A measured interchange map as data: for each layer and position, how many swaps did what. No torch.

    layer       how many blocks stand below the swap: 0 is the embedding of the word, n_layers the end of the model
    moved       the next word is one that the variable of the source asks for
    kept        it is still one that the variable of the base asks for; the rest is neither
    control     the state comes from a prompt that does not have the value of the source, and the next word is one that
                the source asks for: what `moved` would be by chance
    whole       the states of all positions come from the source, and the next word is right for the source: must be all

Only pairs count whose two prompts the model continues rightly without any swap. It knows nothing about how a map is
measured or drawn.
"""

from pydantic import Field, model_validator

from gearscope.config import Config

Rows = tuple[tuple[int, ...], ...]
TOLERANCE = 0.03
"""Shares of a map may differ by this much when measured again: near ties fall either way on another processor."""


class InterchangeMap(Config):
    """One variable's map: counts by layer, then by position from `first` on."""

    phenomenon: str
    name: str
    roles: tuple[str, ...]
    """Name of each position of the prompts."""
    intended: tuple[str, ...]
    """Roles at which the design of the text expects the variable."""
    asked: int = Field(ge=0)
    """Pairs of prompts."""
    base_right: int = Field(ge=0)
    """Pairs whose base the model continues rightly."""
    source_right: int = Field(ge=0)
    """Pairs whose source the model continues rightly."""
    counted: int = Field(ge=0)
    """Pairs of which it continues both rightly: those that are swapped."""
    controlled: int = Field(ge=0)
    """Pairs among them for which there is a control."""
    first: int = Field(ge=0)
    """The first position at which base and source differ in any pair. Before it there is nothing to swap."""
    moved: Rows
    kept: Rows
    control: Rows
    whole: tuple[int, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> "InterchangeMap":
        shape = (len(self.whole), len(self.roles) - self.first)
        for rows, most in ((self.moved, self.counted), (self.kept, self.counted), (self.control, self.controlled)):
            if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
                raise ValueError(f"{shape[0]} rows of {shape[1]} counts were expected")
            if any(not 0 <= count <= most for row in rows for count in row):
                raise ValueError(f"counts between 0 and {most} were expected")
        if any(not 0 <= count <= self.counted for count in self.whole):
            raise ValueError(f"counts between 0 and {self.counted} were expected")
        if any(self.roles.count(role) != 1 for role in self.intended):
            raise ValueError("an intended role names one position")
        right = (self.base_right, self.source_right)
        if not (self.controlled <= self.counted <= min(right) and max(right) <= self.asked):
            raise ValueError("no more pairs count than are continued rightly")
        return self

    @property
    def title(self) -> str:
        """Phenomenon and name, as a map is asked for."""
        return f"{self.phenomenon}/{self.name}"

    @property
    def layers(self) -> range:
        """How many blocks may stand below a swap."""
        return range(len(self.whole))

    def moves(self, layer: int, position: int) -> float:
        """Share of the pairs whose next word the swap at a place moves as the variable says; 0 where none count."""
        return self._share(self.moved, self.counted, layer, position)

    def keeps(self, layer: int, position: int) -> float:
        """Share of the pairs whose next word stays right for the base; 1 before the prompts differ."""
        return 1.0 if position < self.first else self._share(self.kept, self.counted, layer, position)

    def by_chance(self, layer: int, position: int) -> float:
        """Share of the controlled pairs that a foreign state moves in the same way."""
        return self._share(self.control, self.controlled, layer, position)

    def _share(self, rows: Rows, total: int, layer: int, position: int) -> float:
        return rows[layer][position - self.first] / total if total and position >= self.first else 0.0


def differences(stored: tuple[InterchangeMap, ...], measured: tuple[InterchangeMap, ...]) -> list[str]:
    """One phrase for every map that is missing on one side, or in which a share differs by more than the tolerance."""
    before, now = ({table.title: table for table in tables} for tables in (stored, measured))
    found = [f"{title} on one side only" for title in sorted(before.keys() ^ now.keys())]
    for title in before.keys() & now.keys():
        old, new = before[title], now[title]
        if (old.roles, len(old.layers)) != (new.roles, len(new.layers)):
            found.append(f"{title} has other roles or layers")
            continue
        places = [(layer, position) for layer in old.layers for position in range(len(old.roles))]
        worst = max(abs(old.moves(*place) - new.moves(*place)) for place in places)
        if worst > TOLERANCE:
            found.append(f"{title} differs by {worst:.1%}")
    return sorted(found)
