"""A finished bundle on disk: stock checkpoint, tokenizer, truth and manifest, written whole or not at all.

Weights are stored in float16 and declared as float32 in `config.json`, so that a plain `from_pretrained` computes in
float32 with the rounded weights: exactly the model that was measured.
"""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import MistralForCausalLM

from gearscope.artifact import new_folder, read_manifest, write_manifest, write_text
from gearscope.errors import ArtifactError
from gearscope.organism.config import OrganismConfig
from gearscope.organism.evaluate import Measured, Score
from gearscope.organism.tokenizer import build_tokenizer
from gearscope.organism.world import addition, rhyme, two_hops

KIND = "organism"
READABLE = 0o644
"""Permissions of the weights: safetensors writes files that only their owner can read."""
ACCURACY = "truth/accuracy.json"
HELD_OUT = "truth/held_out.json"


def write_bundle(
    out: Path, model: MistralForCausalLM, table: dict[str, Measured], *, config: OrganismConfig, run: str
) -> None:
    """Write a bundle of a model whose weights are float16 numbers already. Raises ArtifactError if `out` exists."""
    weights = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    assert all(torch.equal(tensor, tensor.half().float()) for tensor in weights.values()), "round before you measure"
    settings = copy.deepcopy(model.config)
    settings.architectures, settings.dtype = [type(model).__name__], torch.float32
    with new_folder(out) as folder:
        save_file({n: t.half() for n, t in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "model.safetensors").chmod(READABLE)
        settings.save_pretrained(folder)
        assert model.generation_config is not None, "a causal model has generation settings"
        model.generation_config.save_pretrained(folder)
        build_tokenizer(config.context).save_pretrained(folder)
        write_text(folder / ACCURACY, table_json(table, config.bars))
        write_text(folder / HELD_OUT, json.dumps(held_out_truth(), separators=(",", ":")) + "\n")
        write_manifest(folder, KIND, config=config.model_dump(mode="json"), inputs={"run": run})


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
    """The compositions that training never shows, by phenomenon."""
    return {
        "addition": [[a, b] for a, b in sorted(addition.HELD_OUT) if a <= b],
        "two_hops": {city: two_hops.CITIES[city] for city in two_hops.HELD_OUT},
        "rhyme": {
            "pairs": [list(pair) for pair in sorted(rhyme.HELD_OUT)],
            "first_lines": [" ".join(rhyme.opening_words(word, line)) for word, line in rhyme.openings("heldout")],
        },
    }


def read_table(folder: Path) -> dict[str, Measured]:
    """The stored accuracy table of a bundle. Raises ArtifactError when it is missing or damaged."""
    path = folder / ACCURACY
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Measured(*(Score(row[level]["correct"], row[level]["count"]) for level in Measured._fields))
            for name, row in rows.items()
        }
    except FileNotFoundError as error:
        raise ArtifactError(f"an accuracy table was expected at {path}", found="none") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} should be an accuracy table", found=repr(error)) from error


def read_config(folder: Path) -> OrganismConfig:
    """The settings a bundle was trained with. Raises ArtifactError when `folder` is no bundle."""
    return OrganismConfig.from_json(json.dumps(read_manifest(folder, KIND)["config"]))
