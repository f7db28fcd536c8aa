"""Our own folders: every kind of dictionary, with what was measured of its features.

    manifest.json            kind "dictionary", a configuration per dictionary, checksums
    layer_0.safetensors      W_enc [F, R, D], b_enc [F], W_dec [F, S, D], b_dec [S, D], [threshold [F]],
                             [W_skip [D, D]], and, where they were measured, max_activation [F] and density [F]

`W_dec` stays mapped: the operating system reads the rows that are used. Biases and encoders are read at once, and half
precision becomes float32 there.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

from gearscope.artifact import MANIFEST, read_manifest, write_manifest
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import STATISTICS, Dictionary
from gearscope.dictionaries.formats.files import at_least_single, every, mapped, save
from gearscope.dictionaries.formats.format import Format
from gearscope.errors import ArtifactError

KIND = "dictionary"


def fits(folder: Path) -> bool:
    """Whether it has a manifest."""
    return (folder / MANIFEST).is_file()


def read(folder: Path) -> DictionarySet:
    """Open one of our folders. Raises ArtifactError, DictionaryError, ConfigError."""
    settings = read_manifest(folder, KIND)["config"]
    where = f"{folder / MANIFEST} should list the dictionaries of the folder with their configurations"
    if not isinstance(settings, dict) or not isinstance(settings.get("dictionaries"), list):
        raise ArtifactError(where, found="none")
    configs = [DictionaryConfig.from_json(json.dumps(config)) for config in settings["dictionaries"]]
    opened = every([partial(_dictionary, folder, i, config) for i, config in enumerate(configs)], folder)
    return DictionarySet(
        dictionaries=tuple(opened), model=str(settings.get("model", "")), scan=str(settings.get("scan", ""))
    )


def _dictionary(folder: Path, number: int, config: DictionaryConfig) -> Dictionary:
    path = folder / f"layer_{number}.safetensors"
    tensors = mapped(path)
    needed, allowed = {"W_enc", "b_enc", "W_dec", "b_dec"}, {"threshold", "W_skip", *STATISTICS}
    problems = [f"no {name}" for name in sorted(needed - set(tensors))]
    problems += [f"an unknown {name}" for name in sorted(set(tensors) - needed - allowed)]
    if problems:
        raise ArtifactError(f"{path.name} should hold a dictionary", found=", ".join(problems))
    decoder = tensors.pop("W_dec")
    parts = {name: at_least_single(tensor) for name, tensor in tensors.items()}
    return Dictionary(config=config, W_dec=decoder, mapped=True, **parts)


def write(folder: Path, dictionaries: DictionarySet) -> None:
    """Write a whole folder that says nothing of how its dictionaries were made."""
    write_with(folder, dictionaries, inputs={}, made={})


def write_with(folder: Path, dictionaries: DictionarySet, *, inputs: dict[str, str], made: dict[str, Any]) -> None:
    """Write a whole folder; `made` goes into the manifest's configuration as it is."""
    settings = made | {
        "dictionaries": [config.model_dump(mode="json") for config in dictionaries.configs],
        "model": dictionaries.model,
        "scan": dictionaries.scan,
    }
    for number, dictionary in enumerate(dictionaries.dictionaries):
        save(folder / f"layer_{number}.safetensors", dictionary.tensors() | dictionary.statistics())
    write_manifest(folder, KIND, config=settings, inputs=inputs)


FORMAT = Format("gearscope", f"our {MANIFEST}", fits, read, write, (MANIFEST, "layer_*.safetensors"))
