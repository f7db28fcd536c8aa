"""A prompt in a basis of sparse autoencoders: on MLP outputs, or on the residual stream behind layers.

    MLP output        x = mlp_out(l);  features and error stand for it, as a transcoder's do
    residual stream   x = resid_post(l);  features and error stand for the whole stream, and attribution ends there

An SAE reads what it writes, so between two SAEs stand MLPs. They are passed as frozen linear maps (`linear_mlp.py`; the
nonlinearities' ratios frozen, as in RelP): an SAE on an MLP output reads that MLP's input through its map, and layers
without an SAE are passed the same way. Rows then sum to pre-activations exactly, as in every other basis. Knows nothing
about targets or graphs.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.errors import DictionaryError
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.mlp import ExpertWeights, MlpWeights
from gearscope.replacement.coded import Coded, LayerDecoders, active_features, unwritten
from gearscope.replacement.linear_mlp import LinearMlp
from gearscope.replacement.replacement import Read


def sae_replacement(
    prompt: FrozenPrompt, dictionaries: DictionarySet, mlps: Sequence[MlpWeights | ExpertWeights]
) -> Coded:
    """Rewrite MLP outputs or residual streams of `prompt` in the features of SAEs.

    Raises DictionaryError when they do not fit the model, or stand at other sites.
    """
    place = dictionaries.check_are_saes(n_layers=prompt.n_layers, d_model=prompt.d_model)
    own = [config.reads[0] for config in dictionaries.configs if config.read_sites[0].name == "mlp_raw"]
    if own and any(block.mlp_post_norm for block in prompt.blocks):
        found = f"one on {own[0]}, before the norm that this model puts behind its MLPs"
        raise DictionaryError("SAEs on what MLPs add to the residual stream (mlp_out) were expected", found=found)
    saes, first, behind = dictionaries.saes_by_layer(), prompt.n_constant_positions, place == "mlp_out"
    x = torch.stack([block.mlp_written() for block in prompt.blocks]) if behind else prompt.resid_post()
    ways = [LinearMlp(mlp, block, first) for mlp, block in zip(mlps, prompt.blocks, strict=True)]
    coded = [_layer(saes.get(layer), stream, first) for layer, stream in enumerate(x)]
    active = active_features([codes for codes, _, _ in coded], n_positions=prompt.n_positions)
    reads = [read for _, read, _ in coded]
    if behind:
        at = [active.position[active.below(i) : active.below(i + 1)] for i in range(prompt.n_layers)]
        reads = [_through(read, at[i], ways[i], prompt, i) for i, read in enumerate(reads)]
    has_sae = [layer in saes for layer in range(prompt.n_layers)]
    made = Coded(
        active=active,
        bias=torch.stack(
            [saes[i].b_dec[0].to(x) if has else torch.zeros_like(x[i, 0]) for i, has in enumerate(has_sae)]
        ),
        error=torch.stack(
            [stream if has else torch.zeros_like(stream) for stream, has in zip(x, has_sae, strict=True)]
        ),
        W_enc=torch.cat([read.vectors for read in reads]),
        b_enc=torch.cat([read.constant for read in reads]),
        decoders=tuple(LayerDecoders((layer,), decoders) for layer, (_, _, decoders) in enumerate(coded)),
        ways=tuple(None if behind and has else way for way, has in zip(ways, has_sae, strict=True)),
        streams=tuple(stream if has and not behind else None for stream, has in zip(x, has_sae, strict=True)),
        reads_at="mlp_in" if behind else "resid_post",
        writes_at="after_post_norm" if behind else "resid_post",
    )
    return replace(made, error=unwritten(made, first))


def _layer(sae: Dictionary | None, x: Float[Tensor, "P D"], first: int) -> tuple[Codes, Read, Float[Tensor, "K D"]]:
    """The codes of one layer behind its constant positions, what its active features read, and what they write."""
    if sae is None:
        none = torch.zeros(0, dtype=torch.int64, device=x.device)
        return Codes(none, none, x[:0, 0], len(x) - first), Read(x[:0], x[:0, 0]), x[:0]
    codes = sae.encode(x[first:, None])
    used = codes.columns.to(sae.W_enc.device)
    read = Read(sae.W_enc[used, 0].to(x), sae.b_enc[used].to(x))
    return codes, read, sae.decoders(codes.columns, x)[:, 0]


def _through(read: Read, positions: Int[Tensor, " K"], way: LinearMlp, prompt: FrozenPrompt, layer: int) -> Read:
    """Features that read an MLP's output, as readers of its input."""
    post, vectors = prompt.blocks[layer].mlp_post_norm, read.vectors
    constant = way.constant[positions]
    if post is not None:
        constant = post.linear_at(constant, positions)
        constant = constant if post.bias is None else constant + post.bias
        vectors = post.adjoint_at(vectors, positions)
    return Read(way.adjoint_at(vectors, positions), read.constant + (read.vectors * constant).sum(1))
