"""Token effects against their definition: a feature's writes, through the frozen final norm, on demeaned logits."""

import pytest
import torch

from gearscope.attribution.effects import direct_effects
from gearscope.models.model import wrap
from tests.oracles.planted_basis import plant
from tests.oracles.tiny_models import FAMILIES, tiny

IDS = torch.tensor([0, 5, 9, 3, 7])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cross_layer", [False, True])
def test_effects_are_the_direct_path(family: str, cross_layer: bool) -> None:
    prompt = wrap(tiny(family, dtype=torch.float64, n_layers=3)).record(IDS)
    planted = plant(prompt, 10, cross_layer=cross_layer)
    chosen = torch.arange(0, len(planted.active), 5)
    found = direct_effects(prompt, planted, chosen, 4)
    demeaned = prompt.W_U - prompt.W_U.mean(0)
    for row, number in enumerate(chosen.tolist()):
        layer, position = int(planted.active.layer[number]), int(planted.active.position[number])
        written = torch.zeros(prompt.d_model, dtype=torch.float64)
        for target in range(layer, prompt.n_layers):
            if (layer, target) in planted.W_dec:
                vector = planted.active.activation[number] * planted.W_dec[layer, target][planted.active.index[number]]
                post = prompt.blocks[target].mlp_post_norm
                written += vector if post is None else vector * post.weight * post.scale[position]
        norm = prompt.final_norm
        centred = written - written.mean() if norm.centred else written
        effect = demeaned @ (centred * norm.weight * norm.scale[position])
        up, down = effect.sort(descending=True), effect.sort()
        torch.testing.assert_close(found.promoted_by[row], up.values[:4])
        torch.testing.assert_close(found.suppressed_by[row], down.values[:4])
        assert found.promoted[row].tolist() == up.indices[:4].tolist()
        assert found.suppressed[row].tolist() == down.indices[:4].tolist()
