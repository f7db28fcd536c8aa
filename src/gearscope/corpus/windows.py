"""Windows of token ids, cut from a stream of texts.

A window is a first token (where the model begins its prompts with one), then ids of texts one after another; a long
text goes on in the next window. Reading is a function of a place and has no state of its own:

    taken = corpus.take(8, None)     # from the beginning
    taken = corpus.take(8, place)    # and on; `place` is plain JSON and can be stored

After the last text the first follows. A text is held out when the first byte of its SHA-256 is below a sixteenth of
256: a choice that does not depend on order, and keeps copies of one text on one side. Knows nothing about files.
"""

import hashlib
from collections.abc import Callable, Generator, Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from gearscope.config import fingerprint
from gearscope.errors import ArtifactError

Split = Literal["train", "held_out"]
Place = Mapping[str, Any]
"""Where reading goes on; JSON."""
_HELD_OUT_BYTES = 16


@runtime_checkable
class Corpus(Protocol):
    """What activations are read on."""

    @property
    def context(self) -> int:
        """Length of every window, in tokens."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with the text or the way it is cut."""
        ...

    def take(self, n_windows: int, place: Place | None) -> "Taken":
        """The next windows from `place` on, None for the beginning. Raises ArtifactError."""
        ...


class Taken(NamedTuple):
    """Windows, and where to go on."""

    ids: Int[Tensor, "B P"]
    place: Place
    whole: int | None = None
    """Tokens of the whole corpus, once the windows reach behind its end; None as long as they do not."""


@runtime_checkable
class Texts(Protocol):
    """Pieces of text in one order, from any place on."""

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with the text."""
        ...

    def pieces(self, place: Place | None) -> Generator[tuple[str, Place]]:
        """Each piece with the place behind it, once through; from `place` on, None for the beginning."""
        ...


class TextCorpus:
    """Windows of texts. Fulfils `Corpus`."""

    def __init__(
        self,
        texts: Texts,
        encode: Callable[[str], list[int]],
        *,
        context: int,
        first: int | None,
        between: int | None,
        split: Split,
    ) -> None:
        """`first` stands at the head of every window, `between` behind every text; None for nothing."""
        assert context >= 2
        self.context = context
        self._texts = texts
        self._encode = encode
        self._first = [] if first is None else [first]
        self._between = [] if between is None else [between]
        self._split = split

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with the text or the way it is cut."""
        return fingerprint([self._texts.fingerprint, self.context, self._first, self._between, self._split])

    def take(self, n_windows: int, place: Place | None) -> Taken:
        """The next windows. Raises ArtifactError when no text is on this side of the split."""
        pending: list[int] = [] if place is None else list(place["pending"])
        at: Place | None = None if place is None else place["texts"]
        length = self.context - len(self._first)
        needed, tokens = n_windows * length, None
        while len(pending) < needed:
            found, whole = 0, at is None
            for piece, behind in self._texts.pieces(at):
                at = behind
                if is_held_out(piece) == (self._split == "held_out"):
                    ids = self._encode(piece)
                    pending += ids + self._between
                    found += len(ids)
                if len(pending) >= needed:
                    break
            else:
                if whole and not found:
                    self._refuse()
                at, tokens = None, found if whole else tokens
        rows = [self._first + pending[start : start + length] for start in range(0, needed, length)]
        return Taken(torch.tensor(rows), {"texts": at, "pending": pending[needed:]}, tokens)

    def _refuse(self) -> None:
        side = "held-out text" if self._split == "held_out" else "text to train on"
        hint = "about one text in sixteen is held out: give a corpus of more texts"
        raise ArtifactError(f"{side} was expected in the corpus", found="none", hint=hint)


def windows_for(corpus: Corpus, tokens: int) -> int:
    """How many windows hold so many tokens, their first positions not counted."""
    return -(-tokens // (corpus.context - 1))


def is_held_out(text: str) -> bool:
    """Whether a text is kept for measuring."""
    return hashlib.sha256(text.encode()).digest()[0] < _HELD_OUT_BYTES
