"""A grid is checked first, trained point by point, gone on with, and ends in a table and a picture."""

import csv

import pytest

from gearscope.errors import ArtifactError, ConfigError
from gearscope.recipes.config import parse_grid
from gearscope.recipes.grid import CSV, FIGURES, SVG, grid_of, name_of, train_grid
from gearscope.recipes.metrics import tensorboard
from gearscope.recipes.train import train_recipe
from tests.recipes.test_train import recipe


def test_grids_are_parsed_and_multiplied():
    axes = parse_grid(["k=2,4", "kind=sae,clt", "learning_rate = 1e-3"])
    assert axes == {"k": (2, 4), "kind": ("sae", "clt"), "learning_rate": (1e-3,)}
    points = grid_of(axes)
    assert len(points) == 4
    assert name_of(points[1]) == "k=2,kind=clt,learning_rate=0.001"
    for wrong in (["k"], ["=2"], ["k=2", "k=3"]):
        with pytest.raises(ConfigError, match="an axis of a grid"):
            parse_grid(wrong)
    with pytest.raises(ConfigError, match="different values of k"):
        grid_of({"k": (2, 2)})


def test_every_point_is_trained_once(untrained, texts, tmp_path):
    seen, base = [], recipe("transcoder", untrained, texts, tokens=512)
    points = grid_of({"k": (2, 6), "selection": ("top_k", "jumprelu")})
    rows = train_grid(base, points[:2], tmp_path / "grid", begin=lambda *at: seen.append(at))
    assert [at[:2] for at in seen] == [(1, 2), (2, 2)]
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "grid").glob("*/*.safetensors")}
    rows = train_grid(base, points, tmp_path / "grid")
    assert all(p.stat().st_mtime_ns == at for p, at in before.items()), "what is finished stays"
    with (tmp_path / "grid" / CSV).open() as stream:
        table = list(csv.DictReader(stream))
    assert [row["selection"] for row in table] == ["top_k", "jumprelu"] * 2
    said = [{name: cell[name] for name in FIGURES} for cell in table]
    assert said == [{name: "" if row[name] is None else str(row[name]) for name in FIGURES} for row in rows]
    assert rows[2]["l0"] > rows[0]["l0"]
    assert "<svg" in (tmp_path / "grid" / SVG).read_text()
    other = base.changed({"n_features": 40})
    with pytest.raises(ArtifactError, match="should be made with these settings"):
        train_grid(other, points, tmp_path / "grid")


def test_a_typo_is_found_before_anything_is_trained(untrained, texts, tmp_path):
    base = recipe("transcoder", untrained, texts)
    with pytest.raises(ConfigError, match="found kk"):
        train_grid(base, [*grid_of({"k": (2, 4)}), {"kk": 4}], tmp_path / "grid")
    with pytest.raises(ConfigError, match="k must not be above"):
        train_grid(base, grid_of({"k": (2, 400)}), tmp_path / "grid")
    assert not (tmp_path / "grid").exists()


def test_figures_for_tensorboard(untrained, texts, tmp_path):
    with tensorboard(tmp_path / "events") as report:
        train_recipe(recipe("transcoder", untrained, texts, tokens=512), tmp_path / "made", progress=report)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert {"loss", "active", "dead", "nmse/blocks.0.mlp_out"} <= set(events.Tags()["scalars"])
    assert events.Scalars("loss")[-1].step == 512
