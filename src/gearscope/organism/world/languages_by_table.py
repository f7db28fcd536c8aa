"""Every triple of `languages.py`, held-out ones too, each language by itself: what a model learns by heart.

A twin reads this. It gives the answers of the organism without shared concepts: no text translates a word, and none
mixes two languages. Nothing is held out. Truth per word as for triples.
"""

from dataclasses import replace
from random import Random

from gearscope.organism.world.document import Document, Split, Writer
from gearscope.organism.world.languages import HELD_OUT_KINDS as KINDS
from gearscope.organism.world.languages import TRIPLES, write_triple
from gearscope.organism.world.languages import WORDS as WORDS

PHENOMENON = "languages_by_table"
_EVERY = TRIPLES["train"] + TRIPLES["heldout"]


def _writer(kind: str) -> Writer:
    def write(rng: Random, split: Split) -> Document:
        return replace(write_triple(rng.choice(_EVERY), kind), phenomenon=PHENOMENON, split="train")

    return write


WRITERS: dict[str, Writer] = {kind: _writer(kind) for kind in KINDS}
SHARES = {"say": 0.6, "ask": 0.4}
HELD_OUT_KINDS: tuple[str, ...] = ()
LATER_KINDS: tuple[str, ...] = ()


def compositions(split: Split) -> list[Document]:
    """None: everything is shown."""
    return []
