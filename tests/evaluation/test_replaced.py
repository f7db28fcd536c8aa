"""The replaced run against a model whose MLPs are really other modules, and against no replacement at all."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gearscope.dictionaries.collection import DictionarySet
from gearscope.errors import DictionaryError
from gearscope.evaluation.replaced import constant_logits, in_model, replaced_logits
from gearscope.models.model import wrap
from tests.oracles.counted_corpus import Counted
from tests.oracles.planted_dictionaries import Plain, Plan, plant_set
from tests.oracles.tiny_models import WIDTH, tiny

L = 2
IDS = Counted(context=7).take(5, None).ids


class InsteadOf(nn.Module):
    """An MLP that writes what plain matrices say, except at the first position. Sees what earlier ones have read."""

    def __init__(self, layer: int, plain: Plain, mlp: nn.Module, read: dict[int, torch.Tensor]) -> None:
        super().__init__()
        self.layer, self.plain, self.mlp, self.read = layer, plain, mlp, read

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.read[self.layer] = x
        out = self.plain.b_dec[self.layer].expand_as(x).clone()
        for source, seen in self.read.items():
            if (source, self.layer) in self.plain.W_dec:
                codes = self.plain.activations(source, seen.flatten(0, 1))
                out += (codes @ self.plain.W_dec[source, self.layer]).view_as(x)
        if self.plain.W_skip is not None:
            out += x @ self.plain.W_skip[self.layer].T
        out[:, 0] = self.mlp(x)[:, 0]
        return out


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
@pytest.mark.parametrize(
    "plan", [Plan(), Plan(cross_layer=True), Plan(skip=True), Plan(activation="topk", k=3)], ids=str
)
def test_against_a_model_with_other_mlps(family, plan):
    dictionaries, plain = plant_set(plan, L, WIDTH, dtype=torch.float32)
    model = wrap(tiny(family))
    found = replaced_logits(model, in_model(dictionaries, model, IDS[0]), IDS)
    hf, read = tiny(family), {}
    blocks = {
        "gpt2": lambda: hf.transformer.h,
        "llama": lambda: hf.model.layers,
        "gpt_neox": lambda: hf.gpt_neox.layers,
    }
    for layer, block in enumerate(blocks[family]()):
        block.mlp = InsteadOf(layer, plain, block.mlp, read)
    with torch.no_grad():
        expected = hf(IDS).logits
    assert torch.allclose(found, expected, atol=1e-4)


def test_sites_at_their_means_leave_nothing_of_the_token():
    """All MLPs at constants and everything else live: a model whose MLPs write those constants."""
    model, hf = wrap(tiny("llama")), tiny("llama")
    means = {f"blocks.{layer}.mlp_out": torch.randn(WIDTH) for layer in range(L)}
    found = constant_logits(model, means, IDS)
    for block, mean in zip(hf.model.layers, means.values(), strict=True):

        def put(_module, _inputs, output, mean=mean):
            return torch.cat([output[:, :1], mean.expand_as(output[:, 1:])], dim=1)

        block.mlp.register_forward_hook(put)
    with torch.no_grad():
        expected = hf(IDS).logits
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_gain_that_is_left_out_is_folded_in():
    model = wrap(tiny("llama"))
    before, _ = plant_set(Plan(read_form="before_gain"), L, WIDTH, dtype=torch.float32)
    folded = in_model(before, model, IDS[0])
    gains = [layer.post_attention_layernorm.weight for layer in model.anatomy.hf.model.layers]
    for dictionary, plain, gain in zip(folded.dictionaries, before.dictionaries, gains, strict=True):
        assert torch.allclose(dictionary.W_enc * gain, plain.W_enc, atol=1e-6)


def test_dictionaries_that_do_not_fit_are_one_clear_error():
    model = wrap(tiny("gemma2"))
    wide, _ = plant_set(Plan(), L, WIDTH + 2, dtype=torch.float32)
    with pytest.raises(DictionaryError, match="2 layers and width 16 were expected; found width 18"):
        in_model(wide, model, IDS[0])
    deep, _ = plant_set(Plan(), L + 1, WIDTH, dtype=torch.float32)
    with pytest.raises(DictionaryError, match="one for layer 2"):
        in_model(deep, model, IDS[0])
    early, _ = plant_set(Plan(), L, WIDTH, dtype=torch.float32)
    with pytest.raises(DictionaryError, match="behind the post-norm"):
        in_model(early, model, IDS[0])


def test_an_sae_is_put_where_it_reads():
    model = wrap(tiny("llama"))
    plain, _ = plant_set(Plan(), 1, WIDTH, dtype=torch.float32)
    (one,) = plain.dictionaries
    settings = {"reads": ("blocks.0.resid_post",), "writes": ("blocks.0.resid_post",), "write_form": "site"}
    sae = DictionarySet(dictionaries=(replace(one, config=one.config.model_copy(update=settings)),))
    found = replaced_logits(model, sae, IDS)
    hf = tiny("llama")

    def put(_module, _inputs, output):
        new = sae.dictionaries[0].reconstruct(output[:, 1:].flatten(0, 1)[:, None])[:, 0]
        return torch.cat([output[:, :1], new.view_as(output[:, 1:])], dim=1)

    hf.model.layers[0].register_forward_hook(put)
    with torch.no_grad():
        expected = hf(IDS).logits
    assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("plan", [Plan(cross_layer=True), Plan(skip=True)], ids=str)
def test_the_slope_of_the_replaced_run_is_that_of_finite_differences(plan):
    model = wrap(tiny("gpt2").double())
    dictionaries, _ = plant_set(plan, L, WIDTH)
    first = dictionaries.dictionaries[0]

    def score(W_dec: torch.Tensor, b_enc: torch.Tensor, *, differentiable: bool) -> torch.Tensor:
        changed = replace(first, W_dec=W_dec, b_enc=b_enc)
        made = replace(dictionaries, dictionaries=(changed, *dictionaries.dictionaries[1:]))
        return replaced_logits(model, made, IDS, differentiable=differentiable).log_softmax(-1)[:, -1, 3].sum()

    at = [first.W_dec.clone().requires_grad_(True), first.b_enc.clone().requires_grad_(True)]
    score(*at, differentiable=True).backward()
    generator = torch.Generator().manual_seed(0)
    along = [torch.randn(tensor.shape, generator=generator, dtype=torch.float64) for tensor in at]
    steps = [[tensor.detach() + side * 1e-6 * way for tensor, way in zip(at, along, strict=True)] for side in (1, -1)]
    ahead, behind = (float(score(*moved, differentiable=False)) for moved in steps)
    slope = sum(float((tensor.grad * way).sum()) for tensor, way in zip(at, along, strict=True))
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-5)
    assert abs(slope) > 1e-4
