"""Where everything stands on the picture of a circuit: columns of the prompt, rows of layers, boxes that never touch.

    x   one column per position; the boxes of a cell stand around its centre, as many side by side as save height, and
        may reach towards the centre of a column that has no box in the same layer
    y   targets on top, then the layers that have boxes, the first layer below, the tokens at the bottom

A prompt too long for the width loses its least influential empty columns: runs of them become one `…`. Widths of texts
are estimated from above, for the widest of the common sans-serif fonts. Pixels grow to the right and downwards.

Knows nothing about colours, SVG or what a node is.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gearscope.graph.text import printable

WIDTH, MARGIN, RAIL = 900.0, 20.0, 62.0
BOX_GAP, TOKEN_GAP, ROW_GAP, BAND_PAD = 8.0, 7.0, 38.0, 7.0
BOX_WIDTHS = (126.0, 114.0, 102.0, 90.0)
BOX_HEIGHT, TOKEN_HEIGHT, TOKEN_WIDTHS, TOKEN_PAD = 38.0, 26.0, (28.0, 104.0), 8.0
INDEX_HEIGHT = 15.0
LEFT, RIGHT = MARGIN + RAIL, WIDTH - MARGIN - BAND_PAD
TEXT, SMALL = 12.0, 11.0
FOR_BOXES = 0.6
"""The share of the width that columns with boxes may fill when not all tokens fit."""
NOWHERE = -1
"""The position of what belongs to no token; its column comes first."""
_EM = {**dict.fromkeys("fijlrtI|.,:;'`!()[]/\\ -·", 0.42), **dict.fromkeys("mwMWOQ@%&+=<>~#^…↑", 1.0)}
_BOLD = 1.15


class Card(NamedTuple):
    """What one box says and where it belongs; `rank` orders the boxes of a cell, strongest first."""

    node: int
    layer: int
    position: int
    head: str
    detail: str
    rank: int


class Box(NamedTuple):
    """A placed rectangle: its left, top, width and height in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The x of its centre."""
        return self.x + self.width / 2


class Column(NamedTuple):
    """A column of the picture: `text` is its token, or `…` for a run of `hidden` positions that begins there."""

    position: int
    hidden: int
    text: str
    middle: float


class Band(NamedTuple):
    """A row of the picture."""

    label: str
    area: Box


class Placement(NamedTuple):
    """Everything placed, between `top` and `bottom`."""

    width: float
    bottom: float
    boxes: dict[int, Box]
    """Of features, errors, constants and targets, by node number."""
    columns: tuple[Column, ...]
    bands: tuple[Band, ...]
    token_y: float


def text_width(text: str, size: float, bold: bool = False) -> float:
    """An upper estimate of a text's width in pixels at this font size."""
    return size * (_BOLD if bold else 1.0) * sum(map(_em, text))


def _em(character: str) -> float:
    if character in _EM:
        return _EM[character]
    if ord(character) < 0x250:
        return 0.8 if character.isupper() else 0.65
    if unicodedata.combining(character):
        return 0.0
    return 0.8 if unicodedata.east_asian_width(character) not in "WF" else 1.05


def fitted(text: str, width: float, size: float, bold: bool = False) -> str:
    """The text, cut with an ellipsis until its estimated width is at most `width`."""
    if text_width(text, size, bold) <= width:
        return text
    room, kept = width - text_width("…", size, bold), 0
    while kept < len(text) and text_width(text[kept], size, bold) <= room:
        room -= text_width(text[kept], size, bold)
        kept += 1
    return text[:kept].rstrip() + "…"


