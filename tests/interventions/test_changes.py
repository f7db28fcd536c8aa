"""Edits resolved against hand-made graphs with supernodes."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from gearscope.errors import ConfigError, GraphError
from gearscope.graph.graph import AttributionGraph, Supernode
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.ids import FeatureAt, FeatureId
from gearscope.interventions.changes import Change, Situation, resolve
from gearscope.interventions.edits import parse_edits

CURRENT = {FeatureAt(0, 5, 1): 2.0, FeatureAt(0, 6, 1): -1.5, FeatureAt(1, 5, 2): 4.0}


def graph(activations: dict[FeatureAt, float], groups: list[Supernode], n_tokens: int = 3) -> AttributionGraph:
    places = sorted(activations)
    nodes = Nodes.join(
        Nodes.of(
            NodeKind.FEATURE,
            layer=[place.layer for place in places],
            index=[place.index for place in places],
            position=[place.position for place in places],
            activation=[activations[place] for place in places],
        ),
        Nodes.of(NodeKind.TOKEN, position=np.arange(n_tokens), index=np.arange(n_tokens)),
        Nodes.of(NodeKind.TARGET, layer=2, position=n_tokens - 1, index=7, probability=1.0, weight=1.0),
    )
    none = np.zeros(len(nodes))
    return AttributionGraph(
        nodes=nodes,
        adjacency=csr_array((len(nodes), len(nodes))),
        rest_sum=none,
        rest_abs=none,
        prompt="",
        tokens=("a",) * n_tokens,
        model="m",
        basis="b",
        supernodes=tuple(groups),
    )


OURS = graph(
    CURRENT,
    [
        Supernode("pair", ("0_5_1", "0_6_1")),
        Supernode("one", ("1_5_2", "E_0_0")),
        Supernode("words", ("E_1_1",)),
        Supernode("twins", ("0_5_1",)),
        Supernode("twins", ("0_6_1",)),
    ],
)
OTHER = graph(
    {FeatureAt(0, 6, 1): 9.0, FeatureAt(0, 8, 2): 3.0, FeatureAt(1, 1, 1): np.nan},
    [Supernode("theirs", ("0_6_1", "0_8_2")), Supernode("unknown", ("1_1_1",))],
)


def changed(*edits: str, other: AttributionGraph = OTHER) -> tuple[dict[str, tuple[float, float]], list[str]]:
    situation = Situation(
        graph=OURS,
        others={"other.json": other},
        activation=lambda place: CURRENT.get(place, 0.0),
        maximum=lambda feature: {FeatureId(0, 5): 8.0}[feature],
    )
    changes, warnings = resolve(parse_edits(edits), situation)
    return {str(change.feature): (change.before, change.after) for change in changes}, warnings


@pytest.mark.parametrize(
    ("edit", "after"),
    [
        ("=3", 3.0),
        ("=-2", -2.0),
        ("=0.5max", 4.0),
        ("*3", 6.0),
        ("*0", 0.0),
        ("*-1", -2.0),
        ("+1.5", 3.5),
        ("+-3", -1.0),
    ],
)
def test_amounts(edit: str, after: float) -> None:
    assert changed(f"0/5@1{edit}") == ({"0/5@1": (2.0, after)}, [])


def test_a_group_is_each_of_its_members() -> None:
    assert changed("supernode:pair*2")[0] == {"0/5@1": (2.0, 4.0), "0/6@1": (-1.5, -3.0)}


def test_members_that_are_no_features_are_named() -> None:
    found, warnings = changed("supernode:one*0")
    assert found == {"1/5@2": (4.0, 0.0)}
    assert "E_0_0" in warnings[0]


def test_a_swap_takes_one_group_out_and_puts_the_other_in() -> None:
    found, warnings = changed("swap:pair<-other.json:theirs", "1/5@2*0")
    assert found == {"0/5@1": (2.0, 0.0), "0/6@1": (-1.5, 9.0), "0/8@2": (0.0, 3.0), "1/5@2": (4.0, 0.0)}
    assert warnings == []


@pytest.mark.parametrize(
    ("edits", "error", "words"),
    [
        (["0/5@2*0"], GraphError, "no such node"),
        (["2/7@2*0"], GraphError, "a target"),
        (["supernode:nobody*0"], GraphError, "'pair', 'one'"),
        (["supernode:words*0"], GraphError, "should have features"),
        (["supernode:twins*0"], GraphError, "2 of that name"),
        (["supernode:pair*0", "0/5@1*2"], ConfigError, "contradict"),
        (["swap:pair<-other.json:theirs", "0/6@1*2"], ConfigError, "contradict"),
        (["swap:pair<-other.json:nobody"], GraphError, "other.json"),
        (["swap:pair<-other.json:unknown"], GraphError, "activations"),
    ],
)
def test_what_cannot_be(edits: list[str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        changed(*edits)


def test_a_swap_needs_prompts_of_one_length() -> None:
    longer = graph({FeatureAt(0, 6, 1): 9.0}, [Supernode("theirs", ("0_6_1",))], n_tokens=4)
    with pytest.raises(ConfigError, match="3 tokens here and 4"):
        changed("swap:pair<-other.json:theirs", other=longer)


def test_nothing_to_do_is_said() -> None:
    assert "change nothing" in changed("0/5@1*1")[1][0]


def test_ablation_leaves_a_plain_zero() -> None:
    situation = Situation(graph=OURS, others={}, activation=lambda _: -1.5, maximum=lambda _: 1.0)
    changes, _ = resolve(parse_edits(["0/6@1*0"]), situation)
    assert changes == [Change(FeatureAt(0, 6, 1), "0_6_1", -1.5, 0.0)]
    assert str(changes[0].after) == "0.0"
