"""The scorers by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gearscope.explainers.caller import Outcome
from gearscope.explainers.config import ScorerName
from gearscope.explainers.protocol import Ask
from gearscope.explainers.scorers import detection, embedding, fuzzing, intruder, simulation
from gearscope.explainers.scorers.figures import Figure
from gearscope.explainers.scorers.material import Material


class Scorer(NamedTuple):
    """What is asked about a label, and the figure of the answers."""

    asks: Callable[[Material, str], list[Ask]]
    figure: Callable[[Material, Sequence[Outcome]], Figure]


SCORERS: dict[ScorerName, Scorer] = {
    "detection": Scorer(detection.asks, detection.figure),
    "fuzzing": Scorer(fuzzing.asks, fuzzing.figure),
    "simulation": Scorer(simulation.asks, simulation.figure),
    "embedding": Scorer(embedding.asks, embedding.figure),
    "intruder": Scorer(intruder.asks, intruder.figure),
}
"""In the order in which one of them becomes the score that is shown with a label."""
