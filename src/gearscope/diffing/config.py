"""How two models are compared. No torch.

Thresholds of the classes are on measures of Minder et al. 2025 (arXiv 2504.02922): the relative decoder norm difference
of section 2 and the two ratios of Latent Scaling of section 3. Their values
here were set before any comparison was run, and checked on a fine-tune without any planted change (decision 0013).
"""

from typing import Literal

from pydantic import Field

from gearscope.activations.config import ReadingConfig
from gearscope.config import Config
from gearscope.dictionaries.training.config import TrainingConfig

Planes = Literal["models", "difference"]


class ClassConfig(Config):
    """When a feature counts as gained, lost or changed."""

    own_norm: float = Field(default=0.9, ge=0.5, le=1)
    """Lowest relative decoder norm difference of a feature that only B has (1 minus it: that only A has)."""
    largest_error: float = Field(default=0.3, ge=0)
    """Largest nu_error of such a feature: what the other model's error still holds of it."""
    largest_reconstruction: float = Field(default=0.5, ge=0)
    """Largest nu_reconstruction of such a feature: what other features write of it in the other model."""
    changed_cosine: float = Field(default=0.5, ge=-1, le=1)
    """Decoders of both models with a smaller cosine count as changed."""
    least_share: float = Field(default=0.0, ge=0)
    """Smallest share of the variance of the models' difference that a gained, lost or changed feature writes."""
    least_kl: float = Field(default=0.0, ge=0)
    """Smallest KL(A ‖ B) where such a feature fires, weighted with f², nats: every feature turns a little in further
    training, but only some where the models part."""
    least_fired: int = Field(default=8, ge=1)
    """Held-out tokens on which a feature fires at least, to be judged at all."""


class ChangeConfig(Config):
    """How changes are looked for: groups of directions of b − a behind which the predictions part (`changes.py`)."""

    change_layers: tuple[int, ...] | None = None
    """Layers whose residual stream is compared, ascending; None for the ends of four equal parts of the model."""
    change_tokens: int = Field(default=150_000, ge=0)
    """Tokens that both models read to find changes, if the corpus has so many; 0 to look for none."""
    change_held_out: int = Field(default=200_000, ge=1)
    """Held-out tokens on which they are measured, if the corpus has so many."""
    change_continued: int = Field(default=512, ge=0)
    """Texts that B writes by itself, on each side of the corpus, where predictions part (KL of `change_kl`); 0 for
    none."""
    change_texts: int = Field(default=8, ge=1)
    """Of these, how many B writes from one token at most: more than one only from where a text showed a word of B that
    is seldom said."""
    change_kept: int = Field(default=8192, ge=1)
    """Parting tokens that are kept, those with the largest KL(A ‖ B); of ordinary ones about as many are."""
    change_kl: float = Field(default=3.0, ge=0)
    """Smallest KL(A ‖ B) behind a parting token, and smallest mean of it where a direction fires, weighted with f²,
    nats. At 3, B has left what A expects a twentieth of its probability."""
    change_sure: float = Field(default=0.5, ge=0, le=1)
    """Smallest probability of A's likeliest token there: A expects something."""
    change_undone: float = Field(default=0.1, ge=0, le=1)
    """Smallest share of that KL which turning a change off takes away, above what edits of equal size take."""


class DiffConfig(Config):
    """Everything that decides a comparison, given two models and a corpus."""

    planes: Planes = "difference"
    """What the crosscoder is trained on: both models' activations, or their mean and their difference, each at full
    weight, so that a small difference is written too. Stored is a crosscoder of both models in any case."""
    training: TrainingConfig = TrainingConfig(
        kind="crosscoder", n_features=1024, k=16, tokens=1_500_000, batch_tokens=512, learning_rate=3e-3
    )
    """The crosscoder; `layers` None is the one layer two thirds of the way through the model."""
    reading: ReadingConfig = ReadingConfig()
    classes: ClassConfig = ClassConfig()
    changes: ChangeConfig = ChangeConfig()
    examples: int = Field(default=8, ge=1)
    """Strongest activations that are shown of a feature."""
    effect_windows: int = Field(default=16, ge=1)
    """Windows in which a feature is turned off and on: those in which it is strongest."""
    effect_features: int = Field(default=64, ge=0)
    """Features that are turned off and on, those that write most of the difference; 0 for none."""
    shared_features: int = Field(default=8, ge=0)
    """Shared features that are reported and turned like the others, those that write most of the difference."""
    contexts: int = Field(default=256, ge=1)
    """Tokens that are shown of those after which the models differ most."""
