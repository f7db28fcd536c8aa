"""One call: messages and a schema in, an answer and its usage out. No torch.

    answer, usage = client.complete([Message("system", ...), Message("user", ...)], LabelAnswer)

Whoever answers (an API, a model in this process, a test) is a `Client`. A call that gave nothing raises
`CallFailedError`, with what it cost; a client raises ConfigError where no call can ever succeed (a key or a model that
the host refuses).
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from gearscope.config import Config

Role = Literal["system", "user", "assistant"]
Failure = Literal[
    "rate limited", "server error", "timed out", "no connection", "cut off", "refused", "malformed", "bad request"
]
"""Why there is no answer. `cut off`: by the reply's greatest length; `refused`: by the model; `malformed`: not of the
schema; `bad request`: the host does not take it."""


class Message(NamedTuple):
    """One turn."""

    role: Role
    content: str


class Usage(NamedTuple):
    """Tokens, as the host counts them."""

    input: int
    output: int


class Answer(Config):
    """The base of what a model is asked to say: a strict schema."""


class Vectors(Answer):
    """Embeddings of some texts: what clients of embeddings answer."""

    vectors: tuple[tuple[float, ...], ...]


A = TypeVar("A", bound=Answer)


class CallFailedError(Exception):
    """No answer. The text names no key."""

    def __init__(
        self, kind: Failure, told: str = "", *, tries: int = 1, after: float | None = None, usage: Usage | None = None,
        billed: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(f"{kind}: {told}" if told else kind)
        self.kind: Failure = kind
        self.tries = tries
        """Tries that make sense with this failure; the settings may allow fewer."""
        self.after = after
        """Seconds that the host asked to wait."""
        self.usage = usage
        self.billed = billed
        """Whether it may have been charged though no usage was told."""


class Ask(NamedTuple):
    """A question to send."""

    messages: tuple[Message, ...]
    schema: type[Answer]
    sample: Answer
    """An answer of the right form and usual length: what a dry run takes for a reply."""
    check: Callable[[Any], str | None] = lambda _: None
    """What is wrong with an answer beyond its form, if anything is."""


@runtime_checkable
class Client(Protocol):
    """Who answers. Many threads may call one."""

    def complete(self, messages: Sequence[Message], schema: type[A]) -> tuple[A, Usage | None]:
        """Ask once. Raises CallFailedError, ConfigError."""
        ...
