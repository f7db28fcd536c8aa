"""Rules for features from their firings, the kind of each, and scores on windows that chose nothing.

    input    asks the token and what stands before it
    output   asks the next token
    both     asks both, and is clearly better for it
    obscure  no rule reaches the floor, or half of it on the other windows (whose mean counts it as 0)

numpy alone; knows nothing about models and files.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Integer

from gearscope.labels.columns import INPUT, OUTPUT, Columns, Words
from gearscope.labels.config import RuleConfig
from gearscope.labels.rules import Rule, Side
from gearscope.labels.scores import TokenScore, token_score
from gearscope.labels.search import Found, Search

Kind = Side | Literal["obscure"]
_THINNEST = 8
"""Features that fire very often are asked on one window in so many, at least."""


class Ruled(NamedTuple):
    """A feature's rule and what it is worth."""

    kind: Kind
    rule: Rule | None
    """None where it is obscure."""
    chosen_at: float
    """F1 on the windows that chose it; of the best rule that was found, where it is obscure."""
    score: TokenScore | None
    """On the others."""


class Ruler:
    """Makes rules for features that fire on the tokens of these windows."""

    def __init__(self, windows: Integer[np.ndarray, "W P"], vocabulary: Words, config: RuleConfig) -> None:
        self.columns, self._config = Columns(windows, vocabulary), config
        token = np.arange(windows.size)
        window, behind_first = token // windows.shape[1], token % windows.shape[1] > 0
        held_out = window % config.held_out_every == config.held_out_every - 1
        self._held_out = np.flatnonzero(behind_first & held_out)
        self._may = behind_first & ~held_out
        self._rank = window // config.held_out_every
        self._searches: dict[int, Search] = {}

    def rule(self, fires: Integer[np.ndarray, " K"]) -> Ruled:
        """The rule of a feature that fires on these tokens."""
        found = self._best(fires)
        if found is None or found.f1 < self._config.floor:
            return Ruled("obscure", None, 0.0 if found is None else found.f1, None)
        score = self.score(found.rule, fires)
        if score.fired >= self._config.search.least_firings and (score.f1 or 0.0) < self._config.floor / 2:
            return Ruled("obscure", None, found.f1, None)
        return Ruled(found.rule.asks, found.rule, found.f1, score)

    def score(
        self, rule: Rule, fires: Integer[np.ndarray, " K"], rows: Integer[np.ndarray, " J"] | None = None
    ) -> TokenScore:
        """What any rule is worth for a feature that fires on these tokens, where nothing was chosen.

        `rows` are some of the tokens, in order; without them all of the held-out windows.
        """
        rows = self._held_out if rows is None else rows
        fired = np.zeros(self.columns.n_tokens, bool)
        fired[fires] = True
        return token_score(rule.holds(self.columns, rows)[rows], fired[rows])

    def _best(self, fires: Integer[np.ndarray, " K"]) -> Found | None:
        search = self._search(len(fires))
        one, other = search.best(fires, INPUT), search.best(fires, OUTPUT)
        best = one
        if other is not None and (one is None or other.score > one.score + self._config.output_lead):
            best = other
        if best is None or other is None or other.score < self._config.floor / 2:
            return best
        if best.score > self._config.both_below:
            return best
        both = search.best(fires, INPUT, OUTPUT)
        return both if both is not None and both.score > best.score + self._config.both_lead else best

    def _search(self, n_fired: int) -> Search:
        """On as many windows as a feature that fires so often needs."""
        thin = 1
        while thin < _THINNEST and n_fired > 2 * thin * self._config.firings:
            thin *= 2
        if thin not in self._searches:
            self._searches[thin] = Search(self.columns, self._may & (self._rank % thin == 0), self._config.search)
        return self._searches[thin]


def exchanged(ruled: Sequence[Ruled], rng: np.random.Generator) -> list[Rule | None]:
    """For each feature that has a rule the rule of another one, drawn: labels that say nothing of their feature."""
    having = [number for number, one in enumerate(ruled) if one.rule is not None]
    others = list(having)
    rng.shuffle(others)
    found: list[Rule | None] = [None] * len(ruled)
    for place, number in enumerate(having):
        other = others[place] if others[place] != number else others[place - 1]
        found[number] = ruled[other].rule if other != number else None
    return found
