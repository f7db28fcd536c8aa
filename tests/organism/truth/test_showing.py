"""A map as a table, as a picture and on the command line."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from gearscope.cli.organism_maps import check_names, print_maps, write_pictures
from gearscope.errors import ConfigError
from gearscope.organism.truth.claims import claim
from gearscope.organism.truth.picture import draw
from gearscope.organism.truth.text import table_text
from tests.oracles.hand_map import TWO_HOPS, hand_map

SVG = "{http://www.w3.org/2000/svg}"
OTHER = hand_map([(0, 5), (0, 20)], first=1, name="relation", phenomenon="words")


def test_the_table_has_the_last_layer_on_top_and_percents():
    lines = table_text(TWO_HOPS).splitlines()
    assert lines[0] == "hops/state  20 of 20 pairs right on both sides, a foreign state moves at most 0%"
    assert [line.split() for line in lines[1:]] == [
        ["blocks", "a", "b", "=", "all"],
        ["3", "0", "0", "100", "100"],
        ["2", "0", "75", "10", "100"],
        ["1", "20", "90", "0", "100"],
        ["0", "100", "0", "0", "100"],
    ]
    assert len({len(line) for line in lines[1:]}) == 1


def test_the_table_leaves_out_columns_that_never_move_and_says_so():
    text = table_text(hand_map([(0, 0, 0), (0, 0, 20)], roles=("a", "b", "="), intended=("a",)))
    assert text.splitlines()[1].split() == ["blocks", "a", "=", "all"]
    assert text.endswith("the other 1 positions move less than 1%")


def test_a_map_without_controls_says_so():
    assert "no control" in table_text(hand_map([(0, 0, 0)] * 2, counted=0))


def cells(picture):
    root = ElementTree.fromstring(picture)
    return [g for g in root.iter(f"{SVG}g") if g.get("class") == "swap"]


def test_the_picture_has_a_cell_for_every_swap_as_dark_as_it_moves():
    found = cells(draw(TWO_HOPS))
    assert [float(g.get("data-share")) for g in found] == [TWO_HOPS.moves(i, j) for i in range(4) for j in range(3)]
    for group in found:
        ground, cell = group.findall(f"{SVG}rect")
        share = float(group.get("data-share"))
        assert float(cell.get("fill-opacity")) == pytest.approx(0.7 * share)
        assert group.find(f"{SVG}text").text == f"{100 * share:.0f}"
        assert ground.get("x") == cell.get("x")
    # layers upwards, positions to the right
    heights = [float(found[3 * layer].find(f"{SVG}rect").get("y")) for layer in range(4)]
    assert heights == sorted(heights, reverse=True)
    places = [float(group.find(f"{SVG}rect").get("x")) for group in found[:3]]
    assert places == sorted(places)


def test_before_the_prompts_differ_cells_are_empty_and_the_design_is_framed():
    root = ElementTree.fromstring(draw(OTHER))
    assert len([rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "before"]) == 2
    assert len(cells(draw(OTHER))) == 4
    assert len([rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "intended"]) == 1


def test_pictures_are_the_same_again_escape_their_words_and_stay_inside_their_frame():
    table = hand_map([[0] * 24] * 5, roles=[f"<{i}> & a long name of a role" for i in range(24)], intended=())
    assert draw(table) == draw(table)
    root = ElementTree.fromstring(draw(table))
    width, height = float(root.get("width")), float(root.get("height"))
    assert width == 900
    assert root.find(f"{SVG}desc").text == claim(table)
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x", 0)) + float(rect.get("width")) <= width
        assert float(rect.get("y", 0)) + float(rect.get("height")) <= height
    for one, next_one in pairwise(cells(draw(table))[:24]):
        a, b = (group.find(f"{SVG}rect") for group in (one, next_one))
        assert float(a.get("x")) + float(a.get("width")) < float(b.get("x"))


def luminance(colour):
    parts = [part / 255 for part in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_numbers_are_legible_on_every_shade_in_both_schemes():
    styles = re.search(r"<style>(.*)@media[^{]*{(.*)}</style>", draw(TWO_HOPS))
    for rules in styles.groups():
        named = dict(re.findall(r"\.(\w+){fill:#(\w{6})}", rules))
        colour = {name: tuple(bytes.fromhex(text)) for name, text in named.items()}
        for share in range(101):
            dark = 0.7 * share / 100
            blend = [dark * c + (1 - dark) * e for c, e in zip(colour["cell"], colour["empty"], strict=True)]
            on, under = sorted((luminance(colour["ink" if share else "soft"]), luminance(blend)), reverse=True)
            assert (on + 0.05) / (under + 0.05) >= 4.5


def test_claims_come_first_and_tables_for_what_is_named(capsys):
    print_maps([TWO_HOPS, OTHER], ["words"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("hops/state: ")
    assert lines[1].startswith("words/relation: ")
    assert lines[3].startswith("words/relation  20 of 20")
    print_maps([TWO_HOPS, OTHER])
    assert len(capsys.readouterr().out.splitlines()) == 2
    print_maps([TWO_HOPS, OTHER], ["all"])
    assert capsys.readouterr().out.count("blocks  ") == 2
    with pytest.raises(ConfigError, match="two_hops/state"):
        check_names(["two_hops", "nothing"])
    check_names(["two_hops", "two_hops/state", "all"])


def test_pictures_are_written_one_a_map(tmp_path):
    paths = write_pictures([TWO_HOPS, OTHER], tmp_path / "new")
    assert [path.name for path in paths] == ["hops-state.svg", "words-relation.svg"]
    assert paths[0].read_text() == draw(TWO_HOPS)
