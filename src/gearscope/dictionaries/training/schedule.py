"""What changes from step to step: the learning rate, k, the penalty's weight; and the optimiser.

    rate(step) = peak · min(1, (step + 1) / warm-up, (steps − step) / decay)

Adam without weight decay, its fused form: one pass over each weight. Knows nothing about losses.
"""

from collections.abc import Iterable

from torch import Tensor
from torch.optim import Adam

from gearscope.dictionaries.training.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate of a step, counted from 0."""
    rise = (step + 1) / max(1.0, config.warmup * config.steps)
    fall = (config.steps - step) / max(1.0, config.decay * config.steps)
    return config.learning_rate * min(1.0, rise, fall)


def k_at(config: TrainingConfig, step: int) -> int:
    """Features to keep per token at a step, counted from 0: `first_k` in the beginning, k from `k_until` on."""
    progress = min(1.0, step / max(1.0, config.k_until * config.steps))
    first = config.first_k or config.k
    return round(first * (config.k / first) ** progress)


def sparsity_weight(config: TrainingConfig, step: int) -> float:
    """The penalty's weight at a step, counted from 0."""
    return config.sparsity_weight * min(1.0, (step + 1) / max(1.0, config.sparsity_warmup * config.steps))


def make_optimizer(config: TrainingConfig, tensors: Iterable[Tensor]) -> Adam:
    """Adam over the weights."""
    return Adam(list(tensors), lr=config.learning_rate, betas=(0.9, config.beta2), fused=True)


def set_rate(optimizer: Adam, rate: float) -> None:
    """Use this learning rate from now on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
