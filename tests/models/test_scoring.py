"""Queries and keys as frozen maps: a map that is not the model's is refused, and so is a prompt that gives NaN."""

from dataclasses import replace

import pytest
import torch

from gearscope.errors import ModelError
from gearscope.models.model import wrap
from tests.oracles.reference_forward import reference
from tests.oracles.tiny_models import CASES, case, prompt, tiny


@pytest.mark.parametrize("name", ["gpt_oss", "mistral-window", "gemma3", "gpt2"])
def test_what_is_visible_is_what_gets_attention(name: str) -> None:
    assert name in CASES
    ids = prompt()
    record, truth = wrap(case(name)).record(ids), reference(case(name, dtype=torch.float64), ids)
    for layer, block in enumerate(record.blocks):
        assert block.scores is not None
        assert torch.equal(block.scores.visible, (truth[f"blocks.{layer}.pattern"] > 0).any(0))


@pytest.mark.parametrize("wrong", ["norm", "rotation", "bias"])
def test_a_map_that_is_not_the_models_is_refused(wrong: str) -> None:
    record = wrap(case("qwen3-biases")).record(prompt())
    scores = record.blocks[1].scores
    assert scores is not None
    end = scores.query
    changed = {
        "norm": {"norm_weight": None},
        "rotation": {"cos": None},
        "bias": {"b": torch.zeros_like(end.b)},
    }[wrong]
    with pytest.raises(ModelError, match=r"the query of model.layers.1.self_attn should be linear"):
        replace(end, **changed).at(2, 5)
    assert end.at(2, 5).vectors.shape == (6, 16)


def test_nan_in_the_weights_of_queries_is_refused_when_the_model_is_opened() -> None:
    hf = tiny("llama")
    hf.model.layers[1].self_attn.q_proj.weight[3, 2] = torch.nan
    with pytest.raises(ModelError, match=r"finite weights.*layers\.1\.self_attn\.q_proj"):
        wrap(hf)


def test_a_prompt_that_overflows_is_refused_with_its_layer() -> None:
    hf = tiny("llama")
    model = wrap(hf)
    hf.model.layers[1].mlp.down_proj.weight.data.fill_(3e38)  # finite, and its sums are not
    with pytest.raises(ModelError, match="NaN or infinity in layer 1;"):
        model.record(prompt())
