"""Redundancy sweeps: their ends are known, and their orders are what they say."""

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from gearscope.errors import ConfigError, GraphError
from gearscope.graph.prune import prune
from gearscope.ids import FeatureAt
from gearscope.interventions.knocked_out import knock_out
from gearscope.interventions.proof_text import describe_survival
from gearscope.interventions.redundancy import sweep
from gearscope.interventions.survival import Survival
from gearscope.interventions.survival_picture import draw_survival
from tests.interventions.conftest import IDS, Traced

Open = Callable[[str, str], Traced]


@pytest.fixture(scope="module")
def case(traced: Open) -> Traced:
    found = traced("llama", "clt")
    return found._replace(graph=prune(found.graph, 0.7))


@pytest.fixture(scope="module")
def found(case: Traced) -> Survival:
    return sweep(case.bench.scene(case.graph), draws=3, shares=(0.0, 0.5, 1.0))


def test_nothing_out_is_the_prompt_and_everything_out_is_the_same_in_every_order(case: Traced, found: Survival) -> None:
    lines = {line.order: line for line in found.lines}
    assert list(lines) == ["influence", "random", "outside"]
    assert [line.draws for line in found.lines] == [1, 3, 3]
    logits = case.bench.scene(case.graph).prompt.logits[-1]
    answer = max(case.graph.nodes.probability[case.graph.layout.targets])
    for line in found.lines:
        first = line.points[0]
        assert (first.count, first.kl, first.kl_std) == (0, pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))
        assert first.probability == pytest.approx(answer)
        assert first.logit == pytest.approx(float((logits - logits.mean()).max()))
    whole, random = lines["influence"].points[-1], lines["random"].points[-1]
    assert whole.count == found.features == case.graph.layout.features.stop
    assert random.probability == pytest.approx(whole.probability)
    assert random.probability_std == pytest.approx(0, abs=1e-9)


def test_the_most_influential_half_goes_first(case: Traced, found: Survival) -> None:
    nodes, scene = case.graph.nodes, case.bench.scene(case.graph)
    assert case.graph.influence is not None
    order = np.argsort(-case.graph.influence[case.graph.layout.features], kind="stable")
    count = found.lines[0].points[1].count
    assert count == round(len(order) / 2)
    features = [FeatureAt(int(nodes.layer[i]), int(nodes.index[i]), int(nodes.position[i])) for i in order[:count]]
    edits = knock_out(scene, features, torch.ones(1, count, dtype=torch.bool))
    logits = scene.model.run(torch.tensor([IDS]), edits=edits).logits[0, -1]
    answer = int(scene.prompt.logits[-1].argmax())
    assert found.lines[0].points[1].probability == pytest.approx(float(logits.softmax(-1)[answer]))


def test_the_seed_decides_what_is_random(case: Traced, found: Survival) -> None:
    scene = case.bench.scene(case.graph)
    assert sweep(scene, draws=3, shares=(0.0, 0.5, 1.0)) == found
    assert sweep(scene, draws=3, seed=1, shares=(0.0, 0.5, 1.0)).lines[1] != found.lines[1]


def test_text_and_picture_say_where_the_answer_falls(found: Survival) -> None:
    text = describe_survival(found)
    assert "the most influential first" in text
    assert "others, not in the circuit, 3 draws: below 50 %" in text
    picture = ElementTree.fromstring(draw_survival(found))
    drawn = [element.get("class") for element in picture.iter() if element.tag.endswith("polyline")]
    assert drawn == ["influence", "random", "outside"] * 2
    assert Survival.from_json(found.to_json()) == found
    strange = found.model_copy(update={"prompt": "<b>\x1b", "answer": "&"})
    assert "<b>" not in draw_survival(strange)
    assert "\x1b" not in draw_survival(strange) + describe_survival(strange)


def test_what_cannot_be_swept_is_said(case: Traced) -> None:
    scene = case.bench.scene(case.graph)
    with pytest.raises(ConfigError, match="shares from 0 to 1"):
        sweep(scene, shares=(2.0,))
    with pytest.raises(ConfigError, match="at least one draw"):
        sweep(scene, draws=0)
    feature = case.bench.trace(IDS, target_feature=case.feature(case.graph.layout.features.stop - 1))
    with pytest.raises(GraphError, match="explains no token"):
        sweep(case.bench.scene(replace(feature, supernodes=())))
