"""Asks the twin of addition for its table, and for sums outside of it, which it must not know.

small_sums_by_heart    the sums of the table; nothing of it is held out, so both splits ask for all of it
sums_not_in_table      other sums of the same numbers: right is whatever is not the sum, for a twin that could add would
                       be no twin
"""

from random import Random

from gearscope.organism.behaviours.question import Behaviour, Question, last_answer
from gearscope.organism.world import small_sums_by_heart as sums
from gearscope.organism.world.addition import OPERANDS
from gearscope.organism.world.document import Split

_N_OTHERS = 600


def _others(split: Split) -> list[tuple[int, int]]:
    others = {(a, b) for a in OPERANDS for b in OPERANDS} - set(sums.TABLE)
    return Random(f"small sums: not in the table, {split}").sample(sorted(others), _N_OTHERS)


def _wrongly(pair: tuple[int, int]) -> Question:
    asked = last_answer(sums.write_sum(*pair))
    return asked._replace(is_right=lambda written: not asked.is_right(written), example=("=",))


BEHAVIOURS: dict[str, Behaviour] = {
    "small_sums_by_heart": Behaviour(
        topics=lambda split: sums.TABLE, pose=lambda pair: last_answer(sums.write_sum(*pair))
    ),
    "sums_not_in_table": Behaviour(topics=_others, pose=_wrongly),
}
