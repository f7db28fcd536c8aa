"""Where the bundle that ships with the package lies. No torch."""

from pathlib import Path

from gearscope.errors import ArtifactError

SHIPPED = Path(__file__).parent / "bundle" / "model"
"""Folder of the shipped bundle (package data)."""


def shipped_bundle() -> Path:
    """The shipped bundle's folder. Raises ArtifactError when the package was installed without it."""
    if not (SHIPPED / "manifest.json").is_file():
        hint = "reinstall gearscope, or train one with `gearscope organism train`"
        raise ArtifactError(f"the shipped organism was expected at {SHIPPED}", found="none", hint=hint)
    return SHIPPED
