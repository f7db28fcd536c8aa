"""An interchange map as a self-contained SVG picture: positions along, layers up, each cell as dark as its swap moves.

The number in a cell is the percent of the pairs that the swap moves; a dashed frame stands around the roles at which
the design expects the variable. Before the first position at which the prompts differ there is nothing to swap, and
cells are empty. Colours follow the reader's light or dark scheme; the same map gives the same text. No torch.
"""

from html import escape

from gearscope.graph.placement import fitted
from gearscope.organism.truth.claims import claim
from gearscope.organism.truth.maps import InterchangeMap
from gearscope.organism.truth.text import counts_text

_WIDTH, _MARGIN, _RAIL, _TOP = 900.0, 20.0, 84.0, 104.0
_ROW, _GAP, _LABEL = 34.0, 3.0, 92.0
_COLUMN = (26.0, 76.0)
_TITLE, _TEXT, _SMALL = 17.0, 12.5, 11.5
_DARKEST = 0.7
"""Opacity of a cell that always moves: the number on it stays legible in both schemes."""
_LIGHT = {
    "page": "#ffffff", "empty": "#f0f3f6", "cell": "#2f74b5", "ink": "#1f2730", "soft": "#57616d", "frame": "#c2541b",
}  # fmt: skip
_DARK = {
    "page": "#0d1117", "empty": "#171d26", "cell": "#4b8fd0", "ink": "#e8edf2", "soft": "#9aa5b1", "frame": "#ee8a4f",
}  # fmt: skip
_FONT = "system-ui, -apple-system, Segoe UI, Noto Sans, Helvetica, Arial, sans-serif"


def draw(table: InterchangeMap) -> str:
    """The map as the text of an SVG file, 900 pixels wide unless its columns need more.

    What does not fit into the heading stands in full in the picture's description.
    """
    low, high = _COLUMN
    column = max(low, min(high, (_WIDTH - 2 * _MARGIN - _RAIL) / len(table.roles)))
    width = max(_WIDTH, 2 * _MARGIN + _RAIL + column * len(table.roles))
    bottom = _TOP + _ROW * len(table.layers)
    height = bottom + _LABEL + 24
    parts = [_frame(table, width, height), *_heading(table, width)]
    for layer in table.layers:
        y = bottom - _ROW * (layer + 1)
        parts.append(_words(_MARGIN, y + _ROW / 2 + 4, _row(layer)))
        for place in range(len(table.roles)):
            parts.append(_cell(table, layer, place, _MARGIN + _RAIL + column * place, y, column))
    for place, role in enumerate(table.roles):
        x = _MARGIN + _RAIL + column * place
        parts.extend(_role(table, role, x, column, bottom))
    said = "number: percent of the pairs moved · frame: where the design expects the variable · darkest: all pairs"
    parts.append(_words(_MARGIN, height - 14, said))
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"


def _cell(table: InterchangeMap, layer: int, place: int, x: float, y: float, column: float) -> str:
    share = table.moves(layer, place)
    area = f'x="{x:.1f}" y="{y:.1f}" width="{column - _GAP:.1f}" height="{_ROW - _GAP:.1f}" rx="4"'
    if place < table.first:
        return f'<rect class="before" {area}/>'
    style = "ink" if share else "soft"
    keeps, chance = table.keeps(layer, place), table.by_chance(layer, place)
    told = f"{_row(layer)}, at {table.roles[place]}: moved {share:.0%}, kept {keeps:.0%}, by chance {chance:.0%}"
    return (
        f'<g class="swap" data-share="{share:.3f}"><title>{escape(told)}</title><rect class="empty" {area}/>'
        f'<rect class="cell" fill-opacity="{_DARKEST * share:.3f}" {area}/>'
        + _words(x + (column - _GAP) / 2, y + _ROW / 2 + 3, f"{100 * share:.0f}", style=style, anchor="middle")
        + "</g>"
    )


def _row(layer: int) -> str:
    """How many blocks stand below a swap."""
    return "embeddings" if layer == 0 else f"{layer} block{'s' * (layer > 1)}"


def _role(table: InterchangeMap, role: str, x: float, column: float, bottom: float) -> list[str]:
    """The name below a column, slanted, and a frame around the column where the design expects the variable."""
    middle, intended = x + (column - _GAP) / 2, role in table.intended
    style, bold = ("ink", ' font-weight="600"') if intended else ("soft", "")
    parts = [
        f'<text class="{style}" font-size="{_TEXT:g}" text-anchor="end"{bold} '
        f'transform="translate({middle + 5:.1f} {bottom + 15:.1f}) rotate(-40)">'
        f"{escape(fitted(role, 1.4 * _LABEL, _TEXT))}</text>"
    ]
    if intended:
        top = bottom - _ROW * len(table.layers)
        area = f'x="{x - _GAP:.1f}" y="{top - _GAP:.1f}" width="{column + _GAP:.1f}" height="{bottom - top + _GAP:.1f}"'
        parts.append(f'<rect class="intended" {area} rx="6"/>')
    return parts


def _heading(table: InterchangeMap, width: float) -> list[str]:
    """What the picture shows, on how many pairs, and what it says."""
    where, _, design = claim(table).removeprefix(f"{table.title}: ").partition("; ")
    room = width - 2 * _MARGIN
    bold = ' font-weight="600"'
    return [
        f'<text class="ink" x="{_MARGIN}" y="32" font-size="{_TITLE:g}"{bold}>{escape(table.title)}</text>',
        _words(_MARGIN, 51.0, fitted(counts_text(table), room, _SMALL)),
        _words(_MARGIN, 69.0, fitted(where, room, _SMALL), style="ink"),
        _words(_MARGIN, 86.0, fitted(design, room, _SMALL), style="ink"),
    ]


def _words(x: float, y: float, text: str, *, style: str = "soft", anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{_SMALL:g}" text-anchor="{anchor}"'
    return f'<text class="{style}" {place}>{escape(text)}</text>'


def _frame(table: InterchangeMap, width: float, height: float) -> str:
    title = escape(f"Interchange map of {table.title}")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" role="img" aria-label="{title}">',
            f"<desc>{escape(claim(table))}</desc>",
            f"<style>{_rules(_LIGHT)}@media (prefers-color-scheme: dark){{{_rules(_DARK)}}}</style>",
            f'<rect class="page" width="{width:.0f}" height="{height:.0f}" rx="10"/>',
            f'<g font-family="{_FONT}">',
        ]
    )


def _rules(colours: dict[str, str]) -> str:
    """The style sheet of one colour scheme."""
    fills = "".join(f".{name}{{fill:{colour}}}" for name, colour in colours.items() if name != "frame")
    return (
        f"{fills}.before{{fill:none;stroke:{colours['empty']}}}"
        f".intended{{fill:none;stroke:{colours['frame']};stroke-dasharray:5 4}}"
    )
