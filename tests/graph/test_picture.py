import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph, TokenEffects
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.graph.picture import draw
from gearscope.graph.store import read_graph
from tests.oracles.hand_graph import hand_graph
from tests.oracles.layered_graphs import layered_graph

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture):
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    return root


def groups(picture):
    """The drawn nodes: class and element by id; every id once."""
    found = [(g.get("data-node"), g) for g in parsed(picture).iter(f"{SVG}g") if g.get("data-node") is not None]
    assert len({name for name, _ in found}) == len(found)
    return dict(found)


def rectangles(picture):
    rects = [group.find(f"{SVG}rect") for group in groups(picture).values()]
    return [tuple(float(rect.get(name)) for name in ("x", "y", "width", "height")) for rect in rects]


def text_rectangles(picture):
    """Every text as a rectangle, by the width of an average sans-serif letter."""
    found = []
    for text in parsed(picture).iter(f"{SVG}text"):
        size, x, y = (float(text.get(name)) for name in ("font-size", "x", "y"))
        letter = 0.58 if text.get("font-weight") else 0.54
        width = float(text.get("textLength", letter * size * len(text.text or "")))
        x -= width / 2 if text.get("text-anchor") == "middle" else 0
        found.append((x, y - 0.75 * size, width, 0.95 * size))
    return found


def assert_apart(boxes):
    """No two of these rectangles share a point inside."""
    for i, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[:i]:
            beside = x >= other_x + other_width - 0.11 or other_x >= x + width - 0.11
            assert beside or y >= other_y + other_height - 0.11 or other_y >= y + height - 0.11


def assert_tidy(picture):
    """Boxes and texts are apart from each other, inside the picture, and texts inside their boxes."""
    _, _, width, height = map(float, parsed(picture).get("viewBox").split())
    assert_apart(rectangles(picture))
    assert_apart(text_rectangles(picture))
    for x, y, wide, high in (*rectangles(picture), *text_rectangles(picture)):
        assert x >= 0
        assert y >= 0
        assert x + wide <= width
        assert y + high <= height


def small_graph(*, tokens=("a", "b"), labels=("x",), features=("",), prompt="a b", edges=()):
    """Features of layer 0 at the last position, with these labels, and [target, source, weight] edges by number."""
    blocks = [
        Nodes.of(NodeKind.FEATURE, layer=0, position=len(tokens) - 1, index=np.arange(len(features)), labels=features),
        Nodes.of(NodeKind.TOKEN, position=np.arange(len(tokens)), index=np.arange(len(tokens)), labels=tokens),
        Nodes.of(NodeKind.TARGET, layer=1, position=len(tokens) - 1, index=np.arange(len(labels)), labels=labels),
    ]
    weight = np.full(len(labels), 1 / max(len(labels), 1))
    blocks[2] = replace(blocks[2], weight=weight)
    nodes = Nodes.join(*blocks)
    dense = np.zeros((len(nodes), len(nodes)))
    for target, source, value in edges:
        dense[target, source] = value
    nothing = np.zeros(len(nodes))
    return AttributionGraph(
        nodes=nodes,
        adjacency=csr_array(dense),
        rest_sum=nothing,
        rest_abs=nothing,
        prompt=prompt,
        tokens=tokens,
        model="m",
        basis="b",
    )


def test_the_hand_made_graph():
    graph = hand_graph()
    picture = draw(graph)
    useless = {"0_2_1", "1_4_1", "0_-1_0", "1_-1_0"}  # they feed nothing that feeds the target
    assert set(groups(picture)) == set(graph.nodes.ids) - useless
    left = [i for i, name in enumerate(graph.nodes.ids) if name not in useless]
    paths = list(parsed(picture).find(f".//{SVG}g[@class='edges']"))
    assert len(paths) == np.count_nonzero(graph.adjacency.toarray()[np.ix_(left, left)])
    assert_tidy(picture)


def test_tokens_stand_below_layers_and_layers_below_targets():
    graph = hand_graph()
    heights = {name: float(group.find(f"{SVG}rect").get("y")) for name, group in groups(draw(graph)).items()}
    rows = {"3_0_1": 3, "1_3_1": 2, "1_-1_1": 2, "0_0_1": 1, "0_1_1": 1, "0_-1_1": 1, "E_0_0": 0, "E_1_1": 0}
    ranked = sorted(rows, key=lambda name: -heights[name])
    assert [rows[name] for name in ranked] == sorted(rows.values())


