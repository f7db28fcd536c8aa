"""Fuzzing: are these the tokens on which the feature fires? Balanced accuracy; chance is .5.

True ones have the firing tokens in brackets. False ones are, by turns as far as there are stretches, examples with as
many other tokens in brackets (hard: the right text, the wrong tokens) and stretches without a firing, with a few
tokens in brackets.
"""

from collections.abc import Sequence

import numpy as np

from gearscope.explainers.caller import Outcome
from gearscope.explainers.passages import Passage
from gearscope.explainers.prompts import DATA
from gearscope.explainers.protocol import Ask
from gearscope.explainers.scorers.figures import Figure
from gearscope.explainers.scorers.judging import Judged, in_batches, judged_figure, verdict_ask
from gearscope.explainers.scorers.material import Material

_TASK = (
    "A feature of a language model fires on some tokens of a text and is zero on all others. You are given a "
    "description of it, and some texts with tokens in double brackets. For each text, say whether the brackets stand "
    "where the feature fires if the description is right: `holds` is true if they do, and false if other tokens, or "
    f"none, make it fire. Any number of them may be right. {DATA}"
)


def batches(of: Material) -> list[list[Judged]]:
    """Stretches with the right tokens in brackets, and with others, mixed."""
    rng = of.rng("fuzzing")
    right = [Judged(passage.marked(passage.fires_at), "example", True) for passage in of.positives]
    n_marks = [len(passage.fires_at) for passage in of.positives]
    wrong = [_wrong(passage, len(passage.fires_at), rng) for passage in of.positives]
    hard = [Judged(text, "hard", False) for text in wrong if text is not None][: of.config.negatives // 2]
    quiet = [*of.drawn, *of.hard][: of.config.negatives - len(hard)]
    drawn = [Judged(_marked(one, int(rng.choice(n_marks)), rng), "random", False) for one in quiet]
    return in_batches([*right, *hard, *drawn], of.config.batch, rng)


def _wrong(passage: Passage, n: int, rng: np.random.Generator) -> str | None:
    """As many other tokens in brackets; None where it fires on more than half of them."""
    quiet = [at for at, value in enumerate(passage.activations) if value <= 0]
    if len(quiet) < n:
        return None
    return passage.marked(rng.choice(quiet, n, replace=False).tolist())


def _marked(passage: Passage, n: int, rng: np.random.Generator) -> str:
    at = rng.choice(len(passage.tokens), min(n, len(passage.tokens)), replace=False)
    return passage.marked(at.tolist())


def asks(of: Material, label: str) -> list[Ask]:
    """One question for each batch."""
    return [verdict_ask(_TASK, label, batch) for batch in batches(of)]


def figure(of: Material, outcomes: Sequence[Outcome]) -> Figure:
    """Balanced accuracy."""
    return judged_figure(batches(of), outcomes)