def place(
    cards: Sequence[Card], targets: Sequence[Card], tokens: Sequence[str], strength: Mapping[int, float], top: float
) -> Placement:
    """Place boxes for `cards` and `targets`, and a column for every token, below `top`.

    `strength` is the influence of each position's token, which decides what a prompt too long for the width keeps.
    """
    grid = _fitting_grid(cards, targets, tokens, strength)
    middles, end = grid.middles()
    width = max(WIDTH, end + WIDTH - RIGHT)
    spare = max(RIGHT - end, 0.0) / len(middles) if middles else 0.0
    columns = tuple(
        Column(position, hidden, "…" if hidden else token_label(tokens, position), middle + spare * (i + 0.5))
        for i, ((position, hidden), middle) in enumerate(zip(grid.entries(), middles, strict=True))
    )
    middle_of = {column.position: column.middle for column in columns if not column.hidden}
    boxes, bands, y = _target_rows(targets, middle_of, width, top)
    for layer in sorted({card.layer for card in cards}, reverse=True):
        height = grid.depth(layer) * (BOX_HEIGHT + BOX_GAP) - BOX_GAP
        bands.append(_band(f"layer {layer}" if layer >= 0 else "inputs", y, height, width))
        for position, middle in middle_of.items():
            own = sorted((c for c in cards if (c.layer, c.position) == (layer, position)), key=lambda card: card.rank)
            boxes |= _cell(own, middle, grid.wide.get(position, 1), grid.box_width, y + height / 2)
        y += height + ROW_GAP
    bands.append(_band("tokens", y, TOKEN_HEIGHT + INDEX_HEIGHT, width))
    return Placement(width, y + TOKEN_HEIGHT + INDEX_HEIGHT + BAND_PAD, boxes, columns, tuple(bands), y)


def _band(label: str, y: float, height: float, width: float) -> Band:
    return Band(label, Box(MARGIN, y - BAND_PAD, width - 2 * MARGIN, height + 2 * BAND_PAD))


def _cell(cards: Sequence[Card], middle: float, wide: int, box_width: float, middle_y: float) -> dict[int, Box]:
    """The boxes of one cell, row by row, every row centred."""
    rows = [cards[i : i + wide] for i in range(0, len(cards), wide)]
    first_y = middle_y - (len(rows) * (BOX_HEIGHT + BOX_GAP) - BOX_GAP) / 2
    found = {}
    for i, row in enumerate(rows):
        left = middle - (len(row) * (box_width + BOX_GAP) - BOX_GAP) / 2
        for j, card in enumerate(row):
            x, y = left + j * (box_width + BOX_GAP), first_y + i * (BOX_HEIGHT + BOX_GAP)
            found[card.node] = Box(x, y, box_width, BOX_HEIGHT)
    return found


