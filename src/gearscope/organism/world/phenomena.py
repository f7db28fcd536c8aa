"""The registry of phenomena, and the way to draw from the world.

    draw("addition", "heldout", Random(0))        one document with its truth
    compositions("two_hops", "heldout")           every held-out composition, in a fixed order

A phenomenon is a module with `PHENOMENON`, `WRITERS` (kind -> writer), `SHARES` (kind -> share of its documents),
`HELD_OUT_KINDS`, `LATER_KINDS`, `WORDS` and `compositions(split)`. Adding one: its module in `PHENOMENA`.
"""

from random import Random
from types import ModuleType

from gearscope.errors import ConfigError
from gearscope.organism.world import (
    addition,
    languages,
    languages_by_table,
    larger_sums,
    names,
    numbers,
    rhyme,
    two_hops,
    two_hops_by_heart,
)
from gearscope.organism.world.document import Document, Split

_TWINS = (two_hops_by_heart, languages_by_table)
"""Texts that twins read and the organism does not."""
PHENOMENA: dict[str, ModuleType] = {
    module.PHENOMENON: module for module in (addition, larger_sums, numbers, two_hops, rhyme, languages, names, *_TWINS)
}


def phenomenon(name: str) -> ModuleType:
    """The generator module of a phenomenon. Raises ConfigError naming the known ones."""
    if name not in PHENOMENA:
        raise ConfigError(f"a phenomenon was expected (one of {', '.join(PHENOMENA)})", found=repr(name))
    return PHENOMENA[name]


def draw(name: str, split: Split, rng: Random, kind: str | None = None, *, facts_only: bool = False) -> Document:
    """One document of a phenomenon.

    `train` draws every kind by its share, `heldout` only the kinds that have held-out compositions. With `kind`, only
    that kind; with `facts_only`, no kind that the phenomenon keeps for later (`LATER_KINDS`). Raises ConfigError for a
    phenomenon or kind that does not exist, or holds nothing out.
    """
    module = phenomenon(name)
    kinds = module.SHARES if split == "train" else {k: module.SHARES[k] for k in held_out_kinds(name)}
    if facts_only:
        kinds = {k: share for k, share in kinds.items() if k not in module.LATER_KINDS}
    if kind is None and kinds:
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
    if kind not in kinds:
        known = ", ".join(kinds) or "none"
        raise ConfigError(f"a kind of {name} with a {split} split was expected ({known})", found=repr(kind))
    return module.WRITERS[kind](rng, split)


def held_out_kinds(name: str) -> tuple[str, ...]:
    """The kinds of a phenomenon that have held-out compositions."""
    return phenomenon(name).HELD_OUT_KINDS


def compositions(name: str, split: Split) -> list[Document]:
    """Every composition of a split in the texts it is tested in, in a fixed order. Empty where nothing is held out."""
    return phenomenon(name).compositions(split)
