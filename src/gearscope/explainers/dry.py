"""The same run without a call: what would be asked, of which size, at which price. No torch.

Replies in the cache are used; for others an answer of the usual form stands in, so that questions which follow from
answers are counted too. What comes out of it is stored nowhere.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gearscope.explainers.answers import size_of
from gearscope.explainers.budget import ADDED_TOKENS, Meter
from gearscope.explainers.caller import Outcome, most_usage
from gearscope.explainers.config import CallConfig
from gearscope.explainers.protocol import Ask, Usage
from gearscope.explainers.replies import Replies

BYTES_PER_TOKEN = 4
"""Of English text, about; of numbers and code fewer."""


class Estimate(NamedTuple):
    """What a run would take."""

    calls: int
    cached: int
    """Questions whose replies are in the cache."""
    input: int
    output: int
    """Tokens, about: without those that a model thinks."""
    dollars: float
    most_dollars: float
    """No run that needs one try for each call costs more."""


class DryCaller:
    """Counts questions."""

    def __init__(self, replies: Replies, meter: Meter, config: CallConfig) -> None:
        self._replies, self._meter, self._config = replies, meter, config
        self.estimate = Estimate(0, 0, 0, 0, 0.0, 0.0)

    def all(self, asks: Sequence[Ask]) -> list[Outcome]:
        """The reply in the cache, or the sample, for each."""
        return [self._one(ask) for ask in asks]

    def _one(self, ask: Ask) -> Outcome:
        known, was = self._replies.read(ask), self.estimate
        if known is not None:
            self.estimate = was._replace(cached=was.cached + 1)
            return Outcome(known.answer, known.usage, cached=True)
        written = len(ask.sample.model_dump_json().encode())
        usage = Usage(
            size_of(ask.messages, ask.schema) // BYTES_PER_TOKEN + ADDED_TOKENS // BYTES_PER_TOKEN,
            -(-written // BYTES_PER_TOKEN),
        )
        self.estimate = Estimate(
            was.calls + 1,
            was.cached,
            was.input + usage.input,
            was.output + usage.output,
            was.dollars + self._meter.price(usage),
            was.most_dollars + self._meter.price(most_usage(ask, self._config)),
        )
        return Outcome(ask.sample, usage, stands_in=True)
