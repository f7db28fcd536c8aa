"""One recipe over a grid of settings, and the frontier that its runs make.

    points = grid_of({"k": (8, 16, 32), "kind": ("transcoder", "clt")})       6 points, each a dict of settings
    rows = train_grid(recipe, points, Path("frontier"))                       live, or on stored `activations`

    frontier/k=8,kind=clt/       one folder of dictionaries a point; its run goes on after a kill
    frontier/frontier.csv        a row a point: settings, then figures on held-out text
    frontier/frontier.svg        active features against error and KL, where matplotlib is there

A point that is finished is not trained again. All points are checked before the first is trained.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from gearscope.artifact import read_manifest, write_text
from gearscope.dictionaries.formats.own import KIND
from gearscope.dictionaries.training.checkpoint import CHECKPOINT
from gearscope.dictionaries.training.train import Report
from gearscope.errors import ArtifactError, ConfigError
from gearscope.evaluation.report import DictionaryReport
from gearscope.recipes.config import Recipe
from gearscope.recipes.picture import draw
from gearscope.recipes.train import PLAIN, Opening, train_recipe

CSV, SVG = "frontier.csv", "frontier.svg"
FIGURES = (
    *("l0", "nmse", "worst_nmse", "nmse_shuffled", "dead"),
    *("top1", "kl", "recovered", "top1_shuffled", "kl_shuffled", "recovered_shuffled"),
)
"""`recovered` is None where constants cost the model nothing."""
Point = dict[str, Any]
Row = dict[str, Any]
"""Settings of a point, and `FIGURES`."""
Begin = Callable[[int, int, Point], Report | None]
"""Called before each point with its number, how many there are, and its settings; gives the run's progress callback."""


def grid_of(axes: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination of the values. Raises ConfigError for an axis without values, or with one twice."""
    for name, values in axes.items():
        if not values or len(set(map(repr, values))) < len(values):
            raise ConfigError(f"different values of {name} were expected for the grid", found=str(list(values)))
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def train_grid(
    recipe: Recipe,
    points: Sequence[Point],
    out: Path,
    *,
    opening: Opening = PLAIN,
    activations: Path | None = None,
    begin: Begin | None = None,
) -> list[Row]:
    """Train what is not trained yet and return a row per point; the table and the picture are written after each.

    Raises ConfigError for a wrong setting before anything is trained, and what training raises.
    """
    recipes = [recipe.changed(point) for point in points]
    rows: list[Row] = []
    for number, (point, chosen) in enumerate(zip(points, recipes, strict=True)):
        folder = out / name_of(point)
        progress = None if begin is None else begin(number + 1, len(points), point)
        if not folder.exists():
            resume = (out / f"{folder.name}.run" / CHECKPOINT).is_file()
            train_recipe(chosen, folder, opening=opening, activations=activations, progress=progress, resume=resume)
        rows.append(point | figures_of(report_of(folder, chosen)))
        write_text(out / CSV, table_of(rows))
        draw(rows, out / SVG, settings=list(point))
    return rows


def name_of(point: Point) -> str:
    """A point as the name of a folder."""
    return ",".join(f"{name}={value}" for name, value in point.items()).replace("/", "_").replace(" ", "")


def report_of(folder: Path, recipe: Recipe) -> DictionaryReport:
    """What was measured of a finished point. Raises ArtifactError when other settings made it."""
    config = read_manifest(folder, KIND)["config"]
    if config.get("training") != recipe.model_dump(mode="json", exclude={"about"}):
        raise ArtifactError(
            f"{folder} should be made with these settings", found="others", hint="remove it, or choose another --out"
        )
    return DictionaryReport.model_validate(config["measured"], strict=False)


def figures_of(report: DictionaryReport) -> dict[str, float | None]:
    """The figures of one point; means over layers where nothing else is said."""
    layers, n = report.layers, len(report.layers)
    means = {
        name: sum(getattr(layer, name) for layer in layers) / n for name in ("l0", "nmse", "nmse_shuffled", "dead")
    }
    figures: dict[str, float | None] = means | {
        "worst_nmse": report.worst.nmse,
        "top1": report.replaced.top1,
        "kl": report.replaced.kl,
        "recovered": report.recovered,
        "top1_shuffled": report.replaced_shuffled.top1,
        "kl_shuffled": report.replaced_shuffled.kl,
        "recovered_shuffled": report.recovered_shuffled,
    }
    return {name: figures[name] for name in FIGURES}


def table_of(rows: Sequence[Row]) -> str:
    """The rows as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
