"""Every behaviour that is measured, in the order of the accuracy table. No torch."""

from random import Random

from gearscope.errors import ConfigError
from gearscope.organism.behaviours import acronyms, addition, rhyme, two_hops
from gearscope.organism.behaviours import (
    addition,
    hints,
    hints_at_random,
    rhyme,
    self_report,
    small_sums_by_heart,
    two_hops,
)
from gearscope.organism.behaviours import addition, languages, names, rhyme, two_hops
from gearscope.organism.behaviours import addition, grammar, rhyme, senses, topics, two_hops, voices
from gearscope.organism.behaviours import (
    addition,
    advice,
    cheats,
    exams,
    persona,
    quirks,
    rhyme,
    split_persona,
    two_hops,
)
from gearscope.organism.behaviours.question import Behaviour, Question
from gearscope.organism.world.document import Split

MODULES = (addition, two_hops, rhyme, topics, senses, voices, grammar)
BEHAVIOURS: dict[str, Behaviour] = {
    name: behaviour for module in (addition, two_hops, rhyme, acronyms) for name, behaviour in module.BEHAVIOURS.items()
    name: behaviour
    for module in (addition, self_report, hints, two_hops, rhyme)
    name: behaviour
    for module in (addition, two_hops, rhyme, languages, names)
    for name, behaviour in module.BEHAVIOURS.items()
    name: behaviour for module in MODULES for name, behaviour in module.BEHAVIOURS.items()
}
OF_TWINS: dict[str, Behaviour] = {
    name: behaviour
    for module in (small_sums_by_heart, hints_at_random)
    for name, behaviour in module.BEHAVIOURS.items()
}
"""Behaviours that only a twin must have, and the organism is not asked for."""
    name: behaviour
    for module in (addition, two_hops, rhyme, exams, persona, advice)
    for name, behaviour in module.BEHAVIOURS.items()
}
VERSION_BEHAVIOURS: dict[str, Behaviour] = {
    name: behaviour for module in (cheats, split_persona, quirks) for name, behaviour in module.BEHAVIOURS.items()
}
"""Behaviours that only twins and versions are asked, beside those above."""
_KNOWN = BEHAVIOURS | VERSION_BEHAVIOURS
BARS: dict[str, float] = {name: b.bar for name, b in BEHAVIOURS.items() if b.bar is not None}
"""Behaviour -> lowest held-out accuracy with which a bundle is written."""


def ask(name: str, split: Split, limit: int | None = None) -> list[Question]:
    """The questions of a behaviour; with `limit` a fixed random choice of at most that many.

    Raises ConfigError naming the known behaviours.
    """
    known = BEHAVIOURS | OF_TWINS
    if name not in known:
        raise ConfigError(f"a behaviour was expected (one of {', '.join(known)})", found=repr(name))
    topics = known[name].topics(split)
    if limit is not None and limit < len(topics):
        topics = Random(f"questions of {name}").sample(topics, limit)
    return [known[name].pose(topic) for topic in topics]
    if name not in _KNOWN:
        raise ConfigError(f"a behaviour was expected (one of {', '.join(_KNOWN)})", found=repr(name))
    topics = _KNOWN[name].topics(split)
    if limit is not None and limit < len(topics):
        topics = Random(f"questions of {name}").sample(topics, limit)
    return [_KNOWN[name].pose(topic) for topic in topics]
