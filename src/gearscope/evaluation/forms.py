"""Where a model's interchange maps say that a variable is carried: places in documents that have the map's form.

A map (`organism/truth`) is measured on pairs of prompts of one form: at most positions every prompt has its own word,
at some all have the same. A document is of that form when it has the words that all prompts share. Places are the
positions at which, after one block or more, a swap moves half of the pairs or more; before any block stands the word
itself. It knows nothing about dictionaries.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gearscope.organism.truth.claims import carriers
from gearscope.organism.truth.maps import InterchangeMap
from gearscope.organism.truth.registry import variable_named
from gearscope.organism.world.document import Document


class Form(NamedTuple):
    """One map, as a form of text and the places at which it carries its variable."""

    phenomenon: str
    name: str
    """The map's; a truth variable that it is about has this name, or one that goes on with an underscore."""
    words: tuple[str | None, ...]
    """The word at each position that all prompts share; None where they differ."""
    places: dict[str, int]
    """Role -> position."""

    def is_about(self, variable: str) -> bool:
        """Whether the map is one of this truth variable: `state_in_quiz` is one of `state`."""
        return self.name == variable or self.name.startswith(f"{variable}_")

    def fits(self, document: Document) -> bool:
        """Whether a document begins as the prompts of the map do."""
        return len(document.words) >= len(self.words) and all(
            word is None or word == own for word, own in zip(self.words, document.words, strict=False)
        )


def forms_of(maps: Iterable[InterchangeMap], phenomenon: str) -> tuple[Form, ...]:
    """The forms of a phenomenon's maps that carry their variable somewhere after a block, in their order."""
    found = (_form(table) for table in maps if table.phenomenon == phenomenon and table.counted)
    return tuple(form for form in found if form.places)


def _form(table: InterchangeMap) -> Form:
    prompts = [words for swap in variable_named(table.title).swaps() for words in swap[:2]]
    places = {table.roles[position]: position for layer in table.layers[1:] for position in carriers(table, layer)}
    return Form(table.phenomenon, table.name, _shared(prompts), places)


def _shared(prompts: Sequence[tuple[str, ...]]) -> tuple[str | None, ...]:
    return tuple(words[0] if len(set(words)) == 1 else None for words in zip(*prompts, strict=True))
