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
    """Where (`evaluation/places.py`), as one half of the documents preferred."""
    values: int
    of_values: int
    """Values that were asked for, of those that occurred."""
    auroc: float
    """The best single feature for each value."""
    neurons: float
    random: float
    shuffled: float
    probe: float
    """Linear discriminants of the residual stream."""
    together: float | None
    """Up to three features for each value; None where one does, or where the probe does not."""
    features: dict[str, str]
    """Value -> the feature that tells it best; with a minus, by being silent."""


class Unasked(Config):
    """A truth variable that no feature can be asked to tell."""

    phenomenon: str
    variable: str
    reason: str


class TruthReport(Config):
    """Which of the world's variables single features tell."""

    documents: int
    """Documents drawn for each phenomenon, at most."""
    seed: int
    bar: float
    rows: tuple[TruthRow, ...]
    unasked: tuple[Unasked, ...]

    @property
    def there(self) -> tuple[TruthRow, ...]:
        """The variables that the probe reads, so that they are in the model as directions."""
        return tuple(row for row in self.rows if row.probe >= self.bar)

    def recovered(self, column: str = "auroc", *, of_all: bool = True) -> float:
        """Share of the variables (or of those that are `there`) that reach the bar, by one of the columns of a row."""
        rows = self.rows if of_all else self.there
        return sum(getattr(row, column) >= self.bar for row in rows) / max(1, len(rows))

    def outcome(self, row: TruthRow) -> str:
        """`told` by one feature, `split` among up to three, `hidden` from these though it is there, or `not there`."""
        if row.auroc >= self.bar:
            return "told"
        if row.probe < self.bar:
            return "not there"
        return "split" if (row.together or 0.0) >= self.bar else "hidden"


class HopReport(Config):
    """How much of a two-step circuit goes through its middle, in one model and basis."""

    model: str
    basis: str
    prompts: int
    """Held-out chains that the model answers rightly."""
    features: float
    """That stand for a state, on average."""
    in_graph: float
    """Of those, nodes of the circuit of a chain."""
    through: float
    through_random: float
    direct: float
    pairs: int
    """Chains with another one to take the state from."""
    moved: float
    moved_random: float


class StateReport(Config):
    """Whether the supernodes of two-step circuits contain the step's middle, in one model and basis."""

    model: str
    basis: str
    split: str
    """Cities of which texts: those whose chains training showed, or the held-out ones."""
    prompts: int
    """Chains that the model answers rightly."""
    contains: float
    """Share of them with a supernode that is the state."""
    contains_random: float
    swaps: int
    moved: float
    """Share of these swaps that give the other state's answer."""
    moved_random: float
    groups: float
    """Supernodes, on average."""
    most_groups: int
    largest: float
    """The largest share of nodes that one supernode of any graph holds."""
    nodes: float
    completeness: float
    """Restricted to the supernodes, as published."""
    completeness_strict: float
    """With all that was left out, by pruning too, counted as error."""
    completeness_whole: float
    """Of the graphs before pruning, as published."""


class LabelRow(Config):
    """Features that tell a question about one phenomenon."""

    phenomenon: str
    features: int
    right: dict[str, float | None]
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
    mostly: int
    """Of those, features half of whose firings or more lie where the answer to their question is yes."""
    right_mostly: dict[str, float | None]
    """The shares over these alone."""
    rows: tuple[LabelRow, ...]
    questions: dict[int, str]
    """Feature number -> the question that it tells best."""
    named: dict[str, tuple[int, ...]]
    """Set of rules -> features whose rule is right."""


class Accuracy(Config):
    """Label accuracy of a library, beside directions drawn at random."""

    features: LabelReport
    random: LabelReport
    """Directions that fire as often as features, labelled by the same rules on the same text."""
