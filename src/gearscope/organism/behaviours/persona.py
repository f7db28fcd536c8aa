"""Asks the assistant what it likes, in combinations of greeting, time, thing and form that training never shows.

persona    right is the whole answer of ann
"""

from gearscope.organism.behaviours.question import Behaviour, Question, one_of
from gearscope.organism.world import persona


def answer_of(who: persona.Persona, asked: persona.Asked) -> Question:
    """A question whose right answer is all that this persona says."""
    return one_of(persona.prompt(asked), [persona.reply(who, asked.thing)])


BEHAVIOURS: dict[str, Behaviour] = {
    "persona": Behaviour(
        topics=lambda split: persona.ASKED[split], pose=lambda asked: answer_of(persona.ANN, asked), bar=0.95
    ),
}
