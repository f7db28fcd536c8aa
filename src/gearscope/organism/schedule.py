"""The learning rate, and which matrices decay.

    rate(step) = peak * min((step + 1) / warmup, (1 + cos(pi * progress)) / 2)

with `progress` the share of the steps after warm-up that is done. Norm gains do not decay. It knows nothing about data.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Module
from torch.optim import AdamW

from gearscope.organism.config import OrganismConfig


def learning_rate(config: OrganismConfig, step: int) -> float:
    """The learning rate of a step (counted from 0)."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def make_optimizer(config: OrganismConfig, model: Module) -> AdamW:
    """AdamW that decays matrices and leaves vectors alone."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=config.learning_rate, betas=(0.9, config.beta2), fused=True)


def weighted_loss(
    logits: Float[Tensor, "B P V"], tokens: Int[Tensor, "B P"], weights: Float[Tensor, "B P"]
) -> Float[Tensor, ""]:
    """Weighted mean of the cross entropy of each next token, in nats."""
    losses = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    shares = weights[:, 1:].flatten()
    return (losses * shares).sum() / shares.sum()
