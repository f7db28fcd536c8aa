"""Asks for held-out sums: in the text they are mostly read in, and in their other contexts."""

from gearscope.organism.behaviours.question import Behaviour, last_answer
from gearscope.organism.world import addition


def _sums(kind: str, bar: float | None) -> Behaviour:
    return Behaviour(
        topics=lambda split: addition.PAIRS[split],
        pose=lambda pair: last_answer(addition.write_sum(*pair, kind)),
        bar=bar,
    )


BEHAVIOURS: dict[str, Behaviour] = {
    "addition": _sums("calc", 0.99),
    **{f"addition_{kind}": _sums(kind, None) for kind in addition.FRAMES if kind != "calc"},
}
