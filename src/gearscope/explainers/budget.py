"""What calls cost, and a cap that they do not pass: before a call its greatest price is set aside. No torch.

The greatest input of a request is its bytes (a token has one at least) and what a host may add; the greatest output is
what was allowed. Where a host does not say what a call took, or did not answer in time, the greatest price is counted.
"""

import threading
from typing import NamedTuple

from gearscope.errors import ConfigError
from gearscope.explainers.config import Prices
from gearscope.explainers.protocol import Usage

ADDED_TOKENS = 800
"""That a host may put before a request, for instance for its schema."""
_MILLION = 1_000_000


class BudgetSpentError(Exception):
    """The next call could pass the cap."""


class Spent(NamedTuple):
    """What came together so far."""

    input: int
    output: int
    dollars: float
    unknown: int
    """Calls of which the host did not say what they took; their greatest price is in `dollars`."""


class Meter:
    """Counts tokens and dollars. Many threads may use one."""

    def __init__(self, prices: Prices | None, cap: float | None) -> None:
        if cap is not None and prices is None:
            hint = "add --price-in and --price-out, in dollars for a million tokens, from your host's price list"
            raise ConfigError("prices were expected with --budget", found="none", hint=hint)
        self.prices, self.cap = prices, cap
        self._lock, self._aside = threading.Lock(), 0.0
        self._spent = Spent(0, 0, 0.0, 0)

    def price(self, usage: Usage) -> float:
        """Dollars; 0 where no prices are known."""
        if self.prices is None:
            return 0.0
        return (usage.input * self.prices.input + usage.output * self.prices.output) / _MILLION

    def set_aside(self, most: Usage) -> float:
        """Keep the greatest price of a call. Raises BudgetSpentError when it would pass the cap."""
        price = self.price(most)
        with self._lock:
            if self.cap is not None and self._spent.dollars + self._aside + price > self.cap:
                raise BudgetSpentError
            self._aside += price
        return price

    def settle(self, aside: float, usage: Usage | None, *, billed: bool) -> None:
        """A call ended: count what it took, or where that is not known what was set aside, or nothing."""
        with self._lock:
            self._aside -= aside
            was = self._spent
            if usage is not None:
                price = self.price(usage)
                self._spent = Spent(
                    was.input + usage.input, was.output + usage.output, was.dollars + price, was.unknown
                )
            elif billed:
                self._spent = was._replace(dollars=was.dollars + aside, unknown=was.unknown + 1)

    @property
    def spent(self) -> Spent:
        """So far."""
        with self._lock:
            return self._spent
