"""Questions answered: from the cache, or by the client, within the budget, tried again where that helps. No torch.

    caller = Caller(client, replies, Meter(prices, cap), config)
    outcomes = caller.all(asks)          # one for each, in order; failures are outcomes without an answer

A failure is counted by its kind. When the budget is spent, questions whose replies are not in the cache are not asked.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

from gearscope.errors import ModelError
from gearscope.explainers.answers import size_of
from gearscope.explainers.budget import ADDED_TOKENS, BudgetSpentError, Meter
from gearscope.explainers.config import CallConfig
from gearscope.explainers.pool import run_all
from gearscope.explainers.protocol import Answer, Ask, CallFailedError, Client, Usage
from gearscope.explainers.replies import Replies, Reply
from gearscope.explainers.retry import Pace

NOT_ASKED = "not asked: the budget is spent"


class Outcome(NamedTuple):
    """What became of a question."""

    answer: Answer | None
    usage: Usage | None = None
    cached: bool = False
    failure: str | None = None
    """Why there is no answer."""
    stands_in: bool = False
    """Whether nobody was asked, and the answer only has the right form (`dry.py`)."""


class Tally(NamedTuple):
    """What became of all of them."""

    asked: int
    """Requests that were sent, tries again included."""
    cached: int
    failures: dict[str, int]
    """By kind; one for each question that has no answer."""
    told: dict[str, str]
    """What was said with one failure of each kind."""
    not_asked: int
    """Because the budget was spent."""


@runtime_checkable
class Asking(Protocol):
    """What explainers and scorers need: a `Caller`, or one that sends nothing (`dry.py`)."""

    def all(self, asks: Sequence[Ask]) -> list[Outcome]:
        """An outcome for each question, in order."""
        ...


def most_usage(ask: Ask, config: CallConfig) -> Usage:
    """Tokens that a call takes at most."""
    return Usage(size_of(ask.messages, ask.schema) + ADDED_TOKENS, config.max_tokens)


class Caller:
    """Asks a client. `all` is called from one thread, and works on several."""

    def __init__(
        self,
        client: Client,
        replies: Replies,
        meter: Meter,
        config: CallConfig,
        progress: Callable[[str, int], None] | None = None,
    ) -> None:
        self._client, self._replies, self.meter, self._config = client, replies, meter, config
        self._pace, self._tell = Pace(config), progress or (lambda _, __: None)
        self._lock = threading.Lock()
        self._asked = self._cached = self._not_asked = self._in_a_row = 0
        self._failures: Counter[str] = Counter()
        self._told: dict[str, str] = {}

    @property
    def tally(self) -> Tally:
        """So far."""
        with self._lock:
            failures = dict(sorted(self._failures.items()))
            return Tally(self._asked, self._cached, failures, dict(self._told), self._not_asked)

    def all(self, asks: Sequence[Ask]) -> list[Outcome]:
        """An outcome for each question, in order.

        Raises ConfigError where no call can succeed, ModelError when too many in a row failed.
        """
        jobs = [partial(self._one, ask) for ask in asks]
        return run_all(jobs, workers=self._config.concurrency, stopped=self._pace.stopped)

    def _one(self, ask: Ask) -> Outcome:
        known = self._replies.read(ask)
        if known is not None:
            with self._lock:
                self._cached += 1
            self._tell("replies from the cache", 1)
            return Outcome(known.answer, known.usage, cached=True)
        try:
            answer, usage = self._tried(ask)
        except BudgetSpentError:
            with self._lock:
                self._not_asked += 1
            return Outcome(None, failure=NOT_ASKED)
        except CallFailedError as failed:
            self._count(failed)
            return Outcome(None, failed.usage, failure=failed.kind)
        self._replies.write(ask, Reply(answer, usage))
        with self._lock:
            self._in_a_row = 0
        self._tell("replies", 1)
        return Outcome(answer, usage)

    def _tried(self, ask: Ask) -> tuple[Answer, Usage | None]:
        """Ask until there is an answer, or no sense in asking again. Raises CallFailedError, BudgetSpentError."""
        attempt = 0
        while True:
            self._pace.wait()
            try:
                return self._sent(ask)
            except CallFailedError as failed:
                attempt += 1
                wait = self._pace.wait_before(attempt - 1, failed.after)
                if attempt >= min(failed.tries, self._config.attempts) or wait is None:
                    raise
                if failed.after is not None:
                    self._pace.hold(wait)
                self._tell(f"waiting: {failed.kind}", 1)
                self._pace.wait(0.0 if failed.after is not None else wait)
                if self._pace.stopped.is_set():
                    raise

    def _sent(self, ask: Ask) -> tuple[Answer, Usage | None]:
        aside = self.meter.set_aside(most_usage(ask, self._config))
        with self._lock:
            self._asked += 1
        usage, billed = None, True
        try:
            answer, usage = self._client.complete(ask.messages, ask.schema)
            wrong = ask.check(answer)
            if wrong is not None:
                raise CallFailedError("malformed", wrong, tries=2, usage=usage, billed=True)
            return answer, usage
        except CallFailedError as failed:
            usage, billed = failed.usage, failed.billed
            raise
        finally:
            self.meter.settle(aside, usage, billed=billed)

    def _count(self, failed: CallFailedError) -> None:
        with self._lock:
            self._failures[failed.kind] += 1
            self._told.setdefault(failed.kind, str(failed))
            self._in_a_row += 1
            ended = self._in_a_row >= self._config.give_up
        if ended:
            hint = "what was answered before is kept; run the same command to go on"
            raise ModelError(
                "a model that answers was expected", found=f"{self._in_a_row} failures in a row, {failed}", hint=hint
            )
