"""The tables and pictures of docs/frontier.md: every kind and selection of dictionary on the bundled model.

    python benchmarks/frontier.py FOLDER               trains what is not trained yet, then prints and draws
    python benchmarks/frontier.py FOLDER --only kinds seeds
    python benchmarks/frontier.py FOLDER --finished    trains nothing: tables of the runs that are there

FOLDER gets the activations (2 GB, read once), and a grid of runs for each entry of GRIDS, as `gearscope train
organism-small --grid ...` makes them: a run that was killed goes on, one that is finished stays. Figures are the grid's
own, of held-out text; beside each stands the same dictionary with its decoders exchanged at random. Pictures are
written beside the page. A crosscoder has one code for all layers, so its features and its k are divided by the number
of layers where they stand beside those of the others.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from gearscope.cli.progress import training_lines
from gearscope.recipes.config import RECIPES
from gearscope.recipes.grid import Row, grid_of, name_of, train_grid
from gearscope.recipes.harvest import harvest
from gearscope.recipes.picture import draw

DOCS = Path(__file__).parent.parent / "docs"
RECIPE, TOKENS = RECIPES["organism-small"], 500_000
LAYERS, KS = 4, (8, 16, 32)
SITES = {"resid": "sae", "mlp": "transcoder"}
"""Activations that are stored, each by a kind that reads them."""
SAE = ("sae", "crosscoder")
"""Kinds that read the residual stream; the others read and write MLPs."""


class Grid(NamedTuple):
    """One grid of runs."""

    folder: str
    label: str
    kind: str
    axes: dict[str, tuple[Any, ...]]
    settings: dict[str, Any]


def by_selection(kind: str) -> list[Grid]:
    """Every selection, and nested prefixes."""
    return [
        Grid(kind, "batch_top_k", kind, {"kind": (kind,), "k": KS}, {}),
        *(
            Grid(f"{kind}-{name}", name, kind, {"selection": (name,), "k": KS}, {})
            for name in ("top_k", "jumprelu", "gated", "relu")
        ),
        Grid(f"{kind}-prefixes", "batch_top_k, prefixes", kind, {"k": KS}, {"prefixes": (64, 256)}),
    ]


GRIDS: dict[str, list[Grid]] = {
    "kinds": [
        *(
            Grid(kind, kind, kind, {"kind": (kind,), "k": KS}, {})
            for kind in ("transcoder", "skip_transcoder", "clt", "sae")
        ),
        Grid(
            "crosscoder",
            "crosscoder",
            "crosscoder",
            {"k": tuple(LAYERS * k for k in KS)},
            {"n_features": LAYERS * 1024},
        ),
    ],
    "transcoder": by_selection("transcoder"),
    "sae": by_selection("sae"),
    "seeds": [Grid(f"{kind}-seeds", kind, kind, {"k": (16,), "seed": (1, 2)}, {}) for kind in ("transcoder", "clt")],
}


def trained(grid: Grid, folder: Path, *, finished: bool) -> list[Row]:
    """The rows of a grid; activations are stored and points trained where that was not done yet, unless `finished`."""
    points, out = grid_of(grid.axes), folder / "runs" / grid.folder
    if finished:
        points = [point for point in points if (out / name_of(point)).exists()]
    site = "resid" if grid.kind in SAE else "mlp"
    acts = folder / f"acts-{site}"
    if not acts.exists() and not finished:
        harvest(RECIPE.changed({"kind": SITES[site]}), acts, tokens=TOKENS, precision="float16")
    chosen = RECIPE.changed({"kind": grid.kind} | grid.settings)
    with training_lines() as lines:
        rows = train_grid(chosen, points, out, activations=acts, begin=lambda *_: lines)
    each = LAYERS if grid.kind == "crosscoder" else 1
    return [row | {"k": row.get("k", 16) // each, "l0": row["l0"] / each, "of": grid.label} for row in rows]


def table(rows: list[Row]) -> str:
    """Markdown; the control in brackets."""
    columns = ("", "k", "L0", "NMSE, worst layer", "mean", "dead", "loss recovered", "KL", "next token same")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        label = f"{row['of']}, seed {row['seed']}" if "seed" in row else row["of"]
        cells = [
            *(label, f"{row['k']}", f"{row['l0']:.1f}", f"{row['worst_nmse']:.2%}"),
            f"{row['nmse']:.2%} ({row['nmse_shuffled']:.0%})",
            f"{row['dead']:.1%}",
            f"{row['recovered']:.2%} ({row['recovered_shuffled']:.0%})",
            f"{row['kl']:.4f} ({row['kl_shuffled']:.1f})",
            f"{row['top1']:.1%} ({row['top1_shuffled']:.1%})",
        ]
        lines.append("| " + " | ".join(cells).replace("%", " %") + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(GRIDS), default=list(GRIDS))
    parser.add_argument("--finished", action="store_true")
    given = parser.parse_args()
    for name in given.only:
        rows = [row for grid in GRIDS[name] for row in trained(grid, given.folder, finished=given.finished)]
        print(f"\n{name}\n\n{table(rows)}", flush=True)
        if rows and name != "seeds":
            draw(rows, DOCS / f"frontier-{name}.svg", settings=["of"])


if __name__ == "__main__":
    main()
