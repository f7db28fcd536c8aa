"""Gates, on random models for their laws and on the bundled model for what they are there to find."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from gearscope.errors import ConfigError
from gearscope.graph.graph import Supernode
from gearscope.ids import FeatureAt
from gearscope.interventions.gate_report import GateReport
from gearscope.interventions.gates import find_gates
from gearscope.interventions.knocked_out import knock_out
from gearscope.interventions.proof_text import describe_gates
from gearscope.workbench import Workbench
from tests.interventions.conftest import IDS, Traced


@pytest.fixture(scope="module")
def case(traced: Callable[[str, str], Traced]) -> Traced:
    found = traced("llama", "skip clt")
    group = Supernode("pair", tuple(found.graph.nodes.ids[i] for i in found.sources()))
    return found._replace(graph=replace(found.graph, supernodes=(group,)))


@pytest.fixture(scope="module")
def found(case: Traced) -> GateReport:
    return find_gates(case.bench.scene(case.graph), most=3)


def test_every_gate_does_what_it_says_when_it_is_held_at_0(case: Traced, found: GateReport) -> None:
    scene = case.bench.scene(case.graph)
    before = scene.prompt.logits[-1].double().softmax(-1)
    answer = int(before.argmax())
    assert found.gates
    for gate in found.gates:
        features = [FeatureAt.parse(name) for name in gate.features]
        edits = knock_out(scene, features, torch.ones(1, len(features), dtype=torch.bool))
        after = scene.model.run(torch.tensor([IDS]), edits=edits).logits[0, -1].double().softmax(-1)
        assert gate.after == pytest.approx(float(after[gate.released_id]))
        assert gate.answer_after == pytest.approx(float(after[answer]))
        assert gate.flips == (int(after.argmax()) != answer)
        assert gate.before == pytest.approx(float(before[gate.released_id]))
        assert gate.released_id != answer
        assert gate.supernode is not None or len(features) <= 3
        assert gate.supernode is not None or {feature.position for feature in features} == set(gate.positions)


def test_flips_come_first_and_each_place_and_token_once(found: GateReport) -> None:
    keys = [(not gate.flips, -gate.after) for gate in found.gates]
    assert all(one <= other for one, other in pairwise(keys))
    places = [(gate.supernode or gate.positions, gate.released_id) for gate in found.gates]
    assert len(set(places)) == len(places)


def test_the_graphs_groups_are_tried_too(case: Traced, found: GateReport) -> None:
    mine = [gate for gate in found.gates if gate.supernode == "pair"]
    assert [set(gate.features) for gate in mine] == [{case.feature(i) for i in case.sources()}]


def test_the_same_seed_gives_the_same_control(case: Traced, found: GateReport) -> None:
    assert find_gates(case.bench.scene(case.graph), most=3) == found
    assert GateReport.from_json(found.to_json()) == found
    assert "pair" in describe_gates(found, most=20)
    with pytest.raises(ConfigError, match="gates of one feature or more"):
        find_gates(case.bench.scene(case.graph), most=0)


def test_who_is_known_holds_down_that_nothing_is_known() -> None:
    bench = Workbench.open(basis="clt")
    found = find_gates(bench.scene(bench.trace("what sport does alice smith play ?")))
    name = {found.tokens.index("alice"), found.tokens.index("smith")}
    first = found.gates[0]
    assert (found.answer, first.released) == ("chess", "i")
    assert first.flips
    assert set(first.positions) <= name
    assert first.after > 0.5
    assert first.control < 0.05