def test_columns_stand_in_the_order_of_the_prompt():
    picture = draw(layered_graph(3, n_layers=4, n_features=20))
    boxes = {name: group.find(f"{SVG}rect") for name, group in groups(picture).items()}
    middles = {name: float(box.get("x")) + float(box.get("width")) / 2 for name, box in boxes.items()}
    tokens = [middles[name] for name in ("E_7_0", "E_8_1", "E_9_2")]
    assert tokens == sorted(tokens)
    rows = {}
    for name, middle in middles.items():
        if re.fullmatch(r"[0-3]_-?\d+_\d", name):
            rows.setdefault((name[-1], boxes[name].get("y")), []).append(middle)
    assert max(map(len, rows.values())) > 1
    for (position, _), row in rows.items():
        own = int(position)
        assert np.mean(row) == pytest.approx(tokens[own], abs=0.1)
        assert all(min(row) > token for token in tokens[:own])
        assert all(max(row) < token for token in tokens[own + 1 :])


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6), n_layers=st.integers(1, 6), n_features=st.integers(1, 45), most=st.sampled_from([0, 28])
)
def test_random_graphs_are_tidy(seed, n_layers, n_features, most):
    graph = layered_graph(seed, n_layers=n_layers, n_features=n_features)
    picture = draw(graph, most_nodes=most)
    drawn = Counter(group.get("class").split()[1] for group in groups(picture).values())
    assert (drawn["token"], drawn["target"]) == (3, 2)
    assert drawn["feature"] + drawn["error"] + drawn["constant"] <= most
    assert_tidy(picture)


def test_the_strongest_nodes_are_drawn():
    graph = layered_graph(5, n_layers=4, n_features=30)
    influence = graph.node_influence()
    drawn = {name for name, group in groups(draw(graph, most_nodes=6)).items() if group.get("class") == "node feature"}
    order = np.argsort(-influence[graph.layout.features])
    assert drawn == {graph.nodes.ids[i] for i in order[: len(drawn)]}
    assert drawn


def test_constants_are_drawn_only_among_the_strongest_and_say_so():
    graph = small_graph(features=("f", "g"))
    bias = Nodes.of(NodeKind.BIAS, layer=0, labels=["MLP bias, layer 0"])
    parts = [graph.nodes.take(np.arange(4)), bias, graph.nodes.take(np.array([4]))]
    for strength, expected in ((9.0, 1), (0.5, 0)):
        dense = np.zeros((6, 6))
        dense[5, [0, 1, 4]] = 1.0, 1.0, strength
        edges = {"adjacency": csr_array(dense), "rest_sum": np.zeros(6), "rest_abs": np.zeros(6)}
        picture = draw(replace(graph, nodes=Nodes.join(*parts), **edges), most_nodes=4)
        drawn = [group for group in groups(picture).values() if group.get("class") == "node constant"]
        assert len(drawn) == expected
        assert all("constant" in [text.text for text in group.iter(f"{SVG}text")] for group in drawn)


def test_edges_are_wide_by_score_and_coloured_by_sign():
    graph = small_graph(features=("f", "g"), edges=[(4, 0, 6.0), (4, 1, -2.0), (4, 2, 1.0), (0, 3, 1.0)])
    edges = list(parsed(draw(graph)).find(f".//{SVG}g[@class='edges']"))
    widths = sorted(float(edge.get("stroke-width")) for edge in edges)
    assert sorted(edge.get("class") for edge in edges) == ["down", "up", "up", "up"]
    (negative,) = [float(edge.get("stroke-width")) for edge in edges if edge.get("class") == "down"]
    # shares of the target's input: 6/9 (twice: the feature's only source carries the same flow), 2/9, 1/9
    assert widths[1] == negative
    assert widths[0] < widths[1] < widths[2] == widths[3]
    thinnest, thickest = 0.9, 5.0
    assert negative == pytest.approx(thinnest + (thickest - thinnest) * np.sqrt(2 / 6), abs=0.01)


def test_features_show_their_label_or_the_two_tokens_they_promote_most():
    graph = small_graph(features=("", "sums"), edges=[(4, 0, 1.0), (4, 1, 1.0)])
    effects = {name: TokenEffects((("95", 2.0), ("94", 1.0), ("93", 0.5)), ()) for name in graph.nodes.ids[:2]}
    found = groups(draw(replace(graph, effects=effects)))
    said = {name: [text.text for text in found[name].iter(f"{SVG}text")] for name in effects}
    assert said == {"0_0_1": ["0/0", "↑ 95 · 94"], "0_1_1": ["0/1", "sums"]}


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "a\x00\x1b[2J\n", "]]>&amp;\"'", "\ud800\uffff", "﷽" * 9]
)
def test_hostile_texts_are_only_texts(text):
    graph = small_graph(
        tokens=(text, text), labels=(text,), features=(text,), prompt=text, edges=[(3, 0, 1.0), (0, 1, 1.0)]
    )
    graph = replace(graph, model=text, basis=text, effects={"0_0_1": TokenEffects(((text, 1.0),), ())})
    nodes = replace(graph.nodes, ids=(f"0_{text}", *graph.nodes.ids[1:]))
    picture = draw(replace(graph, nodes=nodes, effects={}))
    for drawn in (picture, draw(graph)):
        tags = {element.tag.removeprefix(SVG) for element in parsed(drawn).iter()}
        assert tags <= {"svg", "style", "rect", "g", "path", "text", "title"}
        assert drawn.replace("\n", "").isprintable()
        assert_tidy(drawn)
    assert picture.encode("utf-8")


