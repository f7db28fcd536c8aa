"""The frontier of a grid as a picture: active features against error and KL, a line per combination of other settings.

An SVG without a background, in inks that can be read on white and on black. Knows nothing about runs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_INK = "#7d7d7d"
_COLOURS = ("#e69f00", "#3d9bd9", "#00a878", "#d55e00", "#c46a9d", "#8f7fe0", "#a08a5b", "#6b9f2f")
_MARKERS = "os^DvPX*"
_PANELS = {"nmse": "NMSE, mean over layers", "kl": "KL with all replaced, nats"}
_X = "active features per token"


def draw(rows: Sequence[Mapping[str, Any]], path: Path, *, settings: Sequence[str]) -> bool:
    """Draw rows with `l0`, `nmse` and `kl`; `settings` other than k name the lines. Returns whether it was drawn.

    Nothing is drawn where matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return False
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "gearscope", "font.size": 9}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        for axes, (name, label) in zip(figure.subplots(1, 2), _PANELS.items(), strict=True):
            for number, (said, line) in enumerate(_lines(rows, settings).items()):
                axes.plot(
                    [row["l0"] for row in line],
                    [row[name] for row in line],
                    color=_COLOURS[number % len(_COLOURS)],
                    marker=_MARKERS[number % len(_MARKERS)],
                    label=said,
                )
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set(xlabel=_X, ylabel=label)
            _inked(axes)
        figure.axes[0].legend(frameon=False, labelcolor=_INK)
        figure.savefig(path, transparent=True, metadata={"Date": None})
    return True


def _inked(axes: Any) -> None:
    """Axes in one ink, with plain numbers."""
    axes.grid(color=_INK, alpha=0.25, which="both")
    axes.tick_params(which="both", colors=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    axes.xaxis.set_major_formatter("{x:g}")
    for which in ("major", "minor"):
        getattr(axes.yaxis, f"set_{which}_formatter")("{x:g}")
    for spine in axes.spines.values():
        spine.set_color(_INK)


def _lines(rows: Sequence[Mapping[str, Any]], settings: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        label = ", ".join(str(row[name]) for name in settings if name != "k") or "k"
        lines.setdefault(label, []).append(row)
    return {label: sorted(line, key=lambda row: row["l0"]) for label, line in lines.items()}
