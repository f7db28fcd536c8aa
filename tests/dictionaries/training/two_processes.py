"""Run by `torchrun` from `test_shards.py`: trains with the features divided, and keeps what each process saw.

two_processes.py FOLDER SETTINGS.json [STOP_AT]
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.shards import started
from gearscope.dictionaries.training.train import train
from tests.oracles.planted_activations import FixedSource, planted


class StopError(Exception):
    pass


def main(folder: Path, config: TrainingConfig, stop_at: int | None) -> None:
    shards, losses = started(), []

    def note(at) -> None:
        losses.append(at.loss)
        if stop_at is not None and at.tokens_done >= stop_at:
            raise StopError

    layout = layout_of(config, 2 if config.kind == "clt" else 1)
    acts = planted(3000, sites=len(layout.sites))
    held_out = [planted(500, sites=len(layout.sites))]
    try:
        resume = (folder / "run").exists()
        made = train(
            config, layout, FixedSource(acts), held_out, folder / "run", progress=note, resume=resume, shards=shards
        )
        tensors = {f"{i}.{n}": t for i, d in enumerate(made.dictionaries) for n, t in d.tensors().items()}
        save_file(tensors, folder / f"made.{shards.rank}.safetensors")
    except StopError:
        pass
    (folder / f"losses.{shards.rank}.json").write_text(json.dumps(losses))
    if shards.count > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    settings = TrainingConfig.from_json(Path(sys.argv[2]).read_text())
    main(Path(sys.argv[1]), settings, int(sys.argv[3]) if len(sys.argv) > 3 else None)
