"""Schemas -> TypeScript, so that the page and the server cannot drift apart. No torch.

    python -m gearscope.web.typescript frontend/src/api/types.ts

writes the file; a test compares it with what `render` gives. Only what our schemas use of JSON Schema is understood:
anything else is a KeyError here, not a wrong type there.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gearscope.artifact import write_text
from gearscope.interventions.result import Intervention
from gearscope.web import schemas

_PLAIN = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
_ASKED = (schemas.Boxes, schemas.NotesIn, schemas.TraceIn, schemas.InterveneIn)
"""What the page sends: fields with a default may be left out."""
_HEAD = "// Made from src/gearscope/web/schemas.py by `make types`; edit there, not here.\n"


def render() -> str:
    """The TypeScript file."""
    wire = [kind for kind in vars(schemas).values() if isinstance(kind, type) and issubclass(kind, schemas.Sent)]
    models: list[type[BaseModel]] = [*(kind for kind in wire if kind is not schemas.Sent), Intervention]
    _, found = models_json_schema([(model, "validation" if model in _ASKED else "serialization") for model in models])
    return _HEAD + "".join(_interface(name, schema) for name, schema in sorted(found["$defs"].items()))


def _interface(name: str, schema: dict[str, Any]) -> str:
    needed = schema.get("required", [])
    fields = "".join(
        _comment(field) + f"  {key}{'' if key in needed else '?'}: {_type(field)};\n"
        for key, field in schema.get("properties", {}).items()
    )
    return f"\nexport interface {name} {{\n{fields}}}\n"


def _comment(field: dict[str, Any]) -> str:
    said = " ".join(field.get("description", "").split())
    return f"  /** {said} */\n" if said else ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema["type"] == "array":
        inner = _type(schema["items"])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if schema["type"] == "object":
        return f"Record<string, {_type(schema['additionalProperties'])}>"
    return _PLAIN[schema["type"]]


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), render())
