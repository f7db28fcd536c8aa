"""A redundancy sweep as a self-contained SVG picture: what is left of the answer, by how many features are gone.

Left its probability, right the KL of the next token; a line per order, with a band of one standard deviation where it
is a mean over draws. Colours follow the reader's light or dark scheme; the same sweep gives the same text. No torch.
"""

from collections.abc import Callable, Sequence
from html import escape

from gearscope.graph.text import clipped, printable
from gearscope.interventions.survival import Line, Point, Survival

_WIDTH, _HEIGHT, _MARGIN, _RAIL, _TOP, _BOTTOM = 900.0, 400.0, 24.0, 44.0, 84.0, 74.0
_GAP = 40.0
_LINES = {"influence": "the most influential first", "random": "at random", "outside": "others, not in the circuit"}
_LIGHT = {
    "page": "#ffffff", "grid": "#e3e7ec", "ink": "#1f2730", "soft": "#57616d",
    "influence": "#c2541b", "random": "#2f74b5", "outside": "#3f7d58",
}  # fmt: skip
_DARK = {
    "page": "#0d1117", "grid": "#262e38", "ink": "#e8edf2", "soft": "#9aa5b1",
    "influence": "#ee8a4f", "random": "#62a8e8", "outside": "#6bb38a",
}  # fmt: skip
_FONT = "system-ui, -apple-system, Segoe UI, Noto Sans, Helvetica, Arial, sans-serif"
Read = Callable[[Point], tuple[float, float]]
"""A point's height and its standard deviation."""


def draw_survival(found: Survival) -> str:
    """The sweep as the text of an SVG file, 900 pixels wide."""
    width = (_WIDTH - 2 * _MARGIN - 2 * _RAIL - _GAP) / 2
    left, right = _MARGIN + _RAIL, _MARGIN + 2 * _RAIL + _GAP + width
    top_kl = max(1e-3, *(point.kl + point.kl_std for line in found.lines for point in line.points))
    title = f"What is left of “{printable(found.answer)}” without features of its circuit"
    parts = [
        *_frame(found, title),
        *_panel(found, left, width, "probability of the answer", 1.0, lambda p: (p.probability, p.probability_std)),
        *_panel(found, right, width, "KL of the next token, nats", top_kl, lambda p: (p.kl, p.kl_std)),
        *_legend(found.lines),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(found: Survival, title: str) -> list[str]:
    rules = [_scheme(_LIGHT), f"@media (prefers-color-scheme: dark) {{ {_scheme(_DARK)} }}"]
    about = f"{clipped(printable(found.prompt), 90)} · {printable(found.model)}, basis {printable(found.basis)}"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" '
        f'height="{_HEIGHT:g}" font-family="{_FONT}" role="img"><title>{escape(title)}</title>',
        f"<style>{' '.join(rules)}</style>",
        f'<rect class="page" width="{_WIDTH:g}" height="{_HEIGHT:g}"/>',
        _words(_MARGIN, 30.0, title, size=17.0, style="ink"),
        _words(_MARGIN, 52.0, about),
    ]


def _scheme(colours: dict[str, str]) -> str:
    rules = [f".page {{ fill: {colours['page']} }}", f".grid {{ stroke: {colours['grid']} }}"]
    rules += [f".{name} {{ fill: {colours[name]} }}" for name in ("ink", "soft")]
    for name in _LINES:
        rules.append(f".{name} {{ stroke: {colours[name]}; fill: none }}")
        rules.append(f".{name}-band {{ fill: {colours[name]}; opacity: .18 }}")
    return " ".join(rules)


def _panel(found: Survival, x: float, width: float, label: str, highest: float, read: Read) -> list[str]:
    """One pair of axes with every line; the share of features goes to the right."""
    height = _HEIGHT - _TOP - _BOTTOM
    parts = [_words(x, _TOP - 10, label, style="ink")]
    for i in range(5):
        y = _TOP + height * (1 - i / 4)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{y:.1f}" x2="{x + width:.1f}" y2="{y:.1f}"/>')
        said = f"{highest * i / 4:.0%}" if highest == 1 else f"{highest * i / 4:.3g}"
        parts.append(_words(x - 6, y + 4, said, anchor="end"))
    for i in range(5):
        parts.append(_words(x + width * i / 4, _TOP + height + 18, f"{i / 4:.0%}", anchor="middle"))
    for line in found.lines:
        parts += _line(line, x, width, height, highest, read)
    return parts


def _line(line: Line, x: float, width: float, height: float, highest: float, read: Read) -> list[str]:
    def at(share: float, value: float) -> str:
        clamped = min(max(value, 0.0), highest)
        return f"{x + width * share:.1f},{_TOP + height * (1 - clamped / highest):.1f}"

    rows = [(point.share, *read(point)) for point in line.points]
    middle = " ".join(at(share, value) for share, value, _ in rows)
    drawn = [f'<polyline class="{line.order}" stroke-width="2" points="{middle}"/>']
    if line.draws > 1:
        upper = [at(share, value + spread) for share, value, spread in rows]
        lower = [at(share, value - spread) for share, value, spread in reversed(rows)]
        drawn.insert(0, f'<polygon class="{line.order}-band" points="{" ".join(upper + lower)}"/>')
    return drawn


def _legend(lines: Sequence[Line]) -> list[str]:
    parts, x, y = [], _MARGIN + _RAIL, _HEIGHT - 18
    parts.append(_words(_WIDTH / 2, y - 22, "share of the circuit's features held at 0", anchor="middle"))
    for line in lines:
        said = _LINES[line.order] + (f" ({line.draws} draws)" if line.draws > 1 else "")
        place = f'x1="{x:.1f}" x2="{x + 22:.1f}" y1="{y - 4:g}" y2="{y - 4:g}"'
        parts.append(f'<line class="{line.order}" stroke-width="2" {place}/>')
        parts.append(_words(x + 28, y, said))
        x += 48 + 6.4 * len(said)
    return parts


def _words(x: float, y: float, text: str, *, size: float = 12.0, style: str = "soft", anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"'
    return f'<text class="{style}" {place}>{escape(text)}</text>'
