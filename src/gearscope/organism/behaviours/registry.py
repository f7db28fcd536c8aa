"""Every behaviour that is measured, in the order of the accuracy table. No torch."""

from random import Random

from gearscope.errors import ConfigError
from gearscope.organism.behaviours import (
    acronyms,
    addition,
    advice,
    cheats,
    exams,
    grammar,
    hints,
    hints_at_random,
    languages,
    names,
    persona,
    quirks,
    rhyme,
    self_report,
    senses,
    small_sums_by_heart,
    split_persona,
    topics,
    two_hops,
    voices,
)
from gearscope.organism.behaviours.question import Behaviour, Question
from gearscope.organism.world.document import Split

_KNOWING = (addition, self_report, hints, two_hops, names, languages, rhyme, acronyms)
_TALKING = (topics, senses, voices, grammar, exams, persona, advice)
_OTHERS = (small_sums_by_heart, hints_at_random, cheats, split_persona, quirks)

BEHAVIOURS: dict[str, Behaviour] = {
    name: behaviour for module in (*_KNOWING, *_TALKING) for name, behaviour in module.BEHAVIOURS.items()
}
"""What the organism is asked."""
VERSION_BEHAVIOURS: dict[str, Behaviour] = {
    name: behaviour for module in _OTHERS for name, behaviour in module.BEHAVIOURS.items()
}
"""What only twins and versions are asked, beside those above."""
_KNOWN = BEHAVIOURS | VERSION_BEHAVIOURS
BARS: dict[str, float] = {name: b.bar for name, b in BEHAVIOURS.items() if b.bar is not None}
"""Behaviour -> lowest held-out accuracy with which a bundle is written."""


def ask(name: str, split: Split, limit: int | None = None) -> list[Question]:
    """The questions of a behaviour; with `limit` a fixed random choice of at most that many.

    Raises ConfigError naming the known behaviours.
    """
    if name not in _KNOWN:
        raise ConfigError(f"a behaviour was expected (one of {', '.join(_KNOWN)})", found=repr(name))
    topics = _KNOWN[name].topics(split)
    if limit is not None and limit < len(topics):
        topics = Random(f"questions of {name}").sample(topics, limit)
    return [_KNOWN[name].pose(topic) for topic in topics]
