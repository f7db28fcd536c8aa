"""Detection: which stretches make the feature fire, by its label alone? Balanced accuracy; chance is .5."""

from collections.abc import Sequence

from gearscope.explainers.caller import Outcome
from gearscope.explainers.prompts import DATA
from gearscope.explainers.protocol import Ask
from gearscope.explainers.scorers.figures import Figure
from gearscope.explainers.scorers.judging import Judged, in_batches, judged_figure, verdict_ask
from gearscope.explainers.scorers.material import Material, items

_TASK = (
    "A feature of a language model fires on some tokens of a text and is zero on all others. You are given a "
    "description of it, and some texts. For each text, say whether the feature fires on a token of it if the "
    "description is right: `holds` is true if it does, and false if it fires nowhere in that text. Any number of them "
    f"may. {DATA}"
)


def batches(of: Material) -> list[list[Judged]]:
    """The stretches, mixed."""
    judged = [Judged(item.passage.text, item.kind, item.fires) for item in items(of)]
    return in_batches(judged, of.config.batch, of.rng("detection"))


def asks(of: Material, label: str) -> list[Ask]:
    """One question for each batch."""
    return [verdict_ask(_TASK, label, batch) for batch in batches(of)]


def figure(of: Material, outcomes: Sequence[Outcome]) -> Figure:
    """Balanced accuracy."""
    return judged_figure(batches(of), outcomes)
