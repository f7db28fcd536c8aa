"""Dictionaries on disk: our own folders, circuit-tracer's and SAELens'. The only file here that touches it.

Only safetensors are opened; nothing is ever unpickled. `W_dec` stays mapped: the operating system reads the rows that
are used. Biases and encoders are read at once, and half precision becomes float32 there.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gearscope.artifact import MANIFEST, new_folder, read_manifest, write_manifest, write_text
from gearscope.dictionaries import foreign, saelens
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import STATISTICS, Dictionary
from gearscope.errors import ArtifactError, GearscopeError

KIND = "dictionary"
READABLE = 0o644
"""Permissions of weights: safetensors writes files that only their owner can read."""
FOREIGN_SETTINGS = "config.yaml"
T = TypeVar("T")
_UNREAD = (".npz", ".npy", ".pt", ".pth", ".bin", ".pkl", ".ckpt")


def read_dictionaries(folder: Path) -> DictionarySet:
    """Open a folder of dictionaries: ours, circuit-tracer's, or one of SAELens, or a folder of those.

    Raises ArtifactError, DictionaryError, ConfigError.
    """
    if folder.suffix in _UNREAD:
        raise _not_safetensors(folder.name)
    if (folder / MANIFEST).is_file():
        return _read_own(folder)
    if (folder / FOREIGN_SETTINGS).is_file():
        return _read_foreign(folder)
    checkpoints = _saelens_folders(folder)
    if checkpoints:
        return _read_saelens(checkpoints, folder)
    unread = sorted(p.name for p in folder.iterdir() if p.suffix in _UNREAD) if folder.is_dir() else []
    if unread:
        raise _not_safetensors(", ".join(unread[:3]))
    raise ArtifactError(
        f"a folder of dictionaries was expected at {folder}, with {MANIFEST}, circuit-tracer's {FOREIGN_SETTINGS} or "
        f"SAELens' {saelens.SETTINGS}",
        found="none of them" if folder.is_dir() else "no such folder",
    )


def write_dictionaries(
    out: Path,
    dictionaries: DictionarySet,
    *,
    inputs: dict[str, str] | None = None,
    made: dict[str, Any] | None = None,
) -> None:
    """Write our own folder, whole or not at all. Raises ArtifactError if `out` exists or cannot be written.

    `made` goes into the manifest's configuration as it is: how they were trained, what was measured of them.
    """
    settings = (made or {}) | {
        "dictionaries": [config.model_dump(mode="json") for config in dictionaries.configs],
        "model": dictionaries.model,
        "scan": dictionaries.scan,
    }
    with new_folder(out) as folder:
        for number, dictionary in enumerate(dictionaries.dictionaries):
            _save(folder / f"layer_{number}.safetensors", dictionary.tensors() | dictionary.statistics())
        write_manifest(folder, KIND, config=settings, inputs=inputs or {})


def write_circuit_tracer(out: Path, dictionaries: DictionarySet) -> None:
    """Write a folder that circuit-tracer opens. Raises ArtifactError, and DictionaryError for what it cannot hold."""
    settings, files = foreign.from_set(dictionaries)
    with new_folder(out) as folder:
        for name, tensors in files.items():
            _save(folder / name, tensors)
        write_text(folder / FOREIGN_SETTINGS, yaml.safe_dump(settings, sort_keys=False))


def _save(path: Path, tensors: dict[str, Tensor]) -> None:
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
        path.chmod(READABLE)
    except SafetensorError as error:
        raise ArtifactError(f"{path.name} could not be written", found=str(error)) from error


def _mapped(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, mapped rather than read."""
    if path.suffix != ".safetensors":
        raise _not_safetensors(path.name)
    try:
        with safe_open(path, framework="pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} should be a safetensors file", found=str(error)) from error


def _not_safetensors(names: str) -> ArtifactError:
    hint = "convert it to safetensors with the program that wrote it; files that can carry code are never opened"
    return ArtifactError("weights in safetensors files were expected", found=names, hint=hint)


def _read_own(folder: Path) -> DictionarySet:
    settings = read_manifest(folder, KIND)["config"]
    where = f"{folder / MANIFEST} should list the dictionaries of the folder with their configurations"
    if not isinstance(settings, dict) or not isinstance(settings.get("dictionaries"), list):
        raise ArtifactError(where, found="none")
    configs = [DictionaryConfig.from_json(json.dumps(config)) for config in settings["dictionaries"]]
    opened = _all([partial(_own_dictionary, folder, i, config) for i, config in enumerate(configs)], folder)
    return DictionarySet(
        dictionaries=tuple(opened), model=str(settings.get("model", "")), scan=str(settings.get("scan", ""))
    )


