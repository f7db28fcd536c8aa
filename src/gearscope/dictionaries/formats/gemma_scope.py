"""Gemma Scope's parameters (the SAEs and transcoders of Gemma 2), one folder per dictionary; and back.

    gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz
        W_enc [D, F], W_dec [F, D], b_enc [F], b_dec [D], threshold [F]           a = relu(pre) (pre > threshold)

No file says where a dictionary stands: the layer and the kind are in the names of the folders. `res` is the residual
stream behind a layer, `mlp` what an MLP adds to it, `att` the heads' outputs side by side before W_O, `transcoders`
read the MLP's norm before its gain and write what the MLP adds. SAEs of the embeddings were trained before Gemma scales
them by √D: that is folded in. Arrays are read without pickles, and have the size that their headers say.
"""

import io
import math
import re
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.formats.files import at_least_single, every, folders_with
from gearscope.dictionaries.formats.format import Format
from gearscope.dictionaries.formats.single import (
    Sites,
    Weights,
    build,
    check_tensors,
    collect,
    rectified,
    refusal,
    taken_apart,
)
from gearscope.errors import ArtifactError

WEIGHTS = "params.npz"
_PROGRAM = "Gemma Scope's folders"
_AXES = {"W_enc": "DF", "W_dec": "FD", "b_enc": "F", "b_dec": "D", "threshold": "F"}
_REPOSITORY = re.compile(r"gemma-scope-(?!2-)(?:(\d+b)-(pt|it)-)?(res|mlp|att|transcoders)(?:-.*)?")
_HEADER = 10_000
_DAMAGED = (OSError, ValueError, EOFError, TypeError, SyntaxError, RuntimeError, struct.error, zlib.error)
"""What numpy and zipfile raise for files that are none, beside zipfile's own error."""


def _sites(kind: str, layer: int) -> Sites:
    if kind == "transcoders":
        return Sites(f"blocks.{layer}.mlp_in", f"blocks.{layer}.mlp_out", "before_gain")
    name = {"res": "resid_post", "mlp": "mlp_out", "att": "z"}[kind]
    return Sites(f"blocks.{layer}.{name}", f"blocks.{layer}.{name}")


def arrays(path: Path) -> dict[str, Tensor]:
    """The arrays of an .npz file, none of them an object. Raises ArtifactError."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            return {name.removesuffix(".npy"): _array(archive, name) for name in names}
    except (*_DAMAGED, zipfile.BadZipFile) as error:
        expected = f"{path} should be a file of numpy arrays of numbers"
        raise ArtifactError(expected, found=" ".join(str(error).split())[:200]) from error


def _array(archive: zipfile.ZipFile, name: str) -> Tensor:
    """One array, after its header was held against its size: numpy makes room for what the header says."""
    entry = archive.getinfo(name)
    with archive.open(entry) as stream:
        head = io.BytesIO(stream.read(_HEADER))
    version = np.lib.format.read_magic(head)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(head)
    if dtype.hasobject or dtype.kind != "f":
        raise ValueError(f"{name} of {dtype}")
    if math.prod(shape) * dtype.itemsize + head.tell() != entry.file_size or entry.file_size > _most(archive):
        raise ValueError(f"{name} of shape {shape} in an entry of {entry.file_size} bytes")
    with archive.open(entry) as stream:
        return torch.from_numpy(np.lib.format.read_array(stream, allow_pickle=False).astype(dtype.newbyteorder("=")))


def _most(archive: zipfile.ZipFile) -> int:
    """Numbers that were learnt do not shrink much when they are packed: an entry may be as large as eight files."""
    assert archive.filename is not None
    return 8 * Path(archive.filename).stat().st_size


def fits(folder: Path) -> bool:
    """Whether it holds one of them, or folders that do."""
    return bool(folders_with(folder, WEIGHTS))


def read(folder: Path) -> DictionarySet:
    """Open one dictionary, or a folder of them. Raises ArtifactError, DictionaryError, ConfigError."""
    return collect(every([partial(_open, place) for place in folders_with(folder, WEIGHTS)], folder), folder)


def _open(folder: Path) -> tuple[str, Dictionary]:
    parts = [part.rpartition("--")[2] for part in reversed(folder.resolve().parts)]
    repository = next((match for part in parts if (match := _REPOSITORY.fullmatch(part))), None)
    layer = next((int(match[1]) for part in parts if (match := re.fullmatch(r"layer_(\d+)", part))), None)
    embedding = "embedding" in parts
    if repository is None or (layer is None and not embedding):
        expected = f"{folder / WEIGHTS} should lie in folders that name its kind and layer"
        raise ArtifactError(expected, found="none", hint="for instance gemma-scope-2b-pt-res/layer_20")
    size, tuned, kind = repository.groups()
    model = f"google/gemma-2-{size}{'-it' if tuned == 'it' else ''}" if size else ""
    tensors = read_weights(folder / WEIGHTS)
    if embedding:
        scale = len(tensors["b_dec"]) ** 0.5
        tensors |= {
            "W_enc": tensors["W_enc"] / scale,
            "W_dec": tensors["W_dec"] * scale,
            "b_dec": tensors["b_dec"] * scale,
        }
    sites = Sites("embed", "embed") if embedding else _sites(kind, layer or 0)
    return model, build(sites, Weights(**tensors), "jumprelu")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The parameters of one file in our axes. Raises ArtifactError."""
    tensors = {name: at_least_single(tensor) for name, tensor in arrays(path).items()}
    check_tensors(str(path), tensors, _AXES)
    return tensors | {"W_enc": tensors["W_enc"].T, "threshold": tensors["threshold"].clamp(min=0)}  # a ReLU beside it


def write(folder: Path, dictionaries: DictionarySet) -> None:
    """A folder per kind and layer. Raises DictionaryError."""
    size = re.fullmatch(r"(?:google/)?gemma-2-(\d+b)(-it)?", dictionaries.model)
    named = f"{size[1]}-{'it' if size[2] else 'pt'}-" if size else ""
    for one in dictionaries.dictionaries:
        sites, weights = taken_apart(one, _PROGRAM)
        layer = one.config.read_sites[0].layer or 0
        kind = next((kind for kind in ("res", "mlp", "att", "transcoders") if _sites(kind, layer) == sites), None)
        if kind is None or weights.W_skip is not None:
            found = f"one that reads {sites.reads} and writes {sites.writes}{' with W_skip' * (kind is not None)}"
            raise refusal(_PROGRAM, found, "SAEs on resid_post, mlp_out and z, and transcoders from before the gain")
        held = (weights.W_enc.T, weights.W_dec, weights.b_enc, weights.b_dec, rectified(one, _PROGRAM))
        l0 = "unknown" if one.density is None else round(float(one.density.sum()))
        place = folder / f"gemma-scope-{named}{kind}" / f"layer_{layer}" / f"width_{one.config.n_features}"
        (place / f"average_l0_{l0}").mkdir(parents=True)
        tensors = {name: at_least_single(t.detach().cpu()).numpy() for name, t in zip(_AXES, held, strict=True)}
        np.savez(place / f"average_l0_{l0}" / WEIGHTS, **tensors)


FORMAT = Format("gemma-scope", f"Gemma Scope's {WEIGHTS}", fits, read, write, (f"*{WEIGHTS}",))
