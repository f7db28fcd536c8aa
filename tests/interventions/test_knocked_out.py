"""Features held at 0 in the running model, against one edit after another and against hooks of our own."""

from collections.abc import Callable

import pytest
import torch

from gearscope.ids import FeatureAt
from gearscope.interventions.changes import Change
from gearscope.interventions.config import InterventionConfig
from gearscope.interventions.knocked_out import knock_out
from gearscope.interventions.measure import Measured, measure
from gearscope.interventions.scene import Scene
from gearscope.interventions.writing import written
from tests.interventions.conftest import IDS, Traced

Open = Callable[[str, str], Traced]
CASES = [("llama", "skip clt"), ("llama", "topk"), ("gemma2", "behind the post-norm"), ("gpt2", "before the gain")]


def run(scene: Scene, changes: list[Change]) -> Measured:
    """Everything live, fixed vectors added."""
    config = InterventionConfig(mode="free")
    rows = written(scene.prompt, scene.basis, changes)[None]
    return measure(
        scene.model, scene.prompt, scene.replacement, rows, config=config, held=range(0), site=scene.basis.reads
    )


def place(case: Traced, i: int) -> FeatureAt:
    nodes = case.graph.nodes
    return FeatureAt(int(nodes.layer[i]), int(nodes.index[i]), int(nodes.position[i]))


@pytest.mark.parametrize(("family", "basis"), CASES)
def test_a_later_feature_loses_what_it_is_in_the_run_without_the_earlier_one(
    traced: Open, family: str, basis: str
) -> None:
    case = traced(family, basis)
    scene, ids = case.bench.scene(case.graph), torch.tensor(IDS)
    early, late = (place(case, i) for i in case.sources())
    before = [scene.activation(feature) for feature in (early, late)]
    first = Change(early, None, before[0], 0.0)
    without = run(scene, [first])
    x = without.inputs[late.layer][:, late.position]
    now = float(scene.basis.levels(late.layer, torch.tensor([late.index]), x, None).activation)
    wanted = run(scene, [first, Change(late, None, now, 0.0)]).logits[0]
    out = torch.tensor([[True, True], [True, False], [False, False]])
    found = scene.model.run(ids.expand(3, -1), edits=knock_out(scene, [early, late], out)).logits
    close = {"rtol": 1e-5, "atol": 1e-5}  # transformers rounds norms to 32 bits
    torch.testing.assert_close(found[0], wanted, **close)
    torch.testing.assert_close(found[1], without.logits[0], **close)
    torch.testing.assert_close(found[2], scene.prompt.logits, **close)
    assert not torch.allclose(found[0], found[2])


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_neurons_are_silent_before_the_output_matrix(traced: Open, family: str) -> None:
    case = traced(family, "neurons")
    scene = case.bench.scene(case.graph)
    features = [place(case, i) for i in case.sources()]
    hf = case.bench.model.anatomy.hf
    blocks = hf.transformer.h if family == "gpt2" else hf.model.layers
    hooks = []
    for feature in features:
        mlp = blocks[feature.layer].mlp
        down = mlp.c_proj if family == "gpt2" else mlp.down_proj

        def silence(_, inputs, feature=feature):
            acts = inputs[0].clone()
            acts[:, feature.position, feature.index] = 0
            return (acts,)

        hooks.append(down.register_forward_pre_hook(silence))
    with torch.no_grad():
        wanted = hf(torch.tensor([IDS])).logits[0]
    for hook in hooks:
        hook.remove()
    out = torch.ones(1, len(features), dtype=torch.bool)
    found = scene.model.run(torch.tensor([IDS]), edits=knock_out(scene, features, out)).logits[0]
    torch.testing.assert_close(found, wanted)
    assert not torch.allclose(found, scene.prompt.logits)
