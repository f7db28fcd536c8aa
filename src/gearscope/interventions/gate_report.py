"""Gates one ablation away from another answer, as data. No torch.

A gate is a few features of a circuit at one position, or one of its supernodes, whose ablation releases a token that
they keep down. It is found in one prompt, without another to compare it with, and verified by running the model.
"""

from typing import Annotated, Literal

from pydantic import Field

from gearscope.config import Config

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Gate(Config):
    """Features whose ablation, everything else live, releases a token."""

    features: tuple[str, ...]
    """`L/F@P`, the strongest first."""
    supernode: str | None
    """Its name, where it is a group of the graph."""
    positions: tuple[int, ...]
    released: str
    released_id: int
    before: Finite
    """Its probability on the prompt."""
    after: Finite
    """With the gate ablated."""
    flips: bool
    """Whether it is then the likeliest token."""
    answer_after: Finite
    """Probability of the answer with the gate ablated."""
    predicted: Finite
    """How far the graph says the token then leads the answer, in logits; negative where it stays behind."""
    control: Finite
    """Probability of the released token when as many random other active features of the same layers and positions are
    ablated: the mean over draws."""
    control_flips: Finite
    """Share of those draws after which the answer is another token."""


class GateReport(Config):
    """The gates of one circuit, ranked: those that flip the answer first, by the probability of what they release."""

    format_version: Literal[1] = 1
    model: str
    basis: str
    prompt: str
    tokens: tuple[str, ...]
    answer: str
    answer_before: Finite
    tried: int
    """Ablations that were run."""
    draws: int
    seed: int
    gates: tuple[Gate, ...]
