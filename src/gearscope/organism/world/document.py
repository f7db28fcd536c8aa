"""A document: words, which of them are the answer, and the truth about every word.

The truth is a table: variable -> one value per word, None where the variable has no value yet. A variable has its value
from the word at which the author of the text has settled it: an operand from the word that names it, a sum from the
second operand on, a planned rhyme from the line break before the line that ends in it. It knows nothing about tokens,
models or which phenomena exist.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, get_args

Split = Literal["train", "heldout"]
Value = str | int
SPLITS: tuple[Split, ...] = get_args(Split)
NUMBERS = range(199)
"""Every number that is a word of the world: two operands of at most 99 and their sum."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """One short text. `answer` lists the positions of the words that those before them decide, or nearly decide."""

    phenomenon: str
    kind: str
    """Which of the phenomenon's texts this is, for instance `calc` or `journal`."""
    split: Split
    words: tuple[str, ...]
    answer: tuple[int, ...]
    truth: Mapping[str, tuple[Value | None, ...]]
    """Variable -> its value at each word (None before it is settled)."""

    def __post_init__(self) -> None:
        assert self.words, "a document has words"
        assert all(0 <= position < len(self.words) for position in self.answer), "answers lie inside the document"
        assert all(len(values) == len(self.words) for values in self.truth.values()), "one value per word"

    @property
    def prompt(self) -> tuple[str, ...]:
        """The words before the last answer."""
        return self.words[: self.answer[-1]]

    @property
    def target(self) -> str:
        """The last answer: the word that a model which knows the world writes after `prompt`."""
        return self.words[self.answer[-1]]


@dataclass(kw_only=True)
class Draft:
    """A document while it is written: `say` words, `settle` variables, `conclude` answers, then `finish`."""

    phenomenon: str
    kind: str
    split: Split = "train"
    words: list[str] = field(default_factory=list)
    answer: list[int] = field(default_factory=list)
    settled: dict[str, tuple[Value, int]] = field(default_factory=dict)

    def say(self, text: str, **variables: Value) -> "Draft":
        """Append words; the variables have their value from the last of these words on."""
        self.words.extend(text.split())
        return self.settle(**variables)

    def settle(self, **variables: Value) -> "Draft":
        """Give variables their value from the last word so far on; what is settled already stays."""
        for name, value in variables.items():
            self.settled.setdefault(name, (value, len(self.words) - 1))
        return self

    def conclude(self, text: str, **variables: Value) -> "Draft":
        """Append words that are an answer."""
        start = len(self.words)
        self.say(text, **variables)
        self.answer.extend(range(start, len(self.words)))
        return self

    def finish(self) -> Document:
        """The document, with one value per word for each variable."""
        length = len(self.words)
        truth = {name: (None,) * start + (value,) * (length - start) for name, (value, start) in self.settled.items()}
        return Document(
            phenomenon=self.phenomenon,
            kind=self.kind,
            split=self.split,
            words=tuple(self.words),
            answer=tuple(self.answer),
            truth=truth,
        )


Writer = Callable[[Random, Split], Document]
"""Draws one document of one kind from one split."""


def frame_words(*frames: str) -> set[str]:
    """The words of text frames, without the places in braces that are filled in later."""
    return {word for frame in frames for word in frame.split() if not word.startswith("{")}
