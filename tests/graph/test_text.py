from dataclasses import replace

import numpy as np
import pytest

from gearscope.graph.graph import Supernode, TokenEffects
from gearscope.graph.prune import prune
from gearscope.graph.store import read_graph
from gearscope.graph.text import clipped, describe, printable
from tests.oracles.hand_graph import hand_graph
from tests.oracles.layered_graphs import capped, layered_graph


def section(text, title):
    return next(part for part in text.split("\n\n") if part.startswith(title)).split("\n")[1:]


def test_the_hand_made_graph_as_text():
    text = describe(hand_graph())
    assert "5 features, 4 errors, 2 tokens, 1 target, 10 edges" in text
    inputs = section(text, "WHAT FEEDS")
    assert len(inputs) == 4
    assert all(line.split()[:2] == ["+10.000", "25.0%"] for line in inputs)
    paths = section(text, "STRONGEST PATHS")
    assert paths[0].split()[0] == "+12.50%"
    assert paths[0].endswith('-> 0/1@1 -> "2_0_1"') or '-> 0/1@1 -> "' in paths[0]
    fed = section(text, "WHAT THE PROMPT FEEDS")
    assert fed[0].split()[:2] == ['"a"@0', "25.0%"]
    assert "WHAT INHIBITS" not in text


def test_inhibition_lists_only_negative_edges_strongest_first():
    text = describe(layered_graph(0, density=0.9))
    weights = [float(line.split()[0]) for line in section(text, "WHAT INHIBITS")]
    assert weights == sorted(weights)
    assert max(weights) < 0


def test_a_full_graph_fits_the_screen():
    graph = layered_graph(1, n_features=60, n_layers=5)
    graph = replace(graph, supernodes=tuple(Supernode(f"group {i}", (graph.nodes.ids[i],)) for i in range(30)))
    text = describe(prune(capped(graph, np.arange(5, 10)).with_scores()), width=90)
    lines = text.split("\n")
    assert 30 < len(lines) <= 80
    assert max(map(len, lines)) <= 90
    assert "unexpanded features" in " ".join(text.split())
    assert " to " in section(text, "SCORES")[0]
    assert "every row sums to its value" in text
    assert "all nodes that are not in this graph" in text


def test_token_effects_stand_beside_the_strongest_nodes():
    graph = hand_graph()
    graph = replace(graph, effects={graph.nodes.ids[3]: TokenEffects((("95", 2.0),), (("11", -1.0),))})
    assert "raises 95, lowers 11" in describe(graph)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("capital-state-dallas", ["Texas-related", "say Austin", '"Austin" (98.4%)', "not in this file"]),
        ("dallas-austin-llamma", ['" Dallas"@8', '" Austin" (39.6%)', "20/15589@9"]),
    ],
)
def test_graphs_of_other_programs_show(fixtures_dir, name, words):
    text = describe(read_graph(fixtures_dir / "graphs" / f"{name}.json"))
    assert all(word in text for word in words)
    assert 40 < len(text.split("\n")) <= 80


def test_text_of_files_cannot_steer_the_terminal():
    assert printable("a\x1b[2J\n\ud800é") == "a\\x1b[2J\\n\\ud800é"
    graph = replace(hand_graph(), prompt="\x1b", tokens=("\x1b[2J", "b\n"), model="m\r")
    assert describe(graph).replace("\n", "").isprintable()


def test_long_lines_are_cut():
    assert clipped("abcdef", 4) == "abc…"
    assert clipped("abcd", 4) == "abcd"
