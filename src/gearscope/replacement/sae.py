"""A prompt in a basis of sparse autoencoders: on MLP outputs, or on the residual stream behind layers.

    MLP output        x = mlp_out(l);  features and error stand for it, as a transcoder's do
    residual stream   x = resid_post(l);  features and error stand for the whole stream, and attribution ends there

An SAE reads what it writes, so between two SAEs stand MLPs. They are passed as frozen linear maps (`linear_mlp.py`; the
nonlinearities' ratios frozen, as in RelP): an SAE on an MLP output reads that MLP's input through its map, and layers
without an SAE are passed the same way. Rows then sum to pre-activations exactly, as in every other basis. Knows nothing
about targets or graphs.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.mlp import ExpertWeights, MlpWeights
from gearscope.replacement.coded import Coded, LayerCodes, active_of, code
from gearscope.replacement.linear_mlp import LinearMlp


def sae_replacement(
    prompt: FrozenPrompt, dictionaries: DictionarySet, mlps: Sequence[MlpWeights | ExpertWeights]
) -> Coded:
    """Rewrite MLP outputs or residual streams of `prompt` in the features of SAEs.

    Raises DictionaryError when they do not fit the model, or stand at other sites.
    """
    place = dictionaries.check_are_saes(n_layers=prompt.n_layers, d_model=prompt.d_model)
    by_layer = dictionaries.saes_by_layer()
    first, behind = prompt.n_constant_positions, place == "mlp_out"
    x = torch.stack([block.mlp_written() for block in prompt.blocks]) if behind else prompt.resid_post()
    error, bias = torch.zeros_like(x), x.new_zeros(prompt.n_layers, prompt.d_model)
    layers = []
    for layer, mlp in enumerate(mlps):
        way = LinearMlp(mlp, prompt.blocks[layer], first)
        coder = by_layer.get(layer)
        if coder is None:
            layers.append(_nothing(x[layer], layer)._replace(way=way))
            continue
        coded = code(coder, x[layer], first)._replace(targets=(layer,))
        bias[layer] = coder.b_dec[0].to(x)
        error[layer] = _left(x[layer], coder, coded, first)
        layers.append(_through(coded, way, prompt, layer) if behind else coded._replace(way=way))
    return Coded(
        active=active_of(layers, n_positions=prompt.n_positions),
        bias=bias,
        error=error,
        layers=tuple(layers),
        reads_at="mlp_in" if behind else "resid_post",
        writes_at="after_post_norm" if behind else "resid_post",
        streams=tuple(None if behind or layer not in by_layer else x[layer] for layer in range(prompt.n_layers)),
    )


def _left(x: Float[Tensor, "P D"], coder: Dictionary, coded: LayerCodes, first: int) -> Float[Tensor, "P D"]:
    """What the SAE fails to reconstruct."""
    left = x - coder.b_dec[0].to(x)
    left.index_add_(0, coded.position, -coded.decoders[0] * coded.activation[:, None])
    left[:first] = 0
    return left


def _through(coded: LayerCodes, way: LinearMlp, prompt: FrozenPrompt, layer: int) -> LayerCodes:
    """Features that read an MLP's output, as readers of its input."""
    post, reads = prompt.blocks[layer].mlp_post_norm, coded.W_enc
    constant = way.constant[coded.position]
    if post is not None:
        constant = post.linear_at(constant, coded.position)
        constant = constant if post.bias is None else constant + post.bias
        reads = post.adjoint_at(reads, coded.position)
    b_enc = coded.b_enc + (coded.W_enc * constant).sum(1)
    return coded._replace(W_enc=way.adjoint_at(reads, coded.position), b_enc=b_enc)


def _nothing(x: Float[Tensor, "P D"], layer: int) -> LayerCodes:
    """No features."""
    none = torch.zeros(0, dtype=torch.int64, device=x.device)
    return LayerCodes(none, none, x[:0, 0], x[:0], x[:0, 0], x[None, :0], (layer,))
