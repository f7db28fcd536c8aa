"""A training run on disk: one safetensors file from which it continues bit for bit.

The file holds the weights, both moments of Adam and the losses since the last log line; its header holds the
number of steps done and the fingerprint of the settings, the world included. It is written beside the old one and
renamed over it, so a kill at any moment leaves a whole file. Beside it lies the log, one JSON object per line. No
pickles.
"""

import json
from pathlib import Path
from random import Random

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn import Module
from torch.optim import AdamW

from gearscope.artifact import unwritable, write_text
from gearscope.config import fingerprint
from gearscope.errors import ArtifactError
from gearscope.organism.config import OrganismConfig
from gearscope.organism.pages import training_row
from gearscope.organism.world.vocabulary import VOCABULARY

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"
_FINGERPRINT_ROWS = 64
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def run_fingerprint(config: OrganismConfig) -> str:
    """Sixteen hex digits that change with the settings, and with the words or the documents of the world."""
    rng = Random("fingerprint of the world")
    rows = [training_row(config, rng, config.steps)[0] for _ in range(_FINGERPRINT_ROWS)]
    return fingerprint({"config": config.model_dump(mode="json", exclude={"bars"}), "words": VOCABULARY, "rows": rows})


def save_checkpoint(
    folder: Path, model: Module, optimizer: AdamW, *, steps_done: int, losses: list[float], run: str
) -> None:
    """Write the state after `steps_done` steps. Raises ArtifactError when the folder cannot be written."""
    tensors = {f"weight.{name}": parameter.detach() for name, parameter in model.named_parameters()}
    for name, parameter in model.named_parameters():
        tensors |= {f"{key}.{name}": optimizer.state[parameter][key] for key in _MOMENTS}
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    scratch = folder / f".{CHECKPOINT}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, scratch, metadata={"steps_done": str(steps_done), "run": run})
        scratch.replace(folder / CHECKPOINT)
    except (OSError, SafetensorError) as error:
        scratch.unlink(missing_ok=True)
        raise unwritable(folder, error if isinstance(error, OSError) else OSError(str(error))) from error


@torch.no_grad()
def load_checkpoint(folder: Path, model: Module, optimizer: AdamW, *, run: str) -> tuple[int, list[float]]:
    """Put a stored state into `model` and `optimizer`; return the steps done and the losses since the last log line.

    Raises ArtifactError when there is no checkpoint, when it is damaged, or when it belongs to other settings.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise ArtifactError(f"a checkpoint was expected at {path}", found="none", hint="start without --resume")
    try:
        with safe_open(path, framework="pt") as stored:
            header = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise ArtifactError(f"{path} should be a whole checkpoint", found=str(error)) from error
    if header.get("run") != run:
        raise ArtifactError(
            f"a checkpoint of these settings was expected at {path}",
            found="one of other settings or another world",
            hint="train into an empty folder",
        )
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[f"weight.{name}"])
        optimizer.state[parameter] = {key: tensors[f"{key}.{name}"] for key in _MOMENTS}
    return int(header["steps_done"]), tensors["losses"].tolist()


def write_log(folder: Path, log: list[dict[str, int | float]]) -> None:
    """Write the log, one line per entry. Raises ArtifactError when the folder cannot be written."""
    write_text(folder / LOG, "".join(json.dumps(entry) + "\n" for entry in log))


def read_log(folder: Path, *, up_to: int) -> list[dict[str, int | float]]:
    """The log lines of the first `up_to` steps; none when nothing was done yet."""
    path = folder / LOG
    if up_to == 0 or not path.is_file():
        return []
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [entry for entry in entries if entry["step"] <= up_to]
