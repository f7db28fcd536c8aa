"""Random models and dictionaries on which two programs are compared. Nothing in them stands at its trivial value.

Models are written as HuggingFace folders, dictionaries in circuit-tracer's layout, so that each program opens them with
its own code.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.models.load import open_model

_CALIBRATION_TOKENS = 256


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of a random model."""

    layers: int
    width: int
    heads: int
    key_value_heads: int
    mlp: int
    vocabulary: int

    def config(self, family: str) -> dict[str, Any]:
        """What `AutoConfig` wants to know."""
        shared: dict[str, Any] = {
            "vocab_size": self.vocabulary,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "pad_token_id": 0,
        }
        if family == "gpt2":
            return shared | {"n_inner": self.mlp, "tie_word_embeddings": False}
        shared |= {"intermediate_size": self.mlp}
        if family == "llama":
            return shared | {"num_key_value_heads": self.heads, "tie_word_embeddings": False}
        return shared | {
            "num_key_value_heads": self.key_value_heads,
            "head_dim": self.width // self.heads,
            "query_pre_attn_scalar": self.width // self.heads,
            "sliding_window": 6,
            "attn_logit_softcapping": 20.0,
            "final_logit_softcapping": 30.0,
        }


def random_model(family: str, folder: Path, size: Size, *, positions: int = 2 * _CALIBRATION_TOKENS) -> None:
    """A random model of one family (llama, gpt2 or gemma2), as a HuggingFace folder."""
    config = AutoConfig.for_model(family, max_position_embeddings=positions, **size.config(family))
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        scale = 0.2 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5
        parameter.data += scale * torch.randn_like(parameter)
    model.save_pretrained(folder)


def random_dictionaries(
    size: Size,
    features: int,
    *,
    cross_layer: bool = False,
    skip: bool = False,
    read: str = "mlp_in",
    read_form: str = "site",
    write_form: str = "site",
) -> DictionarySet:
    """JumpReLU transcoders of which about a third of the features is active."""
    draw = torch.Generator().manual_seed(1)
    layers, width = size.layers, size.width
    made = []
    for layer in range(layers):
        targets = range(layer, layers if cross_layer else layer + 1)
        config = DictionaryConfig.of(
            reads=(f"blocks.{layer}.{read}",),
            writes=tuple(f"blocks.{target}.mlp_out" for target in targets),
            n_features=features,
            d_model=width,
            activation="jumprelu",
            read_form=read_form,
            write_form=write_form,
        )
        b_dec = torch.zeros(len(targets), width)
        b_dec[0] = 0.1 * torch.randn(width, generator=draw)
        made.append(
            Dictionary(
                config=config,
                W_enc=torch.randn(features, 1, width, generator=draw) * width**-0.5,
                b_enc=0.1 * torch.randn(features, generator=draw),
                W_dec=torch.randn(features, len(targets), width, generator=draw) * 0.1,
                b_dec=b_dec,
                threshold=0.3 + 0.2 * torch.rand(features, generator=draw),
                W_skip=torch.randn(width, width, generator=draw) * width**-0.5 if skip else None,
            )
        )
    return DictionarySet(dictionaries=tuple(made), model="random", scan="random")


def calibrated(dictionaries: DictionarySet, model: Path, active: int) -> DictionarySet:
    """The same dictionaries with thresholds at which `active` features per token and layer are active on random tokens,
    and decoders scaled to the MLP outputs that they stand in for.
    """
    opened = open_model(model)
    draw = torch.Generator().manual_seed(3)
    ids = torch.randint(1, opened.vocab_size, (_CALIBRATION_TOKENS,), generator=draw)
    with torch.inference_mode():
        prompt = opened.record(torch.cat([torch.zeros(1, dtype=torch.int64), ids]))
    made = []
    for block, stored in zip(prompt.blocks, dictionaries.dictionaries, strict=True):
        pre = (block.mlp_in[1:] @ stored.W_enc[:, 0].T + stored.b_enc).flatten()
        least = pre.kthvalue(len(pre) - active * _CALIBRATION_TOKENS).values
        share = block.mlp_out[1:].norm(dim=1).mean() / stored.config.d_model**0.5 / len(stored.config.writes) ** 0.5
        made.append(
            replace(stored, threshold=torch.full_like(stored.b_enc, float(least)), W_dec=stored.W_dec * float(share))
        )
    return replace(dictionaries, dictionaries=tuple(made))
