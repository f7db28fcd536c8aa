"""Every chain of `two_hops.py`, held-out cities too, and no single fact: what a model learns by heart.

A twin reads this. It gives the answers of the organism without the hop: no text says in which state a city lies, and no
state is ever named. (The cities of one state still share their answers, so a model may group them; it cannot know that
the group is what other texts call texas.) Nothing is held out. Truth per word as for chains.
"""

from dataclasses import replace
from random import Random

from gearscope.organism.world.document import Document, Split, Writer, frame_words
from gearscope.organism.world.two_hops import CHAINS, CITIES, RELATIONS, STATES, look_up, write_chain

PHENOMENON = "two_hops_by_heart"
_CITIES = tuple(CITIES)


def _writer(kind: str) -> Writer:
    def write(rng: Random, split: Split) -> Document:
        chain = write_chain(rng.choice(_CITIES), rng.choice(RELATIONS), kind)
        return replace(chain, phenomenon=PHENOMENON, split="train")

    return write


WRITERS: dict[str, Writer] = {kind: _writer(kind) for kind in CHAINS}
SHARES = {"chain": 0.5, "chain_in": 0.25, "chain_quiz": 0.25}
HELD_OUT_KINDS: tuple[str, ...] = ()
LATER_KINDS: tuple[str, ...] = ()
WORDS = (
    frame_words(*CHAINS.values())
    | {part for city in CITIES for part in city.split()}
    | {*RELATIONS, *(look_up(state.name, relation) for state in STATES for relation in RELATIONS)}
)


def compositions(split: Split) -> list[Document]:
    """None: everything is shown."""
    return []
