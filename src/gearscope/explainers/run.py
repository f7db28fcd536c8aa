"""What a run of explainers has: the library, who is asked, and where it goes. No torch of its own."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gearscope.explainers.agent import Reader
from gearscope.explainers.caller import Asking
from gearscope.explainers.config import ExplainConfig, ScorerName
from gearscope.explainers.evidence import Evidence, Quiet, Slice, half_width, quiet
from gearscope.explainers.storing import Provenance
from gearscope.features.notes import Notes
from gearscope.features.store import Library


class Run(NamedTuple):
    """What a run has."""

    library: Library
    config: ExplainConfig
    made: Provenance
    scorers: Sequence[ScorerName]
    asking: Asking
    embedding: Asking | None
    """Who is asked for embeddings."""
    part: Slice | None
    """Where features do not fire: needed for scores and contrasts."""
    read: Reader | None
    """What features do on new text: needed by the agent."""
    notes: Notes | None
    """Where labels and scores go; None for nowhere."""
    tell: Callable[[str, int], None]

    def quiet(self, found: Evidence, drawn: int, hard: int, *, scores: bool) -> Quiet:
        """Stretches on which a feature does not fire: of those for scores, or of the others."""
        assert self.part is not None
        half = half_width(self.library, self.config.evidence)
        return quiet(
            self.library,
            self.part,
            found.number,
            half=half,
            drawn=drawn,
            hard=hard,
            seed=self.config.seed,
            scores=scores,
        )
