"""The figures of a dictionary set, as data. No torch.

    NMSE          of each site that is written: 0 is exact, 1 is what a constant reaches      per layer
    L0            active features per token                                                   per layer
    dead          share of features that never fired                                          per layer
    top-1         how often the model's likeliest next token stays the same with all sites replaced at once
    KL            mean KL(plain ‖ replaced) of the next token, in nats

`shuffled` is the same measurement after the decoders were exchanged among the features of each dictionary.
"""

from pydantic import Field

from gearscope.config import Config


class LayerReport(Config):
    """One dictionary, and the site that it writes in its own layer; a crosscoder has one of these for each site."""

    reads: str
    writes: str
    nmse: float
    """Of that site, with all that is written there (by earlier dictionaries as well)."""
    nmse_shuffled: float
    l0: float
    dead: float = Field(ge=0, le=1)


class Replaced(Config):
    """The model with all written sites replaced at once; attention and norms run on what is then there."""

    top1: float = Field(ge=0, le=1)
    kl: float


class DictionaryReport(Config):
    """What was measured, on how much text."""

    tokens: int
    """Tokens on which codes and errors were measured."""
    layers: tuple[LayerReport, ...]
    replaced_tokens: int
    replaced: Replaced
    replaced_shuffled: Replaced

    @property
    def worst(self) -> LayerReport:
        """The layer with the largest NMSE."""
        return max(self.layers, key=lambda layer: layer.nmse)


class TruthRow(Config):
    """One truth variable of the organism's world; figures are AUROC, the mean over its values."""

    phenomenon: str
    variable: str
    place: str
    """`settled` (the word that decides it), `answer` (the word before the next answer), or one near them, as one half
    of the documents preferred."""
    values: int
    of_values: int
    """Values that were asked for, of those that occurred."""
    auroc: float
    """The best single feature for each value."""
    neurons: float
    probe: float
    shuffled: float
    features: dict[str, str]
    """Value -> the feature that tells it best."""


class TruthReport(Config):
    """Which of the world's variables single features tell."""

    documents: int
    """Documents drawn for each phenomenon."""
    seed: int
    bar: float
    rows: tuple[TruthRow, ...]

    def recovered(self, column: str = "auroc") -> float:
        """Share of the variables that reach the bar; of `neurons`, `probe` or `shuffled` with that column."""
        return sum(getattr(row, column) >= self.bar for row in self.rows) / len(self.rows)


class LabelRow(Config):
    """Features that tell a question about one phenomenon."""

    phenomenon: str
    features: int
    right: dict[str, float]
    """Set of rules -> share that names what its feature tells."""


class LabelReport(Config):
    """Label accuracy against the truth of the world."""

    documents: int
    """Documents drawn for each phenomenon."""
    seed: int
    live: int
    """Features that fire in these texts."""
    told: int
    """Those that tell a question: what the shares are of."""
    right: dict[str, float | None]
    rows: tuple[LabelRow, ...]
    questions: dict[int, str]
    """Feature number -> the question that it tells best."""
    named: dict[str, tuple[int, ...]]
    """Set of rules -> features whose rule is right."""
