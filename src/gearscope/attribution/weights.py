"""The strongest inputs and outputs of one feature over all prompts, beside what would be by chance. No torch.

    virtual      V, the weight that the two features have whatever the prompt (`virtual.py`)
    twera        E[a_t a_s] / E[a_t] · V: what s gives t, on average over the tokens on which t fires
    by_chance    the same if s fired independently of t
    lift         how much more often both fire than if they were independent
    interference a large V between two features that fire together less often than by chance (lift below 1): a weight
                 that no text uses, as features are more than dimensions

Ameisen et al. 2025, "Circuit tracing", on global weights. Knows nothing about models.
"""

from collections.abc import Sequence

from gearscope.config import Config


class WeightRow(Config):
    """One other feature on one way."""

    feature: str
    way: str
    """`direct`, or `head LAYER.HEAD`."""
    virtual: float
    twera: float
    by_chance: float
    lift: float
    """Of firings; for a head, by the attention between the two."""
    interference: bool


class Side(Config):
    """The inputs, or the outputs, of a feature."""

    strongest: tuple[WeightRow, ...]
    """By |TWERA|."""
    largest: tuple[WeightRow, ...]
    """By |V|, whether or not the two ever fire together."""
    pairs: int
    """Features and ways that there are."""
    interference: float
    """Share of the absolute virtual weight that is interference."""
    interference_largest: float
    """Share of the largest that is."""


class WeightReport(Config):
    """What one feature reads and writes, over text."""

    model: str
    basis: str
    feature: str
    tokens: int
    fired: int
    """Tokens on which the feature fires."""
    inputs: Side
    outputs: Side


def describe_weights(report: WeightReport) -> str:
    """The report as text."""
    lines = [
        f"FEATURE {report.feature} of {report.basis}, {report.model}: "
        f"fires on {report.fired:,} of {report.tokens:,} tokens",
        "  TWERA is what the one gives the other on average, by chance what it would be if they fired independently",
    ]
    for name, side in (("INPUTS", report.inputs), ("OUTPUTS", report.outputs)):
        lines += ["", f"{name} of {side.pairs:,} (feature, way)", _HEAD, *map(_line, side.strongest)]
        lines += ["", f"{name} with the largest weights, used or not", _HEAD, *map(_line, side.largest)]
        lines.append(
            f"  interference: {side.interference_largest:.0%} of these, {side.interference:.0%} of all absolute weight"
        )
    return "\n".join(lines)


_HEAD = f"  {'feature':<10} {'way':<10} {'TWERA':>9} {'by chance':>9} {'V':>9} {'lift':>8}"


def _line(row: WeightRow) -> str:
    marked = "  interference" if row.interference else ""
    return (
        f"  {row.feature:<10} {row.way:<10} {row.twera:+9.4f} {row.by_chance:+9.4f} {row.virtual:+9.4f} "
        f"{row.lift:8.2f}{marked}"
    )


def share(rows: Sequence[WeightRow]) -> float:
    """How many of some rows are interference."""
    return sum(row.interference for row in rows) / len(rows) if rows else 0.0
