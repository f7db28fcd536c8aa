"""The maps: which families there are, and that the weights found through them have one shape for all."""

import pytest
import torch

from gearscope.errors import ModelError
from gearscope.models.anatomy import Anatomy
from gearscope.models.families import FAMILIES as MAPS
from gearscope.models.families import family_of
from tests.oracles.tiny_models import FAMILIES, HEADS, KEY_HEADS, WIDTH, tiny


def test_known_families() -> None:
    assert sorted(MAPS) == sorted(FAMILIES)
    assert all(family_of(name).model_type == name for name in FAMILIES)
    for unknown in ("bloom", None):
        with pytest.raises(ModelError, match=rf"\(gpt2, llama, .*gpt_neox.*\); found model_type {unknown!r}"):
            family_of(unknown)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("heads", KEY_HEADS)
def test_weights_have_one_shape(family: str, heads: str) -> None:
    anatomy = Anatomy(tiny(family, heads=heads))
    plain = family in ("gpt2", "gpt_neox")
    groups = HEADS if plain else KEY_HEADS[heads]
    E = 6 if family in ("gemma2", "gemma3_text", "qwen3", "qwen3_moe", "gpt_oss") else 4
    attention = anatomy.attention(1, torch.zeros(HEADS, 3, 3))
    assert attention.W_V.shape == (groups, WIDTH, E)
    assert attention.W_O.shape == (HEADS, E, WIDTH)
    mlp = anatomy.neurons(0)
    n_experts = {"mixtral": 3, "qwen3_moe": 4, "gpt_oss": 3}.get(family, 1)
    assert (len(mlp.experts), mlp.n_neurons) == (n_experts, 24 if n_experts == 1 else 8 * n_experts)
    for expert in mlp.experts:
        assert (expert.W_gate is None) == plain
        assert expert.W_in.shape == expert.W_out.shape == (mlp.n_neurons // n_experts, WIDTH)
        assert (expert.b_in is not None) == (expert.b_out is not None) == (plain or family == "gpt_oss")
    assert (anatomy.W_U.shape, anatomy.b_U) == ((11, WIDTH), None)
    assert len(anatomy.norms()) == 1 + 2 * (4 if family.startswith("gemma") else 2)
    assert len(anatomy.head_norms()) == 2 * (2 if family in ("gemma3_text", "qwen3", "qwen3_moe") else 0)


def test_weights_are_the_models_own() -> None:
    """Views, not copies: nothing is doubled in memory."""
    hf = tiny("gpt_neox")
    assert (
        Anatomy(hf).attention(0, torch.zeros(HEADS, 3, 3)).W_V.untyped_storage().data_ptr()
        == hf.gpt_neox.layers[0].attention.query_key_value.weight.untyped_storage().data_ptr()
    )
    for family in ("mixtral", "gpt_oss"):
        hf = tiny(family)
        stored, expert = hf.model.layers[0].mlp.experts, Anatomy(hf).neurons(0).experts[2]
        for view, own in ((expert.W_gate, stored.gate_up_proj), (expert.W_in, stored.gate_up_proj)):
            assert view is not None
            assert view.untyped_storage().data_ptr() == own.untyped_storage().data_ptr()
        assert expert.W_out.untyped_storage().data_ptr() == stored.down_proj.untyped_storage().data_ptr()
    hf = tiny("gpt2")
    anatomy = Anatomy(hf)
    mlp, block = anatomy.neurons(0), hf.transformer.h[0]
    attention = anatomy.attention(0, torch.zeros(HEADS, 3, 3))
    for view, own in (
        (mlp.W_in, block.mlp.c_fc.weight),
        (mlp.W_out, block.mlp.c_proj.weight),
        (attention.W_V, block.attn.c_attn.weight),
        (attention.W_O, block.attn.c_proj.weight),
        (anatomy.W_U, hf.lm_head.weight),
    ):
        assert view.untyped_storage().data_ptr() == own.untyped_storage().data_ptr()


def test_cross_attention_is_refused() -> None:
    with pytest.raises(ModelError, match="without cross-attention"):
        Anatomy(tiny("gpt2", add_cross_attention=True))
