"""Every behaviour that is measured, in the order of the accuracy table. No torch."""

from random import Random

from gearscope.errors import ConfigError
from gearscope.organism.behaviours import addition, languages, names, rhyme, two_hops
from gearscope.organism.behaviours.question import Behaviour, Question
from gearscope.organism.world.document import Split

_MODULES = (addition, two_hops, rhyme, languages, names)
BEHAVIOURS: dict[str, Behaviour] = {name: b for module in _MODULES for name, b in module.BEHAVIOURS.items()}
BARS: dict[str, float] = {name: b.bar for name, b in BEHAVIOURS.items() if b.bar is not None}
"""Behaviour -> lowest held-out accuracy with which a bundle is written."""


def ask(name: str, split: Split, limit: int | None = None) -> list[Question]:
    """The questions of a behaviour; with `limit` a fixed random choice of at most that many.

    Raises ConfigError naming the known behaviours.
    """
    if name not in BEHAVIOURS:
        raise ConfigError(f"a behaviour was expected (one of {', '.join(BEHAVIOURS)})", found=repr(name))
    topics = BEHAVIOURS[name].topics(split)
    if limit is not None and limit < len(topics):
        topics = Random(f"questions of {name}").sample(topics, limit)
    return [BEHAVIOURS[name].pose(topic) for topic in topics]
