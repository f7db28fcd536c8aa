"""Text of a model read by a schema, and labels made fit to be shown. Nothing in a reply is ever run. No torch."""

import json
import unicodedata
from collections.abc import Sequence

from pydantic import ValidationError

from gearscope.explainers.protocol import A, Answer, CallFailedError, Message, Usage

LONGEST_LABEL = 200
_LONGEST_REPLY = 1_000_000


def read_answer(text: str, schema: type[A], usage: Usage | None = None) -> A:
    """The answer in a text, which may stand in a code fence or behind words. Raises CallFailedError (malformed)."""
    for part in (text, _braced(text)):
        try:
            return schema.model_validate_json(part[:_LONGEST_REPLY])
        except (ValidationError, RecursionError):
            continue
    raise CallFailedError("malformed", f"JSON of {schema.__name__} was expected", tries=2, usage=usage, billed=True)


def _braced(text: str) -> str:
    begin, end = text.find("{"), text.rfind("}")
    return text[begin : end + 1] if 0 <= begin < end else ""


def clean_label(text: str) -> str:
    """One line, with no control or invisible characters, of at most `LONGEST_LABEL` characters; may be empty."""
    spaced = "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFC", text))
    shown = "".join(char for char in spaced if unicodedata.category(char)[0] != "C")
    line = " ".join(shown.split())
    if len(line) <= LONGEST_LABEL:
        return line
    return line[: LONGEST_LABEL - 1].rsplit(" ", 1)[0][: LONGEST_LABEL - 1] + "…"


def in_words(schema: type[Answer]) -> str:
    """The form of an answer, for the end of a prompt: servers that know no schemas need it, and others lose nothing."""
    return f"Answer with JSON alone, of this schema:\n{json.dumps(schema.model_json_schema(), sort_keys=True)}"


def size_of(messages: Sequence[Message], schema: type[Answer]) -> int:
    """Bytes of a request's text: no tokenizer that works on bytes makes more tokens of it."""
    said = sum(len(message.content.encode("utf-8", "replace")) for message in messages)
    return said + 2 * len(json.dumps(schema.model_json_schema()))
