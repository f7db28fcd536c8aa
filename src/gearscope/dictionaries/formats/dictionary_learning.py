"""dictionary_learning's folders, one trainer each; and back.

    config.json      trainer {dict_class, activation_dim, dict_size, k, layer, lm_name, submodule_name}, buffer {io}
    ae.pt            torch's zip of a state dict, read as data by `torch_zip.py`; inside a checkpoint, under `ae`

    AutoEncoder                             bias, encoder.weight [F, D], encoder.bias, decoder.weight [D, F]
    AutoEncoderNew                          decoder.bias in the place of bias, which is not taken from the input
    AutoEncoderTopK, BatchTopKSAE           b_dec, k, threshold; the first chooses per token, the second by threshold
    MatryoshkaBatchTopKSAE                  W_enc [D, F], b_enc, W_dec [F, D], b_dec, k, threshold, group_sizes
    JumpReluAutoEncoder                     the same names, threshold [F]; nothing is taken from the input
    GatedAutoEncoder                        decoder_bias, encoder.weight, r_mag, gate_bias, mag_bias, decoder.weight

`submodule_name` says the site: resid_post_layer_3, mlp_out_layer_3 (the MLP's own output, `mlp_raw`), attn_out_layer_3,
embed. Written are AutoEncoder, AutoEncoderTopK and JumpReluAutoEncoder; `torch.save` runs nothing.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import Activation
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.formats.files import at_least_single, every, folders_with, read_settings, write_settings
from gearscope.dictionaries.formats.format import Format
from gearscope.dictionaries.formats.single import (
    Sites,
    Weights,
    build,
    check_tensors,
    collect,
    gated,
    rectified,
    refusal,
    taken_apart,
)
from gearscope.dictionaries.formats.torch_zip import read_tensors
from gearscope.errors import ArtifactError

SETTINGS, WEIGHTS = "config.json", "ae.pt"
_PROGRAM = "dictionary_learning's folders"
_LINEAR = {"encoder.weight": "FD", "encoder.bias": "F", "decoder.weight": "DF"}
_PLAIN = {"W_enc": "DF", "b_enc": "F", "W_dec": "FD", "b_dec": "D"}
_TOPK = {**_LINEAR, "b_dec": "D", "k": ""}
_TENSORS = {
    "AutoEncoder": {**_LINEAR, "bias": "D"},
    "AutoEncoderNew": {**_LINEAR, "decoder.bias": "D"},
    "AutoEncoderTopK": _TOPK,
    "BatchTopKSAE": {**_TOPK, "threshold": ""},
    "MatryoshkaBatchTopKSAE": {**_PLAIN, "k": "", "threshold": "", "group_sizes": "G"},
    "JumpReluAutoEncoder": {**_PLAIN, "threshold": "F"},
    "GatedAutoEncoder": {
        "encoder.weight": "FD",
        "r_mag": "F",
        "gate_bias": "F",
        "mag_bias": "F",
        "decoder.weight": "DF",
        "decoder_bias": "D",
    },
}
_OPTIONAL = {"AutoEncoderTopK": {"threshold": ""}}
_ACTIVATIONS: dict[str, Activation] = {"AutoEncoder": "relu", "AutoEncoderNew": "relu", "AutoEncoderTopK": "topk_relu"}
_SITE = re.compile(r"(resid_post|resid_out|resid_pre|mlp_out|attn_out)_layer_?(\d+)")
_OURS = {"resid_out": "resid_post", "mlp_out": "mlp_raw"}


def fits(folder: Path) -> bool:
    """Whether it holds one of them, or folders that do."""
    return bool(folders_with(folder, SETTINGS, WEIGHTS))


def read(folder: Path) -> DictionarySet:
    """Open a trainer's folder, or a folder of those. Raises ArtifactError, DictionaryError, ConfigError."""
    return collect(every([partial(_open, place) for place in folders_with(folder, SETTINGS, WEIGHTS)], folder), folder)


def _open(folder: Path) -> tuple[str, Dictionary]:
    where, settings = folder / SETTINGS, read_settings(folder / SETTINGS)
    trainer, buffer = settings.get("trainer"), settings.get("buffer") or {}
    if not isinstance(trainer, dict) or not isinstance(buffer, dict):
        raise ArtifactError(f"{where} should have the settings of a trainer", found="none")
    kind, name, problems = trainer.get("dict_class"), str(trainer.get("submodule_name")), []
    if kind not in _TENSORS:
        problems.append(f"dict_class {kind!r} where one of {', '.join(_TENSORS)} is known")
    if buffer.get("io", "out") != "out":
        problems.append(f"a buffer of {buffer['io']!r} where what a module returns is known")
    match = _SITE.fullmatch(name)
    if match is None and name != "embed":
        problems.append(f"submodule_name {name!r} where resid_post_layer_3, mlp_out_layer_3 or the like is known")
    if problems:
        raise ArtifactError(f"{where} should describe a dictionary of dictionary_learning", found=", ".join(problems))
    site = f"blocks.{match[2]}.{_OURS.get(match[1], match[1])}" if match else "embed"
    tensors = read_tensors(folder / WEIGHTS, "ae")
    model = trainer.get("lm_name")
    made = to_dictionary(str(kind), Sites(site, site), tensors, str(folder / WEIGHTS))
    return model if isinstance(model, str) else "", made


