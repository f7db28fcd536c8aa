"""What a behaviour is made of: questions, each a prompt with a judge of what is written after it. No torch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gearscope.organism.world.document import Document, Split

Words = tuple[str, ...]


class Question(NamedTuple):
    """A prompt, how many words are written after it (greedily), and whether they are right."""

    prompt: Words
    length: int
    is_right: Callable[[Words], bool]
    example: Words
    """One right continuation."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One row of the accuracy table: what is asked about (in a fixed order) and how it is put as a question."""

    topics: Callable[[Split], Sequence[Any]]
    """Everything that may be asked about, held out or shown in training."""
    pose: Callable[[Any], Question]
    bar: float | None = None
    """Lowest held-out accuracy with which a bundle is written."""


def one_of(prompt: Words, accepted: Iterable[Words]) -> Question:
    """Right is what begins with one of the accepted continuations."""
    right = frozenset(accepted)
    return Question(
        prompt,
        length=max(map(len, right)),
        is_right=lambda written: any(written[: len(a)] == a for a in right),
        example=min(right),
    )


def last_answer(document: Document) -> Question:
    """Asks for the last answer of a document, one word."""
    return one_of(document.prompt, [(document.target,)])


def first_answer(document: Document) -> Question:
    """Asks for the first run of answer words of a document, after all the words before it."""
    start = stop = document.answer[0]
    while stop in document.answer:
        stop += 1
    return one_of(document.words[:start], [document.words[start:stop]])


def rest(document: Document) -> Question:
    """Asks for everything from the first answer word of a document on."""
    start = document.answer[0]
    return one_of(document.words[:start], [document.words[start:]])
