"""How long to wait before a call is tried again. No torch.

What the host asks for (`Retry-After`, in seconds or as a date) is honoured, by all calls under way; else the wait
doubles. Waits end at once when the run is stopped.
"""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from gearscope.explainers.config import CallConfig


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """What a reply's headers ask to wait; None where they say nothing that can be read."""
    milliseconds = headers.get("retry-after-ms")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        text = headers.get("retry-after")
        if text is None:
            return None
        try:
            return max(0.0, float(text))
        except ValueError:
            when = parsedate_to_datetime(text)
            when = when if when.tzinfo else when.replace(tzinfo=UTC)
            return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


class Pace:
    """The waits of a run."""

    def __init__(self, config: CallConfig) -> None:
        self._config, self.stopped = config, threading.Event()
        self._lock, self._not_before = threading.Lock(), 0.0

    def wait_before(self, attempt: int, after: float | None) -> float | None:
        """Seconds before the next try (this one is number `attempt`, from 0); None where more is asked than allowed."""
        if after is None:
            return min(self._config.longest_wait, self._config.first_wait * 2**attempt)
        return after if after <= self._config.longest_wait else None

    def hold(self, seconds: float) -> None:
        """Let no call begin for so long: the host asked for it."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def wait(self, seconds: float = 0.0) -> None:
        """Wait so long, and until calls may begin; less where the run is stopped."""
        self.stopped.wait(seconds)
        while not self.stopped.is_set():
            with self._lock:
                left = self._not_before - time.monotonic()
            if left <= 0:
                return
            self.stopped.wait(left)
