"""The picture of a frontier: a line per setting, no background, text as text."""

import re

from gearscope.recipes.picture import draw

ROWS = [
    {"kind": kind, "k": k, "l0": float(k), "nmse": 0.1 * factor / k, "kl": 0.01 * factor / k}
    for factor, kind in ((1, "sae"), (2, "clt"))
    for k in (32, 8)
]


def test_a_line_for_each_combination_of_settings_but_k(tmp_path):
    assert draw(ROWS, tmp_path / "frontier.svg", settings=["kind", "k"])
    text = (tmp_path / "frontier.svg").read_text()
    assert [label for label in re.findall(r">([^<>]+)</text>", text) if label in {"sae", "clt", "k"}] == ["sae", "clt"]
    assert "active features per token" in text
    assert draw([row | {"kind": "sae"} for row in ROWS[:2]], tmp_path / "one.svg", settings=["k"])
    assert ">k</text>" in (tmp_path / "one.svg").read_text(), "where nothing but k varies"


def test_it_can_be_read_on_black_and_on_white(tmp_path):
    draw(ROWS, tmp_path / "frontier.svg", settings=["kind", "k"])
    text = (tmp_path / "frontier.svg").read_text()
    inks = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", text))
    assert len(inks) >= 3
    for ink in inks:
        light = sum(int(ink[i : i + 2], 16) for i in (1, 3, 5)) / 3 / 255
        assert 0.2 < light < 0.8, ink
    assert text == _again(tmp_path), "the same rows give the same file"


def _again(tmp_path) -> str:
    draw(ROWS, tmp_path / "again.svg", settings=["kind", "k"])
    return (tmp_path / "again.svg").read_text()
