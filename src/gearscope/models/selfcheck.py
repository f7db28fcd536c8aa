"""What is verified before a model is trusted: that it does what its family's map says, by numbers, module by module.

    finite       no weight is NaN or infinite, used by the passes below or not
    norms        each norm's output equals its formula, on synthetic inputs of very different sizes
    MLPs         each MLP's output equals `MlpWeights` or `ExpertWeights` applied to its input, routers their formula
    causality    later tokens change nothing before them, in the model's own attention
    composition  frozen norms, attention and constants, put together layer by layer, give the residual stream that the
                 model itself has, what each MLP reads of it, and the logits

The forward passes are three, of eight random tokens. Anything else is refused with a ModelError that names the module.
Tolerances are relative to the size of the vector compared; a NaN fails every comparison.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gearscope.errors import ModelError
from gearscope.models.anatomy import Anatomy, NormPart
from gearscope.models.frozen import FrozenBlock, FrozenNorm, FrozenPrompt
from gearscope.models.hooks import hooked
from gearscope.models.mlp import MlpWeights
from gearscope.models.record import record
from gearscope.models.routing import spread, weights_of

_TOKENS = 8
_SIZES = (0.01, 1.0, 30.0)
"""Sizes of the synthetic inputs; the smallest makes ε count."""


def check(anatomy: Anatomy) -> None:
    """Refuse a model whose norms, MLPs, masks or residual stream are not what its map claims. Raises ModelError."""
    generator = torch.Generator().manual_seed(0)
    half = anatomy.W_U.dtype not in (torch.float32, torch.float64)
    with torch.no_grad():
        _check_modules(anatomy, generator, 3e-2 if half else 2e-5)
        ids = torch.randint(anatomy.vocab_size, (min(_TOKENS, anatomy.context),), generator=generator)
        ids = ids.to(anatomy.W_U.device)
        residual = _residual(anatomy, ids)
        _check_causality(anatomy, ids, residual, 5e-2 if half else 1e-4)
        # The record's norms are rounded differently, which must not let a router choose otherwise.
        chosen = {i: residual[f"blocks.{i}.routing"] for i in _routed(anatomy)}
        prompt = record(anatomy, ids, n_constant_positions=0, routing=chosen)
        _check_composition(anatomy, prompt, residual, 1e-1 if half else 1e-4)


def refuse_not_finite(module: nn.Module) -> None:
    """Raise ModelError when a weight is NaN or infinite, naming where."""
    bad = [
        name
        for name, weight in module.named_parameters()
        if weight.numel() and not weight.is_meta and not bool(torch.stack(weight.detach().aminmax()).isfinite().all())
    ]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        hint = "the files are damaged, or training diverged: get them again"
        raise ModelError(
            "a model with finite weights was expected", found=f"NaN or infinity in {bad[0]}{more}", hint=hint
        )


def _check_modules(anatomy: Anatomy, generator: torch.Generator, tolerance: float) -> None:
    """Norms and MLPs on synthetic inputs."""
    x = _inputs(anatomy, anatomy.d_model, generator)
    for part in anatomy.norms():
        _check_norm(part, x, tolerance)
    for part in anatomy.head_norms():
        _check_norm(part, _inputs(anatomy, anatomy.head_dim, generator), tolerance)
    for layer in range(len(anatomy.blocks)):
        _check_mlp(anatomy, layer, x, tolerance)


def _check_mlp(anatomy: Anatomy, layer: int, x: Float[Tensor, "P D"], tolerance: float) -> None:
    parts, weights = anatomy.blocks[layer], anatomy.neurons(layer)
    found = parts.mlp.module(x[None])
    found = (found[0] if isinstance(found, tuple) else found)[0]
    if isinstance(weights, MlpWeights):
        expected, sentence = weights.out(weights.activations(x)), "should be a plain or gated MLP"
    else:
        assert parts.router is not None
        logits, scores, chosen = parts.router.module(x)
        formula = weights_of(logits, chosen, normalised=anatomy.normalised)
        kind = "of the chosen experts" if anatomy.normalised else "of all experts"
        _compare(scores.to(formula), formula, tolerance, f"{parts.router.path} should be a softmax {kind}")
        routing = spread(scores.to(x), chosen, len(weights.experts))
        expected, sentence = weights.out(weights.activations(x, routing), routing), "should be a sum of gated experts"
    _compare(found, expected, tolerance, f"{parts.mlp.path} {sentence}")


def _inputs(anatomy: Anatomy, width: int, generator: torch.Generator) -> Float[Tensor, "P D"]:
    """Vectors of very different sizes, off centre."""
    drawn = [size * (torch.randn(2, width, generator=generator) + 0.5) for size in _SIZES]
    return torch.cat(drawn).to(anatomy.W_U)


def _check_norm(part: NormPart, x: Float[Tensor, "P D"], tolerance: float) -> None:
    if part.weight().shape != x.shape[1:]:
        raise ModelError(f"{part.path} should have {x.shape[1]} weights", found=str(tuple(part.weight().shape)))
    kind = "a LayerNorm" if part.formula.centred else "an RMSNorm"
    kind += f" with gain {part.formula.gain_offset:g} + w" if part.formula.gain_offset else ""
    _compare(part.module(x[None])[0], _apply(part.freeze(x), x), tolerance, f"{part.path} should compute {kind}")


def _residual(anatomy: Anatomy, ids: Tensor) -> dict[str, Tensor]:
    """The model's own residual stream and what is read of it and added to it, with its own attention."""
    layers = range(len(anatomy.blocks))
    names = [f"blocks.{i}.{site}" for i in layers for site in ("resid_pre", "attn_out", "mlp_in", "resid_post")]
    names += [f"blocks.{i}.routing" for i in _routed(anatomy)]
    with hooked(anatomy, read=[*names, "logits"], batched=False) as sites:
        anatomy.forward(ids[None])
    return sites


