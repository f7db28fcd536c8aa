"""Where the shipped bundle lies. No torch."""

from pathlib import Path

from gearscope.errors import ArtifactError
from gearscope.lock import LOCK, MODEL, locked_part

SHIPPED = Path(__file__).parent / "bundle"
"""Folder of the shipped bundle (package data)."""


def shipped_bundle() -> Path:
    """The shipped bundle's folder. Raises ArtifactError when the package was installed without it."""
    if not (SHIPPED / LOCK).is_file():
        hint = "reinstall gearscope, or train one with `gearscope organism train`"
        raise ArtifactError(f"the shipped organism was expected at {SHIPPED}", found="none", hint=hint)
    return SHIPPED


def shipped_model() -> Path:
    """The folder of the shipped organism itself. Raises ArtifactError when the package was installed without it."""
    return shipped_bundle() / MODEL


LIBRARY = "library"
"""The part that holds the archive of the feature library."""


def shipped_library() -> Path:
    """The archive of the shipped feature library. Raises ArtifactError for a bundle without it, or another one."""
    return locked_part(shipped_bundle(), LIBRARY)
