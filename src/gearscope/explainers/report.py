"""What explaining came to, as data. No torch."""

from gearscope.config import Config


class ScoreSummary(Config):
    """One scorer over the features of a run."""

    features: int
    """Those that were measured."""
    unmeasured: int
    """Too little text, calls that failed, or a budget that was spent: in no mean."""
    mean: float | None
    baseline: float | None
    """Mean of the same with labels of other features."""
    baselines: int
    """Features that have one."""


class Calls(Config):
    """What was sent, and what it took."""

    sent: int
    """Requests, tries again included."""
    from_cache: int
    failures: dict[str, int]
    """Questions without an answer, by why."""
    said: dict[str, str]
    """What was said with one failure of each kind."""
    not_asked: int
    """Because the budget was spent."""
    input_tokens: int
    output_tokens: int
    dollars: float | None
    """None where no prices are known."""
    usage_unknown: int
    """Calls of which the host did not say what they took; the most that they can cost is counted."""


class ExplainReport(Config):
    """A run."""

    explainer: str
    provider: str
    model: str
    host: str
    features: int
    labelled: int
    failed: int
    """Features whose label failed: they have none, and no score."""
    without_evidence: tuple[str, ...]
    """Features with nothing to show: dead on this corpus, or without promoted tokens."""
    not_asked: int
    """Features that the budget did not reach."""
    scores: dict[str, ScoreSummary]
    calls: Calls


class DryReport(Config):
    """What a run would take. Nothing was sent."""

    explainer: str
    provider: str
    model: str
    host: str
    features: int
    without_evidence: tuple[str, ...]
    calls: int
    from_cache: int
    input_tokens: int
    output_tokens: int
    dollars: float | None
    most_dollars: float | None
    budget: float | None
