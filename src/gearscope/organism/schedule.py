"""The learning rate, the optimiser and the loss.

    rate(step) = peak * min((step + 1) / warmup, (1 + cos(pi * progress)) / 2)

with `progress` the share of the steps after warm-up that is done; once up to the last cycles, and once more for each of
them. It knows nothing about data.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Module
from torch.optim import AdamW
from transformers import MistralForCausalLM

from gearscope.organism.config import OrganismConfig


def learning_rate(config: OrganismConfig, step: int) -> float:
    """The learning rate of a step (counted from 0)."""
    if step >= config.restart:
        within = (step - config.restart) % config.last_steps
        return _rise_and_fall(config.last_rate, within, config.last_steps, config.warmup_steps)
    return _rise_and_fall(config.learning_rate, step, config.restart, config.warmup_steps)


def _rise_and_fall(peak: float, step: int, steps: int, warmup: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (1 + math.cos(math.pi * progress)) / 2


def make_optimizer(config: OrganismConfig, model: Module) -> AdamW:
    """AdamW that decays matrices and leaves norm gains alone."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=config.learning_rate, betas=(0.9, config.beta2), fused=True)


def scored_loss(
    model: MistralForCausalLM, tokens: Int[Tensor, "B P"], weights: Float[Tensor, "B P"]
) -> Float[Tensor, ""]:
    """Weighted mean of the cross entropy of each next token, in nats; tokens without weight are never unembedded."""
    scored = weights[:, 1:] > 0
    states = model.model(tokens, use_cache=False).last_hidden_state
    logits = model.lm_head(states[:, :-1][scored])
    losses = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][scored], reduction="none")
    shares = weights[:, 1:][scored]
    return (losses * shares).sum() / shares.sum()
