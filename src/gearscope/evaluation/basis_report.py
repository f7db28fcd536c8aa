"""Which basis to trust: the same prompts in several bases, as data. No torch.

Replacement and completeness are intervals that contain the score of the uncapped graph (`graph/scores.py`), as
published. Agreement is that of a validation (`interventions/validation.py`) over the most influential features.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from gearscope.config import Config

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Hop(Config):
    """Whether the circuit of a chain of two facts goes through the state between (`evaluation/hops.py`)."""

    features: int
    """Nodes of the circuit that stand for the chain's state."""
    through: Finite
    """Share of the influence of the city's words that passes them; the same for random nodes of their places."""
    through_random: Finite
    direct: Finite
    """Share that passes no feature at all."""


class BasisPrompt(Config):
    """One prompt in one basis."""

    prompt: str
    active: int
    """Features that are active on the prompt."""
    features: int
    """Nodes that the default pruning keeps."""
    errors: int
    replacement: tuple[Finite, Finite]
    completeness: tuple[Finite, Finite]
    edited: int
    """Features that were ablated and doubled."""
    held: Finite | None
    """Rank correlation of predicted and measured, norm scales held; None where there was nothing to compare."""
    held_control: Finite | None
    live: Finite | None
    """The same with live norms, in prediction and measurement."""
    live_control: Finite | None
    cosine: Finite | None
    """Of the residual stream one layer on, predicted and measured, norms live."""
    hop: Hop | None
    """None where the prompt is no chain of two facts of the bundled model's world."""


class BasisRow(Config):
    """All prompts in one basis."""

    basis: str
    prompts: tuple[BasisPrompt, ...]

    def mean(self, of: Callable[[BasisPrompt], float | None]) -> float | None:
        """The mean over the prompts that have such a figure; None where none has."""
        known = [value for value in map(of, self.prompts) if value is not None]
        return sum(known) / len(known) if known else None


class BasisReport(Config):
    """The bases side by side."""

    format_version: int = 1
    model: str
    top: int
    """So many features of each circuit were edited, at most."""
    seed: int
    rows: tuple[BasisRow, ...]
