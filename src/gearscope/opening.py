"""How models and bases are named, and what a name opens.

    model   a HuggingFace name or folder; None for the bundled organism, `organism:twins/NAME`, `organism:versions/NAME`
    basis   neurons, neurons:all, neurons:N, plt, clt, a folder of dictionaries, hub:OWNER/NAME

The organism's bundle is found as package data, so this module does not import the organism's room.
"""

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.hub import PREFIX as HUB
from gearscope.dictionaries.store import fetch_dictionaries, read_dictionaries
from gearscope.errors import ConfigError, ModelError
from gearscope.lock import MODEL, locked_part

ORGANISM = "organism"
OWN_BASES = ("plt", "clt")
"""Dictionaries that come with the organism: transcoders per layer, and a cross-layer transcoder."""


class NeuronBasis(NamedTuple):
    """How many neurons per token and layer are features: `per_token`, None for all; or as the model's size suggests."""

    label: str
    per_token: int | None
    by_size: bool


class DictionaryBasis(NamedTuple):
    """Learned features, from a folder or the organism's own."""

    label: str
    dictionaries: DictionarySet


def organism_folder(part: str = MODEL) -> Path:
    """The folder of a part of the bundled organism: its model, `plt`, `clt`, `twins/NAME` or `versions/NAME`.

    Raises ModelError when there is no bundle, and ArtifactError when the part is not the one that belongs to it.
    """
    folder = Path(str(files("gearscope") / "organism" / "bundle"))
    if not folder.is_dir():
        hint = "install gearscope with its package data"
        raise ModelError(f"the bundled organism was expected at {folder}", found="no such folder", hint=hint)
    return locked_part(folder, part)


def model_source(model: str | None) -> str:
    """What `open_model` opens for a model as users name it: None is the organism, `organism:PART` one of its."""
    if model is None:
        return str(organism_folder())
    name, colon, part = model.partition(":")
    return str(organism_folder(part)) if colon and name == ORGANISM else model


def check_own(basis: str, model: str) -> None:
    """Raise ConfigError when `basis` is one of the organism's own, and the model is another one."""
    if basis in OWN_BASES and model != ORGANISM:
        hint = "leave out --model, or give a folder of dictionaries that were trained for it"
        raise ConfigError(f"basis {basis} belongs to the bundled organism", found=f"the model {model}", hint=hint)


def open_basis(basis: str) -> NeuronBasis | DictionaryBasis:
    """A basis by its name, folder or name on the hub. Raises ConfigError, ArtifactError, DictionaryError."""
    kind, _, most = basis.partition(":")
    if kind == "neurons" and (most in ("", "all") or (most.isdecimal() and int(most) > 0)):
        return NeuronBasis(basis, int(most) if most.isdecimal() else None, by_size=not most)
    folder = basis_folder(basis) if kind != "neurons" else None
    if folder is None:
        expected = (
            "a basis was expected (neurons, neurons:all, neurons:N, plt, clt, a folder of dictionaries, or hub:NAME)"
        )
        raise ConfigError(expected, found=repr(basis))
    dictionaries = read_dictionaries(folder)
    name = basis.rpartition("/")[2] if basis.startswith(HUB) else folder.resolve().name
    return DictionaryBasis(basis if basis in OWN_BASES else f"{dictionaries.kind}:{name}", dictionaries)


def basis_folder(basis: str) -> Path | None:
    """The folder of `plt`, `clt`, `hub:NAME` (downloaded) or of this path; None without. Raises as those do."""
    if basis in OWN_BASES:
        return organism_folder(basis)
    if basis.startswith(HUB):
        return fetch_dictionaries(basis)
    folder = Path(basis)
    return folder if basis and folder.exists() else None