def _own_dictionary(folder: Path, number: int, config: DictionaryConfig) -> Dictionary:
    path = folder / f"layer_{number}.safetensors"
    tensors = _mapped(path)
    needed, allowed = {"W_enc", "b_enc", "W_dec", "b_dec"}, {"threshold", "W_skip", *STATISTICS}
    problems = [f"no {name}" for name in sorted(needed - set(tensors))]
    problems += [f"an unknown {name}" for name in sorted(set(tensors) - needed - allowed)]
    if problems:
        raise ArtifactError(f"{path.name} should hold a dictionary", found=", ".join(problems))
    decoder = tensors.pop("W_dec")
    read = {name: foreign.at_least_single(tensor) for name, tensor in tensors.items()}
    return Dictionary(config=config, W_dec=decoder, mapped=True, **read)


def _read_foreign(folder: Path) -> DictionarySet:
    path = folder / FOREIGN_SETTINGS
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ArtifactError(f"{path} should be YAML", found=" ".join(str(error).split())) from error
    settings = foreign.parse_settings(data, str(path))
    files = _foreign_files(folder, settings)
    layers = _all([partial(_layer_parts, paths) for paths in files], folder)
    plain = [
        {name: t for part in parts for name, t in foreign.plain_names(settings.kind, layer, part).items()}
        for layer, parts in enumerate(layers)
    ]
    wrong = [(files[layer][0].name, foreign.wrong_names(settings, set(names))) for layer, names in enumerate(plain)]
    found = ", ".join(f"{name}: {' and '.join(problems)}" for name, problems in wrong if problems)
    if found:
        raise ArtifactError(f"{folder} should hold the tensors of a {settings.kind}, and no others", found=found)
    made = [partial(foreign.to_dictionary, settings, i, len(plain), tensors) for i, tensors in enumerate(plain)]
    return DictionarySet(dictionaries=tuple(_all(made, folder)), model=settings.model, scan=settings.scan)


def _layer_parts(paths: list[Path]) -> list[dict[str, Tensor]]:
    return [_mapped(path) for path in paths]


def _foreign_files(folder: Path, settings: foreign.Settings) -> list[list[Path]]:
    """The files of each layer. Raises ArtifactError naming those that are missing or too much."""
    if settings.files is not None:
        remote = [name for name in settings.files if "://" in name]
        if remote:
            hint = "download them and name the local files in config.yaml"
            raise ArtifactError(f"local files were expected in {folder / FOREIGN_SETTINGS}", found=remote[0], hint=hint)
        return [[folder / name] for name in settings.files]
    stems = ("layer",) if settings.kind == foreign.PER_LAYER else ("W_enc", "W_dec")
    present = {p.name for p in folder.glob("*.safetensors")}
    numbers = [int(m[1]) for name in present if (m := re.fullmatch(rf"{stems[0]}_(\d+)\.safetensors", name))]
    unread = sorted(p.name for p in folder.iterdir() if p.suffix in _UNREAD)
    if not present and unread:
        raise _not_safetensors(", ".join(unread[:3]))
    n_layers = max(numbers, default=0) + 1
    files = [[f"{stem}_{layer}.safetensors" for stem in stems] for layer in range(n_layers)]
    expected = {name for names in files for name in names}
    problems = [f"no {name}" for name in sorted(expected - present)]
    problems += [f"an unknown {name}" for name in sorted(present - expected)]
    if problems:
        raise ArtifactError(f"{folder} should hold the files of a {settings.kind}", found=", ".join(problems))
    return [[folder / name for name in names] for names in files]


def _saelens_folders(folder: Path) -> list[Path]:
    """The folder itself, or those in it, that hold a dictionary of SAELens; at most two levels deep."""
    if not folder.is_dir():
        return []
    inside = [child for child in sorted(folder.rglob(saelens.SETTINGS)) if len(child.relative_to(folder).parts) <= 3]
    return [path.parent for path in inside]


def _read_saelens(checkpoints: list[Path], folder: Path) -> DictionarySet:
    """SAELens' dictionaries, ordered by the layer that they read."""
    opened = _all([partial(_saelens_dictionary, path) for path in checkpoints], folder)
    opened.sort(key=lambda one: (one[1].config.read_sites[0].layer or 0, one[1].config.reads))
    models = sorted({model for model, _ in opened if model})
    if len(models) > 1:
        raise ArtifactError(f"dictionaries of one model were expected in {folder}", found=" and ".join(models))
    return DictionarySet(dictionaries=tuple(one for _, one in opened), model=models[0] if models else "")


def _saelens_dictionary(folder: Path) -> tuple[str, Dictionary]:
    """The model's name and the dictionary of one checkpoint."""
    path, weights = folder / saelens.SETTINGS, folder / saelens.WEIGHTS
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} should be JSON", found=" ".join(str(error).split())) from error
    settings = saelens.parse_settings(data, str(path))
    tensors = {name: foreign.at_least_single(tensor) for name, tensor in _mapped(weights).items()}
    return settings.model, saelens.to_dictionary(settings, tensors, str(weights))


def _all(steps: Sequence[Callable[[], T]], folder: Path) -> list[T]:
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