@pytest.mark.parametrize("label", ["W" * 60, "漢字" * 30, "i" * 200])
def test_long_labels_are_cut(label):
    picture = draw(small_graph(tokens=(label, label), labels=(label,), features=(label,), edges=[(3, 0, 1.0)]))
    shown = [text.text for text in parsed(picture).iter(f"{SVG}text")]
    assert sum(text.endswith("…") for text in shown) >= 4
    assert_tidy(picture)


def test_a_graph_without_anything():
    nodes = Nodes.of(NodeKind.FEATURE, ids=())
    nothing = np.zeros(0)
    graph = replace(
        hand_graph(), nodes=nodes, adjacency=csr_array((0, 0)), rest_sum=nothing, rest_abs=nothing, prompt="", tokens=()
    )
    picture = draw(graph)
    assert groups(picture) == {}
    assert "(no prompt)" in picture
    assert_tidy(picture)


def test_a_graph_without_edges_shows_tokens_and_targets():
    graph = small_graph()
    assert {group.get("class") for group in groups(draw(graph)).values()} == {"node token", "node target"}


@pytest.mark.parametrize("count", [40, 3000])
def test_a_long_prompt_keeps_its_strongest_tokens_and_marks_the_gaps(count):
    edges = [(count + 1, 0, 1.0), (0, 1 + 7, 5.0), (0, 1 + 30, 1.0)]
    picture = draw(small_graph(tokens=tuple(f"token{i}" for i in range(count)), edges=edges))
    drawn = groups(picture)
    assert {"E_7_7", "E_30_30", "0_0_" + str(count - 1)} <= set(drawn)
    assert 6 < len(drawn) < 24
    assert "…" in [text.text for text in parsed(picture).iter(f"{SVG}text")]
    assert parsed(picture).get("width") == "900"
    assert_tidy(picture)


def test_a_crowd_of_targets_stands_in_rows():
    picture = draw(small_graph(labels=tuple(f"word {i}" for i in range(60)), tokens=("a",)))
    assert sum(group.get("class") == "node target" for group in groups(picture).values()) == 40
    assert_tidy(picture)


@pytest.mark.parametrize("name", ["capital-state-dallas", "dallas-austin-llamma"])
def test_graphs_of_other_programs(fixtures_dir, name):
    graph = read_graph(fixtures_dir / "graphs" / f"{name}.json")
    picture = draw(graph)
    drawn = groups(picture)
    always = range(graph.layout.tokens.start, graph.layout.targets.stop)
    assert {graph.nodes.ids[i] for i in always} <= set(drawn)
    assert len(drawn) == 28 + len(always)
    assert "not in this file" in picture
    assert parsed(picture).get("width") == "900"
    assert_tidy(picture)


def test_scores_are_printed_as_intervals():
    graph = layered_graph(2).with_scores()
    assert graph.scores is not None
    assert f"replacement {graph.scores.replacement.as_published}" in draw(graph)
    assert f"completeness {graph.scores.completeness.as_published}" in draw(graph)


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_texts_and_edges_have_contrast_in_both_schemes():
    style = parsed(draw(hand_graph())).findtext(f"{SVG}style")
    for scheme in style.split("@media (prefers-color-scheme: dark)"):
        colour = dict(re.findall(r"\.([\w ]+)\{(?:fill|stroke):(#\w{6})", scheme))
        grounds = [luminance(colour[name]) for name in ("page", "band rect", "node rect", "token rect", "target rect")]
        for names, least, behind in ((("ink", "soft"), 4.5, grounds), (("up", "down"), 3.0, grounds[:2])):
            for name in names:
                for ground in behind:
                    light, dark = sorted((luminance(colour[name]), ground), reverse=True)
                    assert (light + 0.05) / (dark + 0.05) >= least


def test_the_same_graph_gives_the_same_picture():
    first, second = (draw(layered_graph(4, n_features=40)) for _ in range(2))
    assert first == second


def test_fewer_nodes_than_none_are_refused():
    with pytest.raises(ConfigError, match="0 or more"):
        draw(hand_graph(), most_nodes=-1)


def test_boxes_of_a_cell_stand_in_the_order_of_influence():
    picture = draw(small_graph(features=("",) * 5, edges=[(7, i, 5.0 - i) for i in range(5)]))
    boxes = {name: group.find(f"{SVG}rect") for name, group in groups(picture).items()}
    places = [(float(boxes[f"0_{i}_1"].get("y")), float(boxes[f"0_{i}_1"].get("x"))) for i in range(5)]
    assert all(one < next_one for one, next_one in pairwise(places))
