"""How labels are made. No torch."""

from pydantic import Field

from gearscope.config import Config


class SearchConfig(Config):
    """How rules are looked for."""

    terms: int = Field(default=3, ge=1, le=10)
    """Terms that `or` joins, at most."""
    clauses: int = Field(default=3, ge=1, le=5)
    """Clauses of a term, at most."""
    values: int = Field(default=64, ge=1, le=1000)
    """Values of a clause, at most."""
    cost: float = Field(default=0.005, ge=0)
    """What a clause costs of F1, for each bit of the number of its values, and one."""
    firings_per_value: float = Field(default=1.0, ge=0)
    """Firings that a value must bring before it counts: lists of what was seen twice are chance."""
    gain: float = Field(default=0.015, ge=0)
    """What another clause or term must add, its cost paid."""
    enough: float = Field(default=0.98, gt=0, le=1)
    """Recall from which on no further term is looked for."""
    beta: float = Field(default=3.0, gt=1)
    """How much more recall counts than precision in clauses that others narrow."""
    by_f1: int = Field(default=1, ge=1)
    by_recall: int = Field(default=2, ge=0)
    """Beginnings that are kept at each step, by each of the two."""
    broadest: float = Field(default=20.0, ge=1)
    broad: int = Field(default=2000, ge=1)
    """A beginning is given up where it names more tokens than so many for each firing, and more than so many."""
    counted: int = Field(default=2000, ge=1)
    """Of more tokens on which a feature does not fire, about so many stand for all until a rule is chosen."""
    least_hits: int = Field(default=2, ge=1)
    """Firings on a value, for it to be named."""
    least_firings: int = Field(default=5, ge=1)
    """Firings without which no rule is looked for."""


class RuleConfig(Config):
    """How rules are made for a library."""

    tokens: int = Field(default=524_288, ge=1)
    """Tokens of the library's corpus on which firings are looked at."""
    level: float = Field(default=0.5, ge=0, lt=1)
    """A rule is about where a feature is at least so strong, as a share of its largest activation in the library."""
    weak_every: int = Field(default=8, ge=1)
    """One held-out window in so many is looked at for every firing, however weak, too."""
    held_out_every: int = Field(default=3, ge=2)
    """One window in so many chooses nothing, and gives the scores."""
    floor: float = Field(default=0.3, ge=0, le=1)
    """F1 on the windows that choose, under which a feature is obscure."""
    output_lead: float = Field(default=0.02, ge=0)
    """By how much a rule about the next token must be better than one about what stands before it."""
    both_lead: float = Field(default=0.05, ge=0)
    """By how much a rule that asks both must be better than either."""
    both_below: float = Field(default=0.75, ge=0, le=1)
    """Where either does as well as this, no rule that asks both is looked for."""
    firings: int = Field(default=1000, ge=1)
    """Firings that are enough to look for a rule; one with more is asked on a half, a quarter … of the windows."""
    control: int = Field(default=200, ge=0)
    """Features of random directions that are labelled beside, at most."""
    seed: int = 0
    search: SearchConfig = SearchConfig()
