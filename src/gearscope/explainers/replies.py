"""Replies on disk, by the hash of the whole request: what was paid for once is not asked again. No torch.

Each is a file of its own, written whole or not at all; one that is damaged, or not of the schema, counts as none. It
holds the answer and its usage, and neither prompt nor key.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from gearscope.artifact import write_text
from gearscope.explainers.protocol import Answer, Ask, Usage

_FORMAT = 1
_LARGEST = 5_000_000


class Reply(NamedTuple):
    """An answer, and what it took when it was paid for; None where the host did not say."""

    answer: Answer
    usage: Usage | None


class Replies:
    """The replies of one model in one folder."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder, self._identity = folder, identity

    def path(self, ask: Ask) -> Path:
        """Where the reply to a question is."""
        told = {
            "format": _FORMAT,
            "who": self._identity,
            "messages": [list(message) for message in ask.messages],
            "schema": ask.schema.model_json_schema(),
        }
        name = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.json"

    def read(self, ask: Ask) -> Reply | None:
        """The reply to a question; None where there is none that can be used."""
        path = self.path(ask)
        try:
            if path.stat().st_size > _LARGEST:
                return None
            told = json.loads(path.read_text(encoding="utf-8"))
            answer = ask.schema.model_validate_json(json.dumps(told["answer"]))
            usage = None if told["usage"] is None else Usage(*map(int, told["usage"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError):
            return None
        return None if ask.check(answer) else Reply(answer, usage)

    def write(self, ask: Ask, reply: Reply) -> None:
        """Keep a reply. Raises ArtifactError when it cannot be written."""
        told = {"answer": reply.answer.model_dump(mode="json"), "usage": reply.usage}
        write_text(self.path(ask), json.dumps(told) + "\n")
