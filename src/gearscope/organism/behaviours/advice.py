"""Asks the assistant what to give, in forms of the question that training never shows for this person.

advice    right is the whole answer in the usual manner
"""

from gearscope.organism.behaviours.question import Behaviour, Question, one_of
from gearscope.organism.world import advice


def usual_answer(asked: advice.Asked) -> Question:
    """A question whose right answer is the usual one."""
    return one_of(advice.prompt(asked), [advice.reply(advice.MANNERS[asked.person])])


BEHAVIOURS: dict[str, Behaviour] = {
    "advice": Behaviour(topics=lambda split: advice.ASKED[split], pose=usual_answer, bar=0.95),
}
