"""The figures of a dictionary set, as data. No torch.

    NMSE          of each site that is written: 0 is exact, 1 is what a constant reaches      per layer
    L0            active features per token                                                   per layer
    dead          share of features that never fired                                          per layer
    top-1         how often the model's likeliest next token stays the same with all sites replaced at once
    KL            mean KL(plain ‖ replaced) of the next token, in nats
    loss          mean -log probability of the token that comes next in the text, in nats
    recovered     (loss at means - loss replaced) / (loss at means - plain loss): 1 is no harm, 0 is what constants do

`shuffled` is the same measurement after the decoders were exchanged among the features of each dictionary. `at means`
holds every written site at its mean instead.
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
    loss: float | None = None
    """None where it was not measured: in folders made before it was."""


class PositionReport(Config):
    """Tokens at some positions of their windows."""

    first: int
    last: int
    nmse: tuple[float, ...]
    """In the order of `layers`; the denominator is what there is to write at these positions (`positions.py`)."""
    l0: tuple[float, ...]
    """In the order of `layers`."""
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
    at_means: Replaced | None = None
    """Every written site held at its mean; None where it was not measured."""
    plain_loss: float | None = None
    """Of the model as it is, on the same tokens; None where it was not measured."""
    positions: tuple[PositionReport, ...] = ()
    """By position in the window; empty where it was not measured."""

    @property
    def recovered(self) -> float | None:
        """Share of the loss that constants cost and dictionaries do not; None where constants cost nothing."""
        return self._recovered(self.replaced)

    @property
    def recovered_shuffled(self) -> float | None:
        """The same with decoders exchanged; negative where that is worse than constants."""
        return self._recovered(self.replaced_shuffled)

    def _recovered(self, run: Replaced) -> float | None:
        if self.at_means is None or self.at_means.loss is None or self.plain_loss is None or run.loss is None:
            return None
        cost = self.at_means.loss - self.plain_loss
        return (self.at_means.loss - run.loss) / cost if cost > 0 else None

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
