"""What labelling a library came to. No torch."""

from gearscope.config import Config


class Summary(Config):
    """Rules of some features, on windows that chose nothing; a feature without a rule has F1 0."""

    features: int
    live: int
    """Those that fire on the slice."""
    kinds: dict[str, int]
    """input, output, both, obscure -> live features."""
    f1: float | None
    median_f1: float | None
    precision: float | None
    """Mean over the features that have a rule."""
    recall: float | None
    above: float | None
    """Share of the live features with F1 of .8 or more."""
    f1_any: float | None
    """The mean for every firing, however weak, on some of the windows."""


class RuleReport(Config):
    """A library's rules beside their baselines."""

    tokens: int
    """Of the slice."""
    level: float
    """Firing counts from this share of a feature's largest activation on."""
    labelled: int
    rules: Summary
    shuffled_f1: float | None
    """Mean F1 of rules that were exchanged among the features."""
    random: Summary | None
    """Directions drawn at random that fire as often; None where none was asked for."""
