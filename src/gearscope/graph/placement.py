"""Where everything stands on the picture of a circuit: columns of the prompt, rows of layers, boxes that never touch.

    x   one column per position, wide enough for the boxes of its fullest cell; wide columns go where they save height
    y   targets on top, then the layers that have boxes, the first layer below, the tokens at the bottom

A prompt too long for the width loses its least influential empty columns: runs of them become one `…`. Widths of texts
are estimated from above, for the widest of the common sans-serif fonts. Pixels grow to the right and downwards.

Knows nothing about colours, SVG or what a node is.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gearscope.graph.text import printable

WIDTH, MARGIN, RAIL = 900.0, 20.0, 62.0
BOX_GAP, COLUMN_GAP, ROW_GAP, BAND_PAD = 8.0, 12.0, 38.0, 7.0
BOX_WIDTHS = (124.0, 112.0, 100.0, 88.0)
BOX_HEIGHT, TOKEN_HEIGHT, TOKEN_WIDTHS, ELLIPSIS_WIDTH = 38.0, 26.0, (30.0, 104.0), 26.0
TEXT, SMALL = 12.0, 11.0
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
    """A column of the picture; `text` is its token, `…` for a run of `hidden` positions."""

    position: int
    text: str
    area: Box
    hidden: int


class Band(NamedTuple):
    """A row of the picture."""

    label: str
    area: Box


class Placement(NamedTuple):
    """Everything placed, between `top` and `bottom`."""

    width: float
    bottom: float
    boxes: dict[int, Box]
    """By node number."""
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
    cells = Counter((card.layer, card.position) for card in cards)
    busy = sorted({card.position for card in (*cards, *targets)})
    box_width, shown = _shown_positions(cards, targets, tokens, strength, busy)
    wide = _boxes_wide(cells, shown, tokens, box_width)
    columns = _columns(shown, tokens, wide, box_width)
    width = max(WIDTH, columns[-1].area.x + columns[-1].area.width + MARGIN if columns else 0.0)
    boxes, bands, y = _target_rows(targets, columns, box_width, width, top)
    area = {column.position: column.area for column in columns if not column.hidden}
    for layer in sorted({card.layer for card in cards}, reverse=True):
        deep = max(math.ceil(cells[layer, p] / wide[p]) for p in wide if cells[layer, p])
        height = deep * (BOX_HEIGHT + BOX_GAP) - BOX_GAP
        label = f"layer {layer}" if layer >= 0 else "inputs"
        bands.append(_band(label, y, height, width))
        for position in busy:
            own = sorted((c for c in cards if (c.layer, c.position) == (layer, position)), key=lambda card: card.rank)
            boxes |= _cell(own, area[position], wide[position], box_width, y, height)
        y += height + ROW_GAP
    bands.append(_band("tokens", y, TOKEN_HEIGHT, width))
    return Placement(width, y + TOKEN_HEIGHT + BAND_PAD, boxes, columns, tuple(bands), y)


def _band(label: str, y: float, height: float, width: float) -> Band:
    return Band(label, Box(MARGIN, y - BAND_PAD, width - 2 * MARGIN, height + 2 * BAND_PAD))


def _cell(cards: Sequence[Card], area: Box, wide: int, box_width: float, y: float, height: float) -> dict[int, Box]:
    """The boxes of one cell, row by row, every row centred."""
    rows = [cards[i : i + wide] for i in range(0, len(cards), wide)]
    first_y = y + (height - len(rows) * (BOX_HEIGHT + BOX_GAP) + BOX_GAP) / 2
    found = {}
    for i, row in enumerate(rows):
        left = area.middle - (len(row) * (box_width + BOX_GAP) - BOX_GAP) / 2
        for j, card in enumerate(row):
            x, at = left + j * (box_width + BOX_GAP), first_y + i * (BOX_HEIGHT + BOX_GAP)
            found[card.node] = Box(x, at, box_width, BOX_HEIGHT)
    return found


def _target_rows(
    targets: Sequence[Card], columns: Sequence[Column], box_width: float, width: float, y: float
) -> tuple[dict[int, Box], list[Band], float]:
    """The targets as near to their columns as they can stand side by side, in as many rows as they need."""
    if not targets:
        return {}, [], y
    step = box_width + BOX_GAP
    left, right = MARGIN + RAIL, width - MARGIN - COLUMN_GAP / 2
    per_row = max(int((right - left + BOX_GAP) // step), 1)
    middle = {column.position: column.area.middle for column in columns}
    boxes, top = {}, y
    for first in range(0, len(targets), per_row):
        row = sorted(targets[first : first + per_row], key=lambda card: (card.position, card.rank))
        count = Counter(card.position for card in row)
        seen: Counter[int] = Counter()
        places, free = [], left
        for card in row:
            wanted = middle[card.position] + (seen[card.position] - count[card.position] / 2) * step + BOX_GAP / 2
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


def _shown_positions(
    cards: Sequence[Card],
    targets: Sequence[Card],
    tokens: Sequence[str],
    strength: Mapping[int, float],
    busy: Sequence[int],
) -> tuple[float, list[int]]:
    """The width of a box, and the positions that get a column: all of them, or as many as fit."""
    room = WIDTH - 2 * MARGIN - RAIL
    wanted = max((_wanted_width(card) for card in (*cards, *targets)), default=0.0)
    widest = min(max(wanted, BOX_WIDTHS[-1]), BOX_WIDTHS[0])
    widths = [widest, *(width for width in BOX_WIDTHS if width < widest)]
    every = sorted({*range(len(tokens)), *busy})
    held = {card.position for card in cards}

    def needed(positions: Sequence[int], box_width: float) -> float:
        own = sum(_column_width(tokens, p, int(p in held), box_width) for p in positions)
        return own + _gaps(positions, len(tokens)) * ELLIPSIS_WIDTH

    for box_width in widths:
        if needed(every, box_width) <= room:
            return box_width, every
    kept = list(busy)
    for position in sorted(set(every) - set(busy), key=lambda p: (-strength.get(p, 0.0), p)):
        if needed(sorted([*kept, position]), widths[-1]) > room:
            break
        kept.append(position)
    return widths[-1], sorted(kept)


def _wanted_width(card: Card) -> float:
    return max(text_width(card.head, TEXT, bold=True), text_width(card.detail, SMALL)) + 2 * BOX_GAP


def _gaps(positions: Sequence[int], count: int) -> int:
    """How many runs of tokens have no column."""
    inside = [p for p in positions if 0 <= p < count]
    return sum(b - a > 1 for a, b in zip([-1, *inside], [*inside, count], strict=True))


def token_label(tokens: Sequence[str], position: int) -> str:
    """A token as it stands in its column: without the spaces around it, cut to fit."""
    if not 0 <= position < len(tokens):
        return "" if position == NOWHERE else "?"
    return fitted(printable(tokens[position].strip(" ")) or "␣", TOKEN_WIDTHS[1] - 16, TEXT)


def _column_width(tokens: Sequence[str], position: int, wide: int, box_width: float) -> float:
    token = text_width(token_label(tokens, position), TEXT) + 16
    return max(wide * (box_width + BOX_GAP) - BOX_GAP, token, TOKEN_WIDTHS[0]) + COLUMN_GAP


def _boxes_wide(
    cells: Counter[tuple[int, int]], shown: Sequence[int], tokens: Sequence[str], box_width: float
) -> dict[int, int]:
    """How many boxes stand side by side in each column: one more wherever that saves most rows, while there is room."""
    fullest: Counter[int] = Counter()
    for (_, position), count in cells.items():
        fullest[position] = max(fullest[position], count)
    wide = {position: min(fullest[position], 1) for position in shown}
    room = WIDTH - 2 * MARGIN - RAIL - _gaps(shown, len(tokens)) * ELLIPSIS_WIDTH
    while True:
        used = {p: _column_width(tokens, p, wide[p], box_width) for p in shown}
        growing = [
            (_depth(cells, {**wide, p: wide[p] + 1}), -fullest[p] / wide[p], p)
            for p in shown
            if wide[p] < fullest[p]
            and sum(used.values()) - used[p] + _column_width(tokens, p, wide[p] + 1, box_width) <= room
        ]
        if not growing:
            return wide
        wide[min(growing)[2]] += 1


def _depth(cells: Counter[tuple[int, int]], wide: Mapping[int, int]) -> int:
    """Rows of boxes in all layers together."""
    deep: dict[int, int] = {}
    for (layer, position), count in cells.items():
        deep[layer] = max(deep.get(layer, 0), math.ceil(count / wide[position]))
    return sum(deep.values())


def _columns(
    shown: Sequence[int], tokens: Sequence[str], wide: Mapping[int, int], box_width: float
) -> tuple[Column, ...]:
    """The columns from left to right, stretched to the width of the picture."""
    parts: list[tuple[int, int, float]] = []
    last = -1
    for position in [*shown, None]:
        here = len(tokens) if position is None else min(position, len(tokens))
        if here - last > 1:
            parts.append((last + 1, here - last - 1, ELLIPSIS_WIDTH))
        if position is not None:
            parts.append((position, 0, _column_width(tokens, position, wide[position], box_width)))
        last = here
    spare = max(WIDTH - 2 * MARGIN - RAIL - sum(part[2] for part in parts), 0.0) / max(len(parts), 1)
    found, x = [], MARGIN + RAIL
    for position, hidden, width in parts:
        text = "…" if hidden else token_label(tokens, position)
        found.append(Column(position, text, Box(x, 0.0, width + spare, 0.0), hidden))
        x += width + spare
    return tuple(found)

