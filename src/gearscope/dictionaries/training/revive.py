"""Features that have gone silent begin anew, on tokens that are written badly (after Bricken et al. 2023, appendix).

A token is drawn for each with chance proportional to its squared error; there, with x what is read and r what is still
missing in all that the dictionary writes,

    W_dec = r / ‖r‖      W_enc = x / ‖x‖² · ‖r‖ / (1 − c)      b_enc = − ‖r‖ · c / (1 − c)

so the feature writes exactly what is missing on this token, ‖r‖ strong, and is silent on inputs of that size at a
cosine below c. Where the same sites are read and written (SAEs, crosscoders), r stands in the place of x: the feature
then fires wherever that much of r is in what it reads, and not on tokens alike in everything. A threshold begins at a
quarter of ‖r‖, a gate lets that pass as it is. Both moments of Adam are reset in these rows. On the bundled model this
halved the share of dead features, which the second loss of `silent.py` did not change; on planted features r in the
place of x left 2 % dead where x left 20 % (`docs/LOG.md`).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.optim import Adam

from gearscope.dictionaries.training.shards import ALONE, Shards
from gearscope.dictionaries.training.weights import Weights

_COSINE = 0.7
_COSINE_TIED = 0.3
"""c where r stands in the place of x."""


@torch.no_grad()
def revive(
    weights: Weights,
    optimizer: Adam,
    x: Float[Tensor, "P M D"],
    left: Float[Tensor, "P S D"],
    dead: Sequence[Bool[Tensor, " F"]],
    generator: torch.Generator,
    shards: Shards = ALONE,
) -> None:
    """Begin the dead features anew, as many as there are tokens with an error. `left` is y − ŷ of this batch."""
    for coder, silent in zip(weights.coders, dead, strict=True):
        missing = left[:, coder.writes.start : coder.writes.stop].flatten(1)
        error = missing.square().sum(1)
        features = silent.nonzero()[:, 0]
        before, every = shards.place(len(features))
        every = min(every, int((error > 0).sum()))
        features = features[: max(0, every - before)]
        if not every:
            continue
        tokens = torch.multinomial(error.cpu(), every, generator=generator).to(x.device)
        tokens = tokens[before : before + len(features)]
        rest = missing[tokens]
        tied = coder.reads == tuple(weights.targets[target] for target in coder.writes)
        read = rest if tied else x[tokens][:, list(coder.reads)].flatten(1)
        size = rest.norm(dim=1)
        coder.W_dec[features] = rest / size[:, None]
        length = read.square().sum(1).clamp(min=1e-12)
        c = _COSINE_TIED if tied else _COSINE
        coder.W_enc[features] = read * (size / length / (1 - c))[:, None]
        coder.b_enc[features] = -size * c / (1 - c)
        if coder.threshold is not None:
            coder.threshold[features] = size / 4
        if coder.r_mag is not None and coder.b_mag is not None:
            coder.r_mag[features], coder.b_mag[features] = 0, coder.b_enc[features]
        for name, tensor in coder.named().items():
            if name == "W_skip":
                continue
            for moment in ("exp_avg", "exp_avg_sq"):
                optimizer.state[tensor][moment][features] = 0
