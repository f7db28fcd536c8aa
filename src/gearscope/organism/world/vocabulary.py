"""Every word of the world in one order, and how words are spaced. One vocabulary, shared by all phenomena.

Order: the special words, the numbers 0..198 (so a number's index is its value plus a constant), marks, then words by
the alphabet. Words are separated by one space, except that `, . ?` follow the word before them directly and a line end
stands alone. `36` is one word, and so is `+`.
"""

from collections.abc import Iterable

from gearscope.organism.world.document import NUMBERS
from gearscope.organism.world.phenomena import PHENOMENA

BOS, EOS, UNKNOWN, PAD = "<s>", "</s>", "<unk>", "<pad>"
SPECIALS = (BOS, EOS, UNKNOWN, PAD)
SEPARATOR = "\n"
"""Ends a document."""
MARKS = (SEPARATOR, ",", ".", "?", ":", "/", "+", "=")
ATTACHED = (",", ".", "?")
"""Marks without a space before them."""


def _collect() -> tuple[str, ...]:
    words = {word for module in PHENOMENA.values() for word in module.WORDS}
    plain = sorted(words - {*MARKS, *map(str, NUMBERS)})
    return (*SPECIALS, *map(str, NUMBERS), *MARKS, *plain)


VOCABULARY = _collect()
"""Word of each token id."""
TOKEN_ID = {word: index for index, word in enumerate(VOCABULARY)}
"""Word -> its token id."""
assert len(set(VOCABULARY)) == len(VOCABULARY), "a word has one id"


def ids_of(words: Iterable[str]) -> list[int]:
    """Token ids of a text that begins with these words: the special word that begins every text, then each of them."""
    return [TOKEN_ID[word] for word in (BOS, *words)]


def spaced(words: Iterable[str]) -> str:
    """Words as text with natural spacing."""
    text = ""
    for word in words:
        glued = not text or word in ATTACHED or word == SEPARATOR or text.endswith(SEPARATOR)
        text += word if glued else f" {word}"
    return text
