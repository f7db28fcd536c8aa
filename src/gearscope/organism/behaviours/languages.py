"""Asks for the opposite, synonym or category of a word in a language in which training never showed it."""

from gearscope.organism.behaviours.question import Behaviour, last_answer
from gearscope.organism.world import languages
from gearscope.organism.world.language_words import OPERATIONS


def _asked(operations: tuple[str, ...], bar: float | None) -> Behaviour:
    return Behaviour(
        topics=lambda split: [topic for topic in languages.questions(split) if topic[0].operation in operations],
        pose=lambda topic: last_answer(languages.write_triple(*topic)),
        bar=bar,
    )


BEHAVIOURS: dict[str, Behaviour] = {
    "opposites_across_languages": _asked(OPERATIONS, 0.95),
    **{f"{operation}_across_languages": _asked((operation,), None) for operation in OPERATIONS},
}