def to_dictionary(kind: str, sites: Sites, tensors: Mapping[str, Tensor], where: str) -> Dictionary:
    """One dictionary of ours. Raises ArtifactError, DictionaryError, ConfigError."""
    check_tensors(where, tensors, _TENSORS[kind], _OPTIONAL.get(kind))
    t = {name: at_least_single(tensor) for name, tensor in tensors.items()}
    if kind == "GatedAutoEncoder":
        parts = (t["encoder.weight"], t["r_mag"], t["gate_bias"], t["mag_bias"], t["decoder.weight"].T)
        weights = gated(*parts, t["decoder_bias"])
    elif "W_enc" in t:
        weights = Weights(t["W_enc"].T, t["b_enc"], t["W_dec"], t["b_dec"])
    else:
        bias = next(t[name] for name in ("bias", "b_dec", "decoder.bias") if name in t)
        weights = Weights(t["encoder.weight"], t["encoder.bias"], t["decoder.weight"].T, bias)
    activation = _ACTIVATIONS.get(kind, "jumprelu")
    if activation == "jumprelu" and weights.threshold is None:
        threshold = t["threshold"].clamp(min=0)  # a ReLU stands before it there
        weights = weights._replace(threshold=threshold.reshape(-1))
    if kind not in ("AutoEncoderNew", "JumpReluAutoEncoder"):
        weights = weights.centred()
    return build(sites, weights, activation, int(tensors["k"]) if activation == "topk_relu" else None)


def write(folder: Path, dictionaries: DictionarySet) -> None:
    """A folder per dictionary, by site. Raises DictionaryError."""
    for one in dictionaries.dictionaries:
        name, settings, tensors = from_dictionary(one, dictionaries.model)
        place = folder / name / "trainer_0"
        write_settings(place / SETTINGS, settings)
        torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, place / WEIGHTS)


def from_dictionary(one: Dictionary, model: str) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    """Site, settings and tensors with which dictionary_learning computes the same. Raises DictionaryError."""
    sites, weights = taken_apart(one, _PROGRAM)
    config, layer = one.config, one.config.read_sites[0].layer
    name = _name_of(sites, layer, model)
    if weights.W_skip is not None or config.activation == "topk":
        kind = "W_skip" if weights.W_skip is not None else "activation topk"
        raise refusal(
            _PROGRAM, f"{kind} on {sites.reads}", "SAEs with a ReLU, with TopK before a ReLU, or with JumpReLU"
        )
    if config.activation == "jumprelu":
        kind = "JumpReluAutoEncoder"
        held = (weights.W_enc.T, weights.b_enc, weights.W_dec, weights.b_dec)
        tensors = dict(zip(_PLAIN, held, strict=True)) | {"threshold": rectified(one, _PROGRAM)}
    else:
        kind = "AutoEncoderTopK" if config.k else "AutoEncoder"
        W_enc, b_enc, W_dec, b_dec, _, _ = weights.uncentred()
        tensors = dict(zip(_LINEAR, (W_enc, b_enc, W_dec.T), strict=True))
        tensors |= {"b_dec": b_dec, "k": torch.tensor(config.k), "threshold": torch.tensor(-1.0)} if config.k else {}
        tensors |= {} if config.k else {"bias": b_dec}
    trainer = {
        "dict_class": kind,
        "activation_dim": config.d_model,
        "dict_size": config.n_features,
        "layer": layer,
        "lm_name": model,
        "submodule_name": name,
    }
    trainer |= {"k": config.k} if config.k else {}
    return name, {"trainer": trainer, "buffer": {"d_submodule": config.d_model, "io": "out"}}, tensors


def _name_of(sites: Sites, layer: int | None, model: str) -> str:
    """The name of the module whose output is read and written. Raises DictionaryError where there is none."""
    if sites.reads == sites.writes == "embed":
        return "embed"
    site = sites.reads.rpartition(".")[2]
    names = {"resid_post": "resid_post", "resid_pre": "resid_pre", "mlp_raw": "mlp_out"}
    if not re.search(r"gemma-?[23]", model, re.IGNORECASE):  # norms follow MLP and attention in these
        names |= {"mlp_out": "mlp_out", "attn_out": "attn_out"}
    if site not in names or sites != Sites(sites.reads, sites.reads):
        raise refusal(_PROGRAM, f"one that reads {sites.reads} and writes {sites.writes}", "SAEs on outputs of modules")
    return f"{names[site]}_layer_{layer}"


FORMAT = Format(
    "dictionary_learning",
    f"dictionary_learning's {SETTINGS} with {WEIGHTS}",
    fits,
    read,
    write,
    (f"*{SETTINGS}", f"*{WEIGHTS}"),
)
