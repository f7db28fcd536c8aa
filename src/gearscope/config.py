"""The base of every settings class: frozen, strict, JSON in and out, with a fingerprint. No torch."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gearscope.errors import ConfigError

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Settings: unknown keys are refused, values never change after construction, a field's docstring is its help."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, use_attribute_docstrings=True
    )

    @classmethod
    def of(cls: type[C], **settings: Any) -> C:
        """Settings from values that a user gave. Raises ConfigError with every problem at once."""
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise cls._refusal(error) from error

    @classmethod
    def from_json(cls: type[C], text: str) -> C:
        """Read settings from JSON text. Raises ConfigError with every problem at once."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise cls._refusal(error) from error

    @classmethod
    def _refusal(cls, error: ValidationError) -> ConfigError:
        problems = [
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {e['input']!r:.60})" for e in error.errors()
        ]
        return ConfigError(f"valid {cls.__name__} settings were expected", found=", ".join(problems))

    @classmethod
    def from_file(cls: type[C], path: Path) -> C:
        """Read settings from a JSON file."""
        return cls.from_json(path.read_text(encoding="utf-8"))

    def to_json(self) -> str:
        """The settings as JSON text with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2)

    def changed(self: C, settings: Mapping[str, Any]) -> C:
        """The same with some settings changed, each by its own name; those of the settings inside it are reached too.

        Raises ConfigError with every problem at once.
        """
        inside = {name: part for name in type(self).model_fields if isinstance(part := getattr(self, name), Config)}
        owner = {name: part for part, held in inside.items() for name in type(held).model_fields}
        top = set(type(self).model_fields) - set(inside)
        known = sorted(top | set(owner))
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ConfigError(f"known settings were expected ({', '.join(known)})", found=", ".join(unknown))
        whole = self.model_dump(mode="json")
        for name, value in settings.items():
            (whole if name in top else whole[owner[name]])[name] = value
        return type(self).from_json(json.dumps(whole))

    def fingerprint(self) -> str:
        """Sixteen hex digits that change when any setting changes."""
        return fingerprint(self.model_dump(mode="json"))


def fingerprint(value: Any) -> str:
    """Sixteen hex digits of the SHA-256 of a JSON-able value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
