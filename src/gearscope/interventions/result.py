"""What came of an intervention: plain frozen numbers, JSON in and out (`to_json`, `from_json`). No torch.

A node's *change* is in units of the node's own value, what its row of the graph sums to: the pre-activation of a
learned feature or of a plain neuron, the activation of a gated neuron, the demeaned logit of a token.

    predicted   the graph's linear response to the edits
    measured    what the model did
    control     what it did under random features of the same layers and positions, written with equal norm: the mean
                over several draws, and their standard deviation
"""

from typing import Annotated, Literal

from pydantic import Field

from gearscope.config import Config
from gearscope.interventions.config import Mode

Finite = Annotated[float, Field(allow_inf_nan=False)]


class EditedFeature(Config):
    """One feature that the edits changed."""

    node_id: str | None
    """Its node; None when it is not a node of the graph (brought in by a swap)."""
    name: str
    """`L/F@P`."""
    layer: int
    position: int
    before: Finite
    """Activation on the prompt."""
    after: Finite
    """Activation that it was edited to."""
    written_norm: Finite
    """Norm of what the edit adds to the MLP outputs, over all layers that the feature writes to."""


class NodeRow(Config):
    """One watched node: what the edits were predicted to do to it, and did."""

    node_id: str
    name: str
    """`L/F@P` of a feature; the label of a target that is no token."""
    layer: int
    position: int
    before: Finite
    """Its value on the prompt."""
    activation_before: Finite | None
    activation_after: Finite | None
    """Activations; None for what has none."""
    predicted: Finite
    measured: Finite
    control: Finite
    control_std: Finite


class TokenRow(Config):
    """One token that may come next, at the position that the graph explains."""

    token: str
    token_id: int
    node_id: str | None
    """Its node; None for a token that the graph does not explain."""
    position: int
    probability_before: Finite
    probability_after: Finite
    logit_before: Finite
    """Demeaned, before a soft-cap: the value of its node."""
    predicted: Finite
    measured: Finite
    """Changes of that logit."""
    control: Finite
    control_std: Finite


class Agreement(Config):
    """How well the graph's prediction agrees with what was measured, over all rows that could change."""

    rows: int
    """Nodes and tokens with a predicted and a measured change."""
    spearman: Finite | None
    """Rank correlation of predicted and measured; None when there are fewer than three rows or no variation."""
    spearman_control: Finite | None
    """The same against the control's changes, the mean over its draws: what agreement a random edit would show."""
    size: Finite
    """Mean absolute measured change over the rows."""
    size_control: Finite
    """The same of the control, the mean over its draws."""
    sign_agreement: Finite | None
    """Share of the rows with equal signs."""
    kl: Finite
    """KL divergence in nats of the next-token distribution after the edits from the one before."""
    kl_control: Finite
    kl_control_std: Finite


class Generated(Config):
    """Text written after the prompt, greedily, everything live."""

    before: str
    after: str


class Intervention(Config):
    """Edits of one prompt's features: predicted, measured, control."""

    format_version: Literal[1] = 1
    model: str
    basis: str
    prompt: str
    tokens: tuple[str, ...]
    edits: tuple[str, ...]
    """The edits as they were understood, in their text form."""
    mode: Mode
    """`direct`: all frozen; `constrained`: MLPs held up to a layer, later ones live; `free`: all live."""
    hold_norms: bool
    """Constrained: norm scales were held too."""
    freeze_to: int | None
    """The last layer whose MLP output was held; None when none was."""
    seed: int
    controls: int
    """How many random draws the control was averaged over."""
    edited: tuple[EditedFeature, ...]
    nodes: tuple[NodeRow, ...]
    """Watched nodes, in the order of the graph."""
    next_tokens: tuple[TokenRow, ...]
    """The graph's target tokens, then the likely ones before and after the edits."""
    agreement: Agreement
    generated: Generated | None = None
    warnings: tuple[str, ...] = ()
