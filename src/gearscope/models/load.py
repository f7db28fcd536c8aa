"""Names and folders to a `Model`; the only file of this room that touches disk.

A folder holds what HuggingFace's `save_pretrained` writes: `config.json`, safetensors weights, and a tokenizer if text
is to be used. A hub name is resolved to a commit, which is recorded, and its safetensors are downloaded (or found in
the local cache). Pickled weights and code that comes with a model are never run. It knows nothing about what is done
with models.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from gearscope.errors import ArtifactError, ConfigError, ModelError
from gearscope.models.families import family_of
from gearscope.models.model import Model, wrap

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_SPREADS = ("auto", "balanced", "balanced_low_0", "sequential")
"""Ways in which transformers spreads a model over devices by itself."""
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def open_model(
    name_or_dir: str | Path,
    *,
    device: str = "cpu",
    device_map: str | None = None,
    dtype: str = "float32",
    revision: str | None = None,
) -> Model:
    """Open a HuggingFace causal language model by folder or by hub name, and check that it is understood.

    `device_map` spreads it over devices instead: a word that transformers knows (auto, balanced, sequential), or
    devices by module as JSON.

    Raises ModelError (no model, unknown family, not understood), ArtifactError (damaged files), ConfigError (settings).
    """
    kind, where, spread = _dtype(dtype), _device(device), _device_map(device_map, device)
    folder, commit = _resolve(str(name_or_dir), revision)
    _check_config(folder)
    _check_weights(folder)
    with _quiet():
        hf = _weights(folder, kind, spread)
        tokenizer = _tokenizer(folder)
    hf = hf if spread else hf.to(where)
    return wrap(hf.requires_grad_(False), tokenizer, revision=commit)


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise ConfigError(f"a dtype was expected ({', '.join(DTYPES)})", found=repr(name))
    return DTYPES[name]


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        expected = "a device that this machine has was expected (cpu, cuda, cuda:1, mps)"
        raise ConfigError(expected, found=repr(name)) from error
    if device.type == "meta":
        raise ConfigError("a device that holds weights was expected", found=repr(name))
    return device


def _device_map(text: str | None, device: str) -> str | dict[str, str] | None:
    """What transformers takes as `device_map`. Raises ConfigError."""
    if text is None:
        return None
    if device != "cpu":
        raise ConfigError("a device or a device map was expected", found="both")
    if find_spec("accelerate") is None:
        hint = "pip install 'gearscope[devices]'"
        raise ConfigError("a device map needs the package accelerate", found="none", hint=hint)
    if text in _SPREADS:
        return text
    expected = f'a device map was expected ({", ".join(_SPREADS)}, or JSON such as {{"": "cuda:1"}})'
    try:
        devices = json.loads(text)
    except ValueError as error:
        raise ConfigError(expected, found=repr(text)) from error
    if not isinstance(devices, dict) or not devices:
        raise ConfigError(expected, found=repr(text))
    for name in devices.values():
        _device(str(name))
    return {str(module): str(name) for module, name in devices.items()}


def _resolve(name: str, revision: str | None) -> tuple[Path, str | None]:
    """A local folder, and the commit if it came from the hub."""
    path = Path(name).expanduser()
    if name and path.is_dir():
        if revision is not None:
            raise ConfigError("a revision belongs to a hub name", found=f"the folder {name}")
        return path, None
    if not name or path.exists() or name.startswith(("/", ".", "~", "\\")) or name.count("/") > 1:
        found = "nothing" if not name else "a file" if path.exists() else "no such folder"
        raise ModelError(f"a model folder or a hub name was expected at {name!r}", found=found)
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=_WANTED))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise _not_downloaded(name, revision, error) from error
    return folder, folder.name


def _not_downloaded(name: str, revision: str | None, error: Exception) -> ModelError:
    """The one sentence for a hub name that gave nothing."""
    expected = f"the model {name!r} was expected on the HuggingFace hub or in its local cache"
    if isinstance(error, GatedRepoError):
        return ModelError(
            expected, found="one behind a licence", hint="accept it on the hub and log in with `hf auth login`"
        )
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return ModelError(expected, found="no such model, and no such folder here")
    if isinstance(error, RevisionNotFoundError):
        return ModelError(expected, found=f"no revision {revision!r} of it")
    return ModelError(expected, found="neither", hint="the hub cannot be reached: go online, or give a local folder")


def _check_config(folder: Path) -> None:
    config = _json(folder / "config.json", missing=f"{folder} should be a model folder with a config.json")
    if "auto_map" in config:
        raise ModelError(
            f"{folder} should be of a family that transformers knows", found="a model that brings its own code"
        )
    if "quantization_config" in config:
        raise ModelError(f"{folder} should have plain weights", found="quantized ones", hint="open the original model")
    if not isinstance(config.get("model_type"), str):
        raise ModelError(f"{folder / 'config.json'} should name a model_type", found="none")
    family_of(config["model_type"])


def _check_weights(folder: Path) -> None:
    """Every safetensors file is there and whole, judged by its header and length."""
    index, single = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if index.is_file() and not single.is_file():
        mapping = _json(index, missing="").get("weight_map")
        if not isinstance(mapping, dict) or not mapping:
            raise ArtifactError(f"{index} should have a weight_map", found="none")
        files = sorted({folder / str(name) for name in mapping.values()})
    else:
        files = [single]
    for path in files:
        if not path.is_file():
            pickles = sorted(p.name for pattern in _PICKLES for p in folder.glob(pattern))
            expected = f"{folder} should hold its weights as safetensors ({path.name})"
            if pickles:
                hint = "pickles can run code and are never opened; convert them to safetensors where you trust them"
                raise ArtifactError(expected, found=f"only a pickle, {pickles[0]}", hint=hint)
            raise ArtifactError(expected, found="no such file")
        try:
            with safe_open(path, framework="pt") as stored:
                stored.keys()
        except (SafetensorError, OSError) as error:
            found = f"a truncated or damaged one ({_reason(error)})"
            raise ArtifactError(f"{path} should be a whole safetensors file", found=found) from error


def _weights(folder: Path, dtype: torch.dtype, device_map: str | dict[str, str] | None) -> PreTrainedModel:
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map=device_map,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except MemoryError:
        raise
    except Exception as error:  # configurations and files can be wrong in any way
        raise ArtifactError(f"{folder} should hold a model that can be loaded", found=_reason(error)) from error
    hf, report = loaded
    missing = sorted(report["missing_keys"])
    if missing:
        found = f"no weights for {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
        raise ArtifactError(f"{folder} should hold every weight of its model", found=found)
    return hf


def _tokenizer(folder: Path) -> Any | None:
    """The folder's tokenizer, or None when it holds none."""
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        return None
    settings = folder / "tokenizer_config.json"
    if settings.is_file() and "auto_map" in _json(settings, missing=""):
        raise ModelError(
            f"{folder} should have a tokenizer that transformers knows", found="one that brings its own code"
        )
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a tokenizer's files can be wrong in any way
        raise ArtifactError(f"{folder} should hold a readable tokenizer", found=_reason(error)) from error


def _json(path: Path, *, missing: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(missing, found="none") from error
    except (ValueError, OSError) as error:
        raise ArtifactError(f"{path} should be JSON", found=_reason(error)) from error
    if not isinstance(value, dict):
        raise ArtifactError(f"{path} should be a JSON object", found=type(value).__name__)
    return value


def _reason(error: Exception) -> str:
    """What an exception of another package says, on one line and not at length."""
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def _quiet() -> Generator[None]:
    """No notes and no progress bars from transformers inside the block."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