def _routed(anatomy: Anatomy) -> list[int]:
    return [layer for layer, parts in enumerate(anatomy.blocks) if parts.router is not None]


def _check_causality(anatomy: Anatomy, ids: Tensor, residual: dict[str, Tensor], tolerance: float) -> None:
    """The first half must not notice a different second half."""
    half = len(ids) // 2
    changed = ids.clone()
    changed[half:] = (changed[half:] + 1) % anatomy.vocab_size
    other = _residual(anatomy, changed)
    for layer, parts in enumerate(anatomy.blocks):
        before, after = (_after_attention(sites, layer)[:half] for sites in (residual, other))
        expected = f"{parts.attn.path} should not see later tokens (a causal mask)"
        _compare(after, before, tolerance, expected)


def _check_composition(anatomy: Anatomy, prompt: FrozenPrompt, residual: dict[str, Tensor], tolerance: float) -> None:
    """Each layer from the residual stream before it; then the logits."""
    start = prompt.token_embed if prompt.position_embed is None else prompt.token_embed + prompt.position_embed
    expected = f"{anatomy.blocks[0].block.path} should start from the embeddings"
    _compare(residual["blocks.0.resid_pre"], start, tolerance, expected)
    for layer, (parts, block) in enumerate(zip(anatomy.blocks, prompt.blocks, strict=True)):
        pre, read, post = (residual[f"blocks.{layer}.{site}"] for site in ("resid_pre", "mlp_in", "resid_post"))
        mid = _after_attention(residual, layer)
        expected = f"{parts.attn.path} should add attention as its family's map describes it"
        _compare(mid, _middle(block, pre), tolerance, expected)
        expected = f"{parts.mlp.path} should read the stream {'before' if block.parallel else 'after'} its attention"
        _compare(read, _apply(block.mlp_norm, pre if block.parallel else mid), tolerance, expected)
        added = block.mlp_out if block.mlp_post_norm is None else _apply(block.mlp_post_norm, block.mlp_out)
        _compare(post, mid + added, tolerance, f"{parts.block.path} should add its MLP's output to the residual stream")
    logits = prompt.final_in @ prompt.W_U.T
    logits = logits if prompt.b_U is None else logits + prompt.b_U
    cap = anatomy.final_softcap
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    # Logits that cancel to nearly nothing are compared with the size of what cancelled.
    uncancelled = prompt.final_in.abs() @ prompt.W_U.abs().T
    expected = f"{anatomy.unembed.path} should give the model's logits"
    _compare(residual["logits"], logits, tolerance, expected, uncancelled)


def _middle(block: FrozenBlock, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
    """The residual stream after attention, from the one before it."""
    written = block.attn.linear(block.attn_norm.linear(x))
    if block.attn_post_norm is not None:
        written = block.attn_post_norm.linear(written)
    return x + written + block.attn_constant()


def _after_attention(sites: dict[str, Tensor], layer: int) -> Float[Tensor, "P D"]:
    """What attention's sum is, whether or not the model ever forms it."""
    return sites[f"blocks.{layer}.resid_pre"] + sites[f"blocks.{layer}.attn_out"]


def _apply(norm: FrozenNorm, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
    return norm.linear(x) if norm.bias is None else norm.linear(x) + norm.bias


def _compare(found: Tensor, expected: Tensor, tolerance: float, sentence: str, size: Tensor | None = None) -> None:
    """Raise when any position differs by more than `tolerance` of its size (that of `expected` unless given)."""
    norm = (expected if size is None else size).norm(dim=-1).clamp_min(1e-6)
    worst = float(((found - expected).norm(dim=-1) / norm).max())
    if not worst <= tolerance:
        raise ModelError(sentence, found=f"a relative difference of {worst:.2g}")
