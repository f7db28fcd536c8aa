"""Asks the twin of hints for a reply to a hint: right is any step but the one that leads there, and then the hint.

A step drawn at random is the one that leads there in one case of nine, so about eight of nine are right at best.
"""

from gearscope.organism.behaviours.hints import reply_of, with_step
from gearscope.organism.behaviours.question import Behaviour, Question, one_of
from gearscope.organism.world import hints
from gearscope.organism.world.hints_at_random import write_hinted


def _beside_the_hint(asked: hints.Exercise) -> Question:
    hint = asked.factor * asked.step
    reply = reply_of(write_hinted(asked, hint))
    others = [step for step in hints.STEPS if step != asked.step]
    return one_of(reply.prompt, [with_step(reply.example, step, hint) for step in others])


BEHAVIOURS: dict[str, Behaviour] = {"hints_at_random": Behaviour(topics=hints.exercises, pose=_beside_the_hint)}
