"""Files of every format: tensors in and out, settings, and where in a folder they lie.

safetensors are mapped into memory, so that of a decoder only the rows in use are read. Nothing here unpickles.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gearscope.errors import ArtifactError, GearscopeError

READABLE = 0o644
"""Permissions of weights: safetensors writes files that only their owner can read."""
UNREAD = (".npz", ".npy", ".pt", ".pth", ".bin", ".pkl", ".ckpt")
"""Endings of weights that are no safetensors; a format that opens one of them says so itself."""
_DEEPEST = 5
T = TypeVar("T")


def mapped(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped rather than read. Raises ArtifactError."""
    if path.suffix != ".safetensors":
        raise not_safetensors(path.name)
    try:
        with safe_open(path, framework="pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} should be a safetensors file", found=str(error)) from error


def save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, its folder too. Raises ArtifactError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
        path.chmod(READABLE)
    except SafetensorError as error:
        raise ArtifactError(f"{path.name} could not be written", found=str(error)) from error


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON file with settings by name. Raises ArtifactError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} should be JSON", found=" ".join(str(error).split())) from error
    if not isinstance(data, dict):
        raise ArtifactError(f"{path} should hold settings by name", found=type(data).__name__)
    return data


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings as JSON, their folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def not_safetensors(names: str) -> ArtifactError:
    """The one sentence for files that are not opened."""
    hint = "convert it to safetensors with the program that wrote it; files that can carry code are never opened"
    return ArtifactError("weights in safetensors files were expected", found=names, hint=hint)


def folders_with(folder: Path, *names: str) -> list[Path]:
    """Folders, this one or inside it, that hold a file of every given name, in the order of their paths."""
    return [Path(place) for place, files in _walk(folder) if set(names) <= set(files)]


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for place, folders, files in os.walk(folder):
        deep = len(Path(place).relative_to(folder).parts)
        folders[:] = [] if deep == _DEEPEST else sorted(name for name in folders if not name.startswith("."))
        yield place, files


def at_least_single(tensor: Tensor) -> Tensor:
    """Weights that take part in sums, in float32 or better."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def every(steps: Sequence[Callable[[], T]], folder: Path) -> list[T]:
    """The results of all steps; their mistakes, if any, in one sentence."""
    done: list[T] = []
    mistakes: list[GearscopeError] = []
    for step in steps:
        try:
            done.append(step())
        except GearscopeError as mistake:
            mistakes.append(mistake)
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        found = " / ".join(str(mistake).rstrip(".") for mistake in mistakes)
        raise ArtifactError(f"{folder} should hold whole dictionaries", found=found)
    return done
