"""Where the world's variables are known: tokens of its documents, labelled with a variable's value.

Five places for each variable of a text. `settled` is the word from which on the variable has its value (the second
operand, for a sum); `answer` is the word before the next answer, where a model writes what depends on it. Between them
lie one and two words after the first and one before the second, as far as there is room. It knows nothing about models.
"""

from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import Literal, NamedTuple

from gearscope.organism.world.document import Document, Value
from gearscope.organism.world.phenomena import draw

Where = Literal["settled", "settled+1", "settled+2", "answer-1", "answer"]
WHERE: tuple[Where, ...] = ("settled", "settled+1", "settled+2", "answer-1", "answer")


class Labelled(NamedTuple):
    """A token of a document, and the value that a variable has there."""

    document: int
    word: int
    value: Value


LEAST = 3
"""Documents in each half that a value needs to be asked for; halves are documents of even and of odd number."""
MOST_VALUES = 20
"""Values of a variable that are asked for; of more, a fixed choice."""

Places = dict[tuple[str, Where], tuple[Labelled, ...]]
"""(variable, place) -> the labelled tokens."""


def drawn(phenomenon: str, count: int, seed: int) -> tuple[Document, ...]:
    """Different documents of a phenomenon, `count` or as many as some draws find; those that training may show."""
    rng = Random(f"truths of {phenomenon}, {seed}")
    found: dict[tuple[str, ...], Document] = {}
    for _ in range(3 * count):
        document = draw(phenomenon, "train", rng)
        found.setdefault(document.words, document)
        if len(found) == count:
            break
    return tuple(found.values())


def places(documents: Iterable[Document]) -> Places:
    """The labelled tokens of some documents, by variable and place."""
    found: defaultdict[tuple[str, Where], list[Labelled]] = defaultdict(list)
    for number, document in enumerate(documents):
        for variable, values in document.truth.items():
            known = [(word, value) for word, value in enumerate(values) if value is not None]
            if not known:
                continue
            settled, value = known[0]
            for where, word in _words(document, settled).items():
                found[variable, where].append(Labelled(number, word, value))
    return {key: tuple(labelled) for key, labelled in found.items()}


def _words(document: Document, settled: int) -> dict[Where, int]:
    """The words of the places; none lies behind the word before the next answer, or behind the end of the text."""
    before_answers = [word - 1 for word in document.answer if word > settled]
    last = before_answers[0] if before_answers else len(document.words) - 1
    found: dict[Where, int] = {
        "settled": settled,
        "settled+1": min(settled + 1, last),
        "settled+2": min(settled + 2, last),
    }
    if before_answers:
        found |= {"answer-1": max(settled, last - 1), "answer": last}
    return found


def values_of(tokens: tuple[Labelled, ...]) -> tuple[Value, ...]:
    """The values that both halves hold often enough, at most `MOST_VALUES` of them."""
    count: defaultdict[Value, list[int]] = defaultdict(lambda: [0, 0])
    for token in tokens:
        count[token.value][token.document % 2] += 1
    enough = sorted((value for value, sides in count.items() if min(sides) >= LEAST), key=str)
    Random("values").shuffle(enough)
    return tuple(sorted(enough[:MOST_VALUES], key=str))


def shuffled(tokens: tuple[Labelled, ...]) -> tuple[Labelled, ...]:
    """The same tokens, with values exchanged among the documents of each half."""
    rng, made = Random("shuffled"), list(tokens)
    for side in (0, 1):
        places_of = [index for index, token in enumerate(tokens) if token.document % 2 == side]
        exchanged = [tokens[index].value for index in places_of]
        rng.shuffle(exchanged)
        for index, value in zip(places_of, exchanged, strict=True):
            made[index] = made[index]._replace(value=value)
    return tuple(made)
