"""Every error a user can cause, in one tree.

    GearscopeError                 a user mistake: one sentence, exit code 2, no traceback
    ├── ConfigError                settings that contradict each other or do not exist
    ├── ArtifactError              a stored file or folder is missing, damaged or of another kind
    ├── ModelError                 the model cannot be opened, or cannot be understood
    ├── PromptError                the prompt is empty, too long, or has words the model does not know
    ├── DictionaryError            a dictionary's weights are damaged, or it does not fit the model
    ├── GraphError                 a graph file is not one, or a node is not in it
    └── TargetError                an attribution target that does not exist

Each message says what was expected, what was found, and what to do. Broken invariants of our own are `assert`s.
"""


class GearscopeError(Exception):
    """A mistake the user can mend. `expected`, `found` and `hint` are joined into one sentence."""

    def __init__(self, expected: str, *, found: str | None = None, hint: str | None = None) -> None:
        parts = [expected.rstrip(".")]
        if found is not None:
            parts.append(f"found {found}".rstrip("."))
        if hint is not None:
            parts.append(hint.rstrip("."))
        super().__init__("; ".join(parts) + ".")


class ConfigError(GearscopeError):
    """Settings that contradict each other or do not exist."""


class ArtifactError(GearscopeError):
    """A stored file or folder is missing, damaged or of another kind."""


class ModelError(GearscopeError):
    """The model cannot be opened, or its parts cannot be understood."""


class PromptError(GearscopeError):
    """The prompt is empty, too long, or has words the model does not know."""


class DictionaryError(GearscopeError):
    """A dictionary's weights are damaged, or it does not fit the model."""


class GraphError(GearscopeError):
    """A graph file is not one, or a node is not in it."""


class TargetError(GearscopeError):
    """An attribution target that does not exist."""