def _target_rows(
    targets: Sequence[Card], middle_of: Mapping[int, float], width: float, y: float
) -> tuple[dict[int, Box], list[Band], float]:
    """The targets as near to their columns as they can stand side by side, in as many rows as they need."""
    if not targets:
        return {}, [], y
    box_width = min(max(*map(_wanted_width, targets), BOX_WIDTHS[-1]), BOX_WIDTHS[0])
    step = box_width + BOX_GAP
    right = width - (WIDTH - RIGHT)
    per_row = max(int((right - LEFT + BOX_GAP) // step), 1)
    boxes, top = {}, y
    for first in range(0, len(targets), per_row):
        row = sorted(targets[first : first + per_row], key=lambda card: (card.position, card.rank))
        count = Counter(card.position for card in row)
        seen: Counter[int] = Counter()
        places, free = [], LEFT
        for card in row:
            wanted = middle_of[card.position] + (seen[card.position] - count[card.position] / 2) * step + BOX_GAP / 2
            seen[card.position] += 1
            places.append(max(wanted, free))
            free = places[-1] + step
        limit = right - box_width
        for i in reversed(range(len(row))):
            places[i] = min(places[i], limit)
            limit = places[i] - step
            boxes[row[i].node] = Box(places[i], y, box_width, BOX_HEIGHT)
        y += BOX_HEIGHT + BOX_GAP
    return boxes, [_band("targets", top, y - BOX_GAP - top, width)], y - BOX_GAP + ROW_GAP


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """The columns that are shown and how many boxes stand side by side in each."""

    cells: Counter[tuple[int, int]]
    """Number of boxes by (layer, position)."""
    tokens: Sequence[str]
    box_width: float
    shown: tuple[int, ...]
    """Positions with a column, increasing."""
    wide: Mapping[int, int]
    """Boxes side by side; 1 where nothing is said."""

    def entries(self) -> Iterator[tuple[int, int]]:
        """The columns as (position, number of positions hidden in it)."""
        last, count = -1, len(self.tokens)
        for position in (*self.shown, None):
            here = count if position is None else min(position, count)
            if here - last > 1:
                yield last + 1, here - last - 1
            if position is not None:
                yield position, 0
            last = max(last, here)

    def middles(self) -> tuple[list[float], float]:
        """The leftmost centre of every column, and where everything ends.

        Nothing overlaps, and boxes side by side never stand over the centre of another column.
        """
        step, held = self.box_width + BOX_GAP, self._layers_of()
        token_end, box_end = LEFT, dict.fromkeys({layer for layer, _ in self.cells}, LEFT)
        found, last, last_group = [], -math.inf, 0.0
        for position, hidden in self.entries():
            half = token_width("…" if hidden else token_label(self.tokens, position)) / 2
            middle = token_end + half
            reach = {} if hidden else {layer: self._side_by_side(layer, position) for layer in held.get(position, ())}
            group = max((count * step / 2 for count in reach.values() if count > 1), default=0.0)
            middle = max(middle, last + max(group, last_group))
            middle = max([middle, *(box_end[layer] + count * step / 2 for layer, count in reach.items())])
            token_end = middle + half + TOKEN_GAP
            box_end |= {layer: middle + count * step / 2 for layer, count in reach.items()}
            found.append(middle)
            last, last_group = middle, group
        return found, max([token_end - TOKEN_GAP, *(end - BOX_GAP / 2 for end in box_end.values())])

    def _layers_of(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for layer, position in self.cells:
            found.setdefault(position, []).append(layer)
        return found

    def _side_by_side(self, layer: int, position: int) -> int:
        return min(self.cells[layer, position], self.wide.get(position, 1))

    def depth(self, layer: int) -> int:
        """Rows of boxes in one layer."""
        return max(math.ceil(n / self.wide.get(p, 1)) for (at, p), n in self.cells.items() if at == layer)

    def cost(self) -> float:
        """Height in pixels, less twice the width of a box: narrower boxes must save more than the labels they cut."""
        rows = sum(self.depth(layer) for layer in {layer for layer, _ in self.cells})
        return rows * (BOX_HEIGHT + BOX_GAP) - 2 * self.box_width

    def fits(self, end: float = RIGHT) -> bool:
        """Whether everything stands left of `end`; by default, within the usual width."""
        return self.middles()[1] <= end

    def widened(self, end: float = RIGHT) -> "_Grid":
        """One more box side by side wherever that saves most height, until there is no room left of `end`."""
        fullest: Counter[int] = Counter()
        for (_, position), count in self.cells.items():
            fullest[position] = max(fullest[position], count)
        grid = self
        while True:
            choices = []
            for position, count in sorted(fullest.items()):
                now = grid.wide.get(position, 1)
                wider = replace(grid, wide={**grid.wide, position: now + 1})
                if now < count and wider.fits(end):
                    choices.append((wider.cost(), -count / now, position, wider))
            if not choices:
                return grid
            grid = min(choices, key=lambda choice: choice[:3])[3]


def _fitting_grid(
    cards: Sequence[Card], targets: Sequence[Card], tokens: Sequence[str], strength: Mapping[int, float]
) -> _Grid:
    """Every position with boxes as wide as is worth it; or, where they do not fit, narrow boxes and fewer positions."""
    cells = Counter((card.layer, card.position) for card in cards)
    busy = sorted({card.position for card in (*cards, *targets)})
    every = tuple(sorted({*range(len(tokens)), *busy}))
    widest = min(max([BOX_WIDTHS[-1], *map(_wanted_width, cards)]), BOX_WIDTHS[0])
    widths = [widest, *(width for width in BOX_WIDTHS if width < widest)]
    grids = [_Grid(cells=cells, tokens=tokens, box_width=width, shown=every, wide={}) for width in widths]
    fitting = [grid.widened() for grid in grids if grid.fits()]
    if fitting:
        return min(fitting, key=_Grid.cost)
    grid = replace(grids[-1], shown=tuple(busy)).widened(LEFT + FOR_BOXES * (RIGHT - LEFT))
    for position in sorted(set(every) - set(busy), key=lambda p: (-strength.get(p, 0.0), p)):
        longer = replace(grid, shown=tuple(sorted((*grid.shown, position))))
        if not longer.fits():
            break
        grid = longer
    return grid


def _wanted_width(card: Card) -> float:
    return max(text_width(card.head, TEXT, bold=True), text_width(card.detail, SMALL)) + 2 * BOX_GAP


def token_label(tokens: Sequence[str], position: int) -> str:
    """A token as it stands in its column: without the spaces around it, cut to fit."""
    if not 0 <= position < len(tokens):
        return ""
    return fitted(printable(tokens[position].strip(" ")) or "␣", TOKEN_WIDTHS[1] - 2 * TOKEN_PAD, TEXT)


def token_width(label: str) -> float:
    """The width of a token's box."""
    return max(text_width(label, TEXT) + 2 * TOKEN_PAD, TOKEN_WIDTHS[0])
