"""Where the world's variables are known: tokens of its documents, labelled with a variable's value.

Two places for each variable of a text. `settled` is the word from which on the variable has its value (the second
operand, for a sum); `answer` is the word before the next answer, where a model writes what depends on it. It knows
nothing about models.
"""

from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import Literal, NamedTuple

from gearscope.organism.world.document import Document, Value
from gearscope.organism.world.phenomena import draw

Where = Literal["settled", "answer"]
WHERE: tuple[Where, ...] = ("settled", "answer")


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
            found[variable, "settled"].append(Labelled(number, settled, value))
            following = [word - 1 for word in document.answer if word > settled]
            if following:
                found[variable, "answer"].append(Labelled(number, following[0], value))
    return {key: tuple(labelled) for key, labelled in found.items()}


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
