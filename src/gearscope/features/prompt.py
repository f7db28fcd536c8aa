"""What fires on one prompt, token by token."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from torch import Tensor

from gearscope.features.reading import Subject, blocks
from gearscope.ids import FeatureId


class Fires(NamedTuple):
    """A feature that fires at a position."""

    feature: FeatureId
    number: int
    position: int
    activation: float


def fires(subject: Subject, ids: Int[Tensor, " P"]) -> list[Fires]:
    """What fires behind the first position, by position, the largest activations first. Raises ModelError."""
    names = [FeatureId(coder.shelf.layer, index) for coder in subject.coders for index in range(coder.shelf.n_features)]
    block, _ = next(blocks(subject, ids.cpu().numpy()[None], range(1)))
    found = zip(block.feature.tolist(), block.place.tolist(), block.value.astype(np.float64).tolist(), strict=True)
    fired = [Fires(names[number], number, position, value) for number, position, value in found]
    return sorted(fired, key=lambda one: (one.position, -one.activation, one.number))
