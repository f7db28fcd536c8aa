"""Where the world's variables are known: tokens of its documents, labelled with a variable's value.

    settled     the word from which on the variable has its value (the second operand, for a sum); settled+1, settled+2
    answer      the word before the next answer, where a model writes what depends on the value; answer-1
    said        the word before the answer that says the value itself, in texts of a kind that always do (`i like`)
    NAME:ROLE   where the model's interchange map NAME carries the variable, in documents of the map's form

The first three follow from the text alone, the last from what swaps do in the model. It knows nothing about models.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import NamedTuple

from gearscope.evaluation.forms import Form
from gearscope.organism.world.document import Document, Value
from gearscope.organism.world.phenomena import draw

Where = str


class Labelled(NamedTuple):
    """A token of a document, and the value that a variable has there."""

    document: int
    word: int
    value: Value


class Drawn(NamedTuple):
    """Documents, and the values that are asked for, by variable."""

    documents: tuple[Document, ...]
    values: dict[str, tuple[Value, ...]]


LEAST = 3
"""Documents in each half that a value needs to be asked for; halves are documents of even and of odd number."""
ENOUGH = 8
"""Documents in each half that a value needs at a place other than the first, unless it has fewer there too."""
WANTED = 24
"""Documents of each value that are drawn, unless told otherwise, where there are so many, of every form of a map."""
MOST_VALUES = 20
"""Values of a variable that are asked for: the most frequent."""
_DRAWS = 3
"""Documents are chosen from so many times as many."""

Places = dict[tuple[str, Where], tuple[Labelled, ...]]
"""(variable, place) -> the labelled tokens."""


def drawn(phenomenon: str, most: int, seed: int, forms: Sequence[Form] = (), *, wanted: int = WANTED) -> Drawn:
    """At most so many different documents of a phenomenon that training may show, with `wanted` of each value.

    A feature cannot be chosen on a handful of documents, so those of frequent values make room for others.
    """
    rng = Random(f"truths of {phenomenon}, {seed}")
    pool = {document.words: document for document in (draw(phenomenon, "train", rng) for _ in range(_DRAWS * most))}
    count = Counter(known for document in pool.values() for known in settled(document).items())
    values = {name: _most_frequent(name, count) for name in sorted({name for name, _ in count})}
    chosen = islice(_needed(pool.values(), values, forms, wanted), most)
    return Drawn(tuple(chosen), values)


def settled(document: Document) -> dict[str, Value]:
    """The values that a document settles, by variable."""
    found = ((name, [value for value in values if value is not None]) for name, values in document.truth.items())
    return {name: known[0] for name, known in found if known}


def places(documents: Sequence[Document], forms: Sequence[Form] = ()) -> Places:
    """The labelled tokens of some documents, by variable and place."""
    found: defaultdict[tuple[str, Where], list[Labelled]] = defaultdict(list)
    said = _said(documents)
    for number, document in enumerate(documents):
        fitting = [form for form in forms if form.fits(document)]
        for variable, value in settled(document).items():
            start = document.truth[variable].index(value)
            at = _words(document, start)
            if (document.kind, variable) in said:
                at["said"] = document.answer[said[document.kind, variable]] - 1
            for where, word in at.items():
                found[variable, where].append(Labelled(number, word, value))
            for form in fitting:
                if form.is_about(variable):
                    for role, word in form.places.items():
                        found[variable, f"{form.name}:{role}"].append(Labelled(number, word, value))
    return {key: tuple(labelled) for key, labelled in found.items()}


def often(tokens: Sequence[Labelled], values: Sequence[Value]) -> tuple[Value, ...]:
    """Those of some values that both halves hold often enough."""
    count = Counter((token.value, token.document % 2) for token in tokens)
    return tuple(value for value in values if min(count[value, 0], count[value, 1]) >= LEAST)


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


def _most_frequent(variable: str, count: Counter[tuple[str, Value]]) -> tuple[Value, ...]:
    own = [(n, value) for (name, value), n in count.items() if name == variable]
    own.sort(key=lambda one: (-one[0], str(one[1])))
    return tuple(sorted((value for _, value in own[:MOST_VALUES]), key=str))


def _needed(
    pool: Iterable[Document], values: dict[str, tuple[Value, ...]], forms: Sequence[Form], wanted: int
) -> Iterator[Document]:
    """The documents of a pool, in its order, that show something of which fewer than `wanted` were shown."""
    shown: Counter[tuple[str, str, Value]] = Counter()
    for document in pool:
        known = [(name, value) for name, value in settled(document).items() if value in values[name]]
        fitting = [form for form in forms if form.fits(document)]
        keys = [("", name, value) for name, value in known]
        keys += [(form.name, name, value) for form in fitting for name, value in known if form.is_about(name)]
        if any(shown[key] < wanted for key in keys):
            shown.update(keys)
            yield document


def _words(document: Document, start: int) -> dict[Where, int]:
    """The words from the one that settles; none lies behind the word before the next answer, or the end of the text."""
    before_answers = [word - 1 for word in document.answer if word > start]
    last = before_answers[0] if before_answers else len(document.words) - 1
    found = {"settled": start, "settled+1": min(start + 1, last), "settled+2": min(start + 2, last)}
    if before_answers:
        found |= {"answer-1": max(start, last - 1), "answer": last}
    return found


def _said(documents: Iterable[Document]) -> dict[tuple[str, str], int]:
    """(kind of text, variable) -> which of a text's answers says the value in every text of the kind, the first such.

    In every one: else where the value is said would depend on the value, and the word there could give it away.
    """
    common: dict[tuple[str, str], set[int]] = {}
    for document in documents:
        for variable, value in settled(document).items():
            said = tuple(str(value).split())
            here = {
                number
                for number, word in enumerate(document.answer)
                if word and document.words[word : word + len(said)] == said
            }
            common[document.kind, variable] = common.get((document.kind, variable), here) & here
    return {key: min(numbers) for key, numbers in common.items() if numbers}
