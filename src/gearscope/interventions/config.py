"""Settings of an intervention. No torch."""

from typing import Literal

from pydantic import Field

from gearscope.config import Config

Mode = Literal["direct", "constrained", "free"]


class InterventionConfig(Config):
    """How edits are run, and beside how many random ones."""

    mode: Mode = "constrained"
    """`direct`: all frozen; `constrained`: MLPs held up to a layer, later ones live; `free`: all live."""
    freeze_to: int | None = Field(default=None, ge=0)
    """Constrained: the last layer whose MLP output is held; by default the last layer that is edited."""
    hold_norms: bool = False
    """Constrained: hold norm scales too, as the graph does; what then differs from the prediction is due to MLPs."""
    generate: int = Field(default=0, ge=0)
    """Tokens to write without and with the edits."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the control."""
    controls: int = Field(default=8, ge=0)
    """Random draws that the control is averaged over."""


class ValidationConfig(Config):
    """The protocol of a validation, fixed before anything is measured."""

    top: int = Field(default=30, ge=1)
    """Where the graph has no supernodes: so many of its features, the most influential, are groups of their own."""
    resamples: int = Field(default=4, ge=1)
    """Reference runs that values are taken from; what is predicted and measured is the mean over them."""
    controls: int = Field(default=4, ge=1)
    """Random draws beside each ablation and doubling; resample ablations have one beside each reference run."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Of the controls and of the shuffled prompts."""
