"""The checkpoint of a run whose features are shared by several processes: each writes its own block, side by side.

    checkpoint/shard-00001-model-00001-of-00001.safetensors ...    by torch.distributed.checkpoint, as safetensors
    checkpoint/state.json                                          what one process writes into its header

It is read again by any number of processes that divides the features, each taking what it holds. A new checkpoint is
written beside the old one, which goes when the new one is whole. No pickles. The same state as in `checkpoint.py`.
"""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Shard

from gearscope.artifact import unwritable, write_text
from gearscope.dictionaries.training.checkpoint import State, header_of, take_header
from gearscope.dictionaries.training.shards import Shards
from gearscope.errors import ArtifactError

FOLDER = "checkpoint"
_STATE = "state.json"


def save_sharded(folder: Path, state: State, shards: Shards, *, place: str, run: dict[str, Any]) -> None:
    """Write the state of all processes. Raises ArtifactError when the folder cannot be written."""
    scratch, out = folder / f".{FOLDER}.new", folder / FOLDER
    try:
        if shards.rank == 0:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
        dist.barrier()
        writer = HuggingFaceStorageWriter(str(scratch), save_distributed=True)
        dcp.save(_distributed(state, shards), storage_writer=writer)
        if shards.rank == 0:
            write_text(scratch / _STATE, json.dumps(header_of(state, place=place, run=run)))
            _replace(scratch, out)
        dist.barrier()
    except OSError as error:
        raise unwritable(folder, error) from error


def _replace(scratch: Path, out: Path) -> None:
    earlier = out.with_name(f".{out.name}.old")
    shutil.rmtree(earlier, ignore_errors=True)
    if out.exists():
        out.rename(earlier)
    scratch.rename(out)
    shutil.rmtree(earlier, ignore_errors=True)


def load_sharded(folder: Path, state: State, shards: Shards, *, run: dict[str, Any]) -> str:
    """Put a stored state into `state`, each process its own block; return where the activations go on.

    Raises ArtifactError when there is none, when it is damaged, or when it belongs to other settings.
    """
    path = folder / FOLDER
    if not (path / _STATE).is_file():
        raise ArtifactError(f"a checkpoint was expected at {path}", found="none", hint="start without --resume")
    place = take_header(state, json.loads((path / _STATE).read_text(encoding="utf-8")), path, run=run)
    stored = _distributed(state, shards)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # one process reads: it is meant to be
            dcp.load(stored, storage_reader=HuggingFaceStorageReader(str(path)), no_dist=shards.count == 1)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ArtifactError(f"{path} should be a whole checkpoint", found=str(error)) from error
    state.fill({n: t.to_local() if isinstance(t, DTensor) else t for n, t in stored.items()})
    return place


def _with_moments(state: State) -> dict[str, Tensor]:
    """All tensors of a state, those of the optimiser too, which has none before its first step."""
    for tensor in state.weights.named().values():
        if tensor not in state.optimizer.state:
            zeros = {moment: torch.zeros_like(tensor) for moment in ("exp_avg", "exp_avg_sq")}
            state.optimizer.state[tensor] = {"step": torch.zeros((), device=tensor.device), **zeros}
    return state.tensors()


def _distributed(state: State, shards: Shards) -> dict[str, Any]:
    """Blocks of features as parts of whole tensors; what all processes hold alike as it is."""
    tensors = {name: tensor.detach() for name, tensor in _with_moments(state).items()}
    if shards.count == 1:
        return dict(tensors)
    mesh = init_device_mesh(state.weights.b_dec.device.type, (shards.count,))
    return {name: _part(tensor, mesh) if _is_shared(name) else tensor for name, tensor in tensors.items()}


def _part(tensor: Tensor, mesh: DeviceMesh) -> DTensor:
    return DTensor.from_local(tensor.contiguous(), mesh, [Shard(0)], run_check=False)


def _is_shared(name: str) -> bool:
    """Whether a tensor has an axis of features that is divided: everything of a dictionary but its skip and steps."""
    alike = name.startswith(("scaling.", "step.")) or name.endswith(("b_dec", "W_skip"))
    return not alike
