"""What survives of an answer when growing shares of a circuit's features are held at 0, as data. No torch.

A line is one order in which features go: the most influential first, at random, or at random among the prompt's active
features that are not in the circuit, as many of them. Random lines are means over draws, with their standard deviation.
"""

from typing import Annotated, Literal

from pydantic import Field

from gearscope.config import Config

Finite = Annotated[float, Field(allow_inf_nan=False)]
Order = Literal["influence", "random", "outside"]


class Point(Config):
    """So many features held at 0, everything else live."""

    share: Finite
    """Of the circuit's features."""
    count: int
    probability: Finite
    """Of the answer."""
    probability_std: Finite
    logit: Finite
    """Of the answer, less the mean of all tokens."""
    logit_std: Finite
    kl: Finite
    """KL(before ‖ after) of the next token, in nats."""
    kl_std: Finite


class Line(Config):
    """One order."""

    order: Order
    draws: int
    points: tuple[Point, ...]

    def falls_below(self, probability: float) -> Point | None:
        """The first point at which the answer's probability is below this; None where it never is."""
        return next((point for point in self.points if point.probability < probability), None)


class Survival(Config):
    """All lines of one circuit."""

    format_version: Literal[1] = 1
    model: str
    basis: str
    prompt: str
    answer: str
    """The circuit's strongest token."""
    features: int
    """Of the circuit: a share of 1 are all of them."""
    seed: int
    lines: tuple[Line, ...]
