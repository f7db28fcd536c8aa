"""A finished model of a bundle on disk: stock checkpoint, tokenizer, truth and manifest, written whole or not at all.

Weights are stored in float16 and declared as float32 in `config.json`, so that a plain `from_pretrained` computes in
float32 with the rounded weights: exactly the model that was measured.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForCausalLM, MistralForCausalLM
from transformers.utils.logging import disable_progress_bar

from gearscope.artifact import new_folder, read_manifest, write_manifest, write_text
from gearscope.config import fingerprint
from gearscope.errors import ArtifactError
from gearscope.organism.config import OrganismConfig
from gearscope.organism.evaluate import Measured, Score
from gearscope.organism.runs import Run
from gearscope.organism.tokenizer import build_tokenizer
from gearscope.organism.world.phenomena import PHENOMENA, compositions

READABLE = 0o644
"""Permissions of the weights: safetensors writes files that only their owner can read."""
ACCURACY = "truth/accuracy.json"
BEFORE = "truth/before.json"
HELD_OUT = "truth/held_out.json"
_LISTED = 2000
"""Held-out texts of a phenomenon that are stored word by word; the fingerprint covers all of them."""


def write_model(out: Path, model: MistralForCausalLM, run: Run, *, made: str, texts: Mapping[str, str]) -> None:
    """Write a model whose weights are float16 numbers already; `texts` are further files by their path.

    `made` is the fingerprint of the run. Raises ArtifactError if `out` exists.
    """
    weights = own_weights(model)
    assert all(torch.equal(tensor, tensor.half().float()) for tensor in weights.values()), "round before you measure"
    settings = copy.deepcopy(model.config)
    settings.architectures, settings.dtype = [type(model).__name__], torch.float32
    with new_folder(out) as folder:
        save_file({n: t.half() for n, t in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "model.safetensors").chmod(READABLE)
        settings.save_pretrained(folder)
        assert model.generation_config is not None, "a causal model has generation settings"
        model.generation_config.save_pretrained(folder)
        build_tokenizer(run.config.context).save_pretrained(folder)
        for path, text in texts.items():
            write_text(folder / path, text)
        about = {"settings": run.config.model_dump(mode="json"), **run.about}
        write_manifest(folder, run.kind, config=about, inputs={"run": made, **run.inputs})


def own_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights by name, a tied matrix once."""
    return {name: parameter.detach().contiguous() for name, parameter in model.named_parameters()}


def open_weights(folder: Path) -> nn.Module:
    """The model of a folder, in float32, as stock transformers opens it."""
    disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, local_files_only=True
    ).float()


def table_json(table: dict[str, Measured], bars: dict[str, float]) -> str:
    """The accuracy table as JSON text: counts, so that every figure carries its own size."""
    rows = {
        name: {
            **{level: {"correct": score.correct, "count": score.count} for level, score in row._asdict().items()},
            "bar": bars.get(name),
        }
        for name, row in table.items()
    }
    return json.dumps(rows, indent=1) + "\n"


def held_out_truth() -> dict[str, Any]:
    """The compositions that training never shows, by phenomenon: the first texts of them, and what covers them all."""
    held_out = {}
    for name in PHENOMENA:
        texts = list(dict.fromkeys(" ".join(document.words) for document in compositions(name, "heldout")))
        if texts:
            held_out[name] = {"count": len(texts), "fingerprint": fingerprint(texts), "texts": texts[:_LISTED]}
    return held_out


def held_out_json() -> str:
    """The same as JSON text."""
    return json.dumps(held_out_truth(), separators=(",", ":")) + "\n"


def read_table(folder: Path, file: str = ACCURACY) -> dict[str, Measured]:
    """A stored accuracy table of a model. Raises ArtifactError when it is missing or damaged."""
    path = folder / file
    try:
        return table_of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ArtifactError(f"an accuracy table was expected at {path}", found="none") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} should be an accuracy table", found=repr(error)) from error


def table_of(rows: Mapping[str, Any]) -> dict[str, Measured]:
    """An accuracy table from what `table_json` wrote."""
    return {
        name: Measured(*(Score(row[level]["correct"], row[level]["count"]) for level in Measured._fields))
        for name, row in rows.items()
    }


def read_config(folder: Path, kind: str) -> OrganismConfig:
    """The settings a model was trained with. Raises ArtifactError when `folder` holds none of this kind."""
    settings = read_manifest(folder, kind)["config"].get("settings")
    if not isinstance(settings, dict):
        raise ArtifactError(f"{folder} should say in its manifest how it was trained", found=repr(settings))
    return OrganismConfig.from_json(json.dumps(settings))
