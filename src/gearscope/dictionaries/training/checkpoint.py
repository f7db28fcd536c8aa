"""A training run on disk: one safetensors file from which it continues bit for bit, and a log beside it.

The file holds the weights, both moments of Adam, the scales of the sites and the tokens since each feature fired; its
header holds the steps done, the bounds of batch top-k, where the activations go on, and the settings and inputs. It is
written beside the old one, flushed and renamed over it, so that a kill at any moment leaves a whole file.
Weights that are not finite are never stored. No pickles.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Adam

from gearscope.artifact import unwritable, write_text
from gearscope.dictionaries.training.weights import Scaling, Weights
from gearscope.errors import ArtifactError

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(kw_only=True)
class State:
    """All that a run is, between two steps."""

    weights: Weights
    optimizer: Adam
    scaling: Scaling
    silent: list[Tensor]
    """By dictionary: tokens since each feature fired."""
    bounds: tuple[float | None, ...]
    steps_done: int

    def tensors(self) -> dict[str, Tensor]:
        """Everything with an axis, by name."""
        found = {"scaling.mean": self.scaling.mean, "scaling.factor": self.scaling.factor}
        found |= {f"silent.{number}": tokens for number, tokens in enumerate(self.silent)}
        for name, tensor in self.weights.named().items():
            found[f"weight.{name}"] = tensor
            found |= {f"{key}.{name}": self.optimizer.state[tensor][key] for key in _MOMENTS}
        return found

    @torch.no_grad()
    def fill(self, tensors: dict[str, Tensor]) -> None:
        """Take over stored tensors."""
        self.scaling = Scaling(*(tensors[f"scaling.{n}"].to(self.weights.b_dec) for n in Scaling._fields))
        for number, tokens in enumerate(self.silent):
            tokens.copy_(tensors[f"silent.{number}"])
        for name, tensor in self.weights.named().items():
            tensor.copy_(tensors[f"weight.{name}"])
            self.optimizer.state[tensor] = {key: tensors[f"{key}.{name}"].to(tensor.device) for key in _MOMENTS}


def save_checkpoint(folder: Path, state: State, *, place: str, run: dict[str, Any]) -> None:
    """Write the state; `run` is all that decides the weights, by name.

    Raises ArtifactError when the folder cannot be written.
    """
    header = header_of(state, place=place, run=run)
    scratch = folder / f".{CHECKPOINT}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors().items()}
        save_file(tensors, scratch, metadata={"state": json.dumps(header)})
        with scratch.open("rb+") as stream:
            os.fsync(stream.fileno())
        scratch.replace(folder / CHECKPOINT)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            scratch.unlink()
        raise unwritable(folder, error if isinstance(error, OSError) else OSError(str(error))) from error


def load_checkpoint(folder: Path, state: State, *, run: dict[str, Any]) -> str:
    """Put a stored state into `state`; return where the activations go on.

    Raises ArtifactError when there is no checkpoint, when it is damaged, or when it belongs to other settings.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise ArtifactError(f"a checkpoint was expected at {path}", found="none", hint="start without --resume")
    try:
        with safe_open(path, framework="pt") as stored:
            header = json.loads((stored.metadata() or {}).get("state", "{}"))
            place = take_header(state, header, path, run=run)
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
        state.fill(tensors)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise ArtifactError(f"{path} should be a whole checkpoint", found=str(error) or repr(error)) from error
    return place


def header_of(state: State, *, place: str, run: dict[str, Any]) -> dict[str, Any]:
    """What is stored beside the tensors, as JSON."""
    return {"steps_done": state.steps_done, "bounds": state.bounds, "place": place, "run": run}


def take_header(state: State, header: dict[str, Any], path: Path, *, run: dict[str, Any]) -> str:
    """Put it into `state`; return where the activations go on. Raises ArtifactError when the run is another one."""
    others = differences(header.get("run") or {}, run)
    if others:
        raise ArtifactError(
            f"a checkpoint of these settings, this model and this corpus was expected at {path}",
            found=", ".join(others),
            hint="give what it was begun with, or train into an empty folder",
        )
    state.steps_done, state.bounds = header["steps_done"], tuple(header["bounds"])
    return header["place"]


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What a stored run was begun with and what is asked for, where they differ; a phrase each."""
    names = sorted(name for name in {*stored, *wanted} if stored.get(name) != wanted.get(name))
    return [
        f"{name} {json.dumps(stored.get(name))} where {json.dumps(wanted.get(name))} is asked for" for name in names
    ]


def write_log(folder: Path, log: list[dict[str, Any]]) -> None:
    """Write the log, one line per entry. Raises ArtifactError when the folder cannot be written."""
    write_text(folder / LOG, "".join(json.dumps(entry) + "\n" for entry in log))


def read_log(folder: Path, *, up_to: int) -> list[dict[str, Any]]:
    """The log lines of the first `up_to` steps; none when nothing was done yet."""
    path = folder / LOG
    if up_to == 0 or not path.is_file():
        return []
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [entry for entry in entries if entry["step"] <= up_to]
