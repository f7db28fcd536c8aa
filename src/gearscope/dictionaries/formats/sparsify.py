"""sparsify's sparse coders, one folder per module, named after it; and back.

    layers.5.mlp/cfg.json            activation, k, num_latents, expansion_factor, skip_connection, transcode, d_in
    layers.5.mlp/sae.safetensors     encoder.weight [F, D], encoder.bias [F], W_dec [F, D], b_dec [D], [W_skip [D, D]]
    config.json                      one folder up, sometimes: the model's name

    y = top-k(relu(W (x − b_dec) + c)) W_dec + b_dec (+ W_skip x)        a transcoder takes no bias from its input

A module's SAE reads what the module returns; a transcoder reads what the module is given and writes what it returns. An
MLP's own output is `mlp_raw`, which stands before the norm that Gemma 2 and 3 put behind it. Settings of before
`transcode` existed do not say it: one with a skip is a transcoder.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.formats.files import (
    at_least_single,
    every,
    folders_with,
    mapped,
    read_settings,
    save,
    write_settings,
)
from gearscope.dictionaries.formats.format import Format
from gearscope.dictionaries.formats.single import (
    Sites,
    Weights,
    build,
    check_tensors,
    collect,
    refusal,
    taken_apart,
)
from gearscope.errors import ArtifactError
from gearscope.ids import SiteId

SETTINGS, WEIGHTS, ABOVE = "cfg.json", "sae.safetensors", "config.json"
_PROGRAM = "sparsify's folders"
_MODULE = re.compile(r"(?:.*\.)?(?:layers|h)\.(\d+)(?:\.(mlp|attention|attn))?")
_TOKENS = ("embed_tokens", "embed_in", "wte")
_POST_NORMS = r"gemma-?[23]"
"""Models with norms behind attention and MLP, by name: there a module's output is not what reaches the stream."""
_AXES = {"encoder.weight": "FD", "encoder.bias": "F", "W_dec": "FD", "b_dec": "D"}


def sites_of(module: str, *, transcode: bool) -> Sites | None:
    """Where a coder of this module reads and writes; None where gearscope has no such site."""
    match = _MODULE.fullmatch(module)
    if module.rpartition(".")[2] in _TOKENS and not transcode:
        return Sites("embed", "embed")
    if match is None:
        return None
    block, part = f"blocks.{match[1]}", match[2]
    if part == "mlp":
        return (
            Sites(f"{block}.mlp_in", f"{block}.mlp_out", "site", "before_post_norm")
            if transcode
            else Sites(f"{block}.mlp_raw", f"{block}.mlp_raw")
        )
    if part:
        return Sites(f"{block}.attn_in" if transcode else f"{block}.attn_out", f"{block}.attn_out")
    return Sites(f"{block}.resid_pre" if transcode else f"{block}.resid_post", f"{block}.resid_post")


def fits(folder: Path) -> bool:
    """Whether it holds one of them, or folders that do."""
    return bool(folders_with(folder, SETTINGS, WEIGHTS))


def read(folder: Path) -> DictionarySet:
    """Open a module's folder, or a folder of those. Raises ArtifactError, DictionaryError, ConfigError."""
    return collect(every([partial(_open, place) for place in folders_with(folder, SETTINGS, WEIGHTS)], folder), folder)


def _open(folder: Path) -> tuple[str, Dictionary]:
    settings, name = read_settings(folder / SETTINGS), folder.resolve().name
    skip, k = bool(settings.get("skip_connection")), settings.get("k")
    transcode = bool(settings.get("transcode", skip))
    problems = []
    if settings.get("activation", "topk") != "topk":
        problems.append(f"activation {settings['activation']!r} where topk is known")
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        problems.append(f"k {k!r} where the number of active features per token is meant")
        k = 1
    sites = sites_of(name, transcode=transcode)
    if sites is None:
        problems.append(f"a folder {name!r} where a module is named (layers.3, layers.3.mlp, h.3.attn, embed_in)")
        sites = Sites("embed", "embed")
    if problems:
        raise ArtifactError(f"{folder / SETTINGS} should describe a coder of sparsify", found=", ".join(problems))
    tensors = {name: at_least_single(tensor) for name, tensor in mapped(folder / WEIGHTS).items()}
    return _model(folder), to_dictionary(sites, k, transcode, skip, tensors, str(folder / WEIGHTS))


def _model(folder: Path) -> str:
    above = folder.parent / ABOVE
    named = read_settings(above).get("model") if above.is_file() else None
    return named if isinstance(named, str) else ""


def to_dictionary(
    sites: Sites, k: int, transcode: bool, skip: bool, tensors: Mapping[str, Tensor], where: str
) -> Dictionary:
    """One dictionary of ours. Raises ArtifactError, DictionaryError, ConfigError."""
    check_tensors(where, tensors, _AXES | ({"W_skip": "DD"} if skip else {}))
    weights = Weights(*(tensors[name] for name in _AXES), W_skip=tensors.get("W_skip"))
    return build(sites, weights if transcode else weights.centred(), "topk_relu", k)


def write(folder: Path, dictionaries: DictionarySet) -> None:
    """A folder per module, and the model's name. Raises DictionaryError."""
    made = [from_dictionary(one, dictionaries.model) for one in dictionaries.dictionaries]
    write_settings(folder / ABOVE, {"model": dictionaries.model})
    for module, settings, tensors in made:
        write_settings(folder / module / SETTINGS, settings)
        save(folder / module / WEIGHTS, tensors)


def from_dictionary(one: Dictionary, model: str) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    """Module, settings and tensors with which sparsify computes the same. Raises DictionaryError."""
    sites, weights = taken_apart(one, _PROGRAM)
    if one.config.activation != "topk_relu":
        found = f"activation {one.config.activation} on {sites.reads}"
        raise refusal(_PROGRAM, found, "TopK with a ReLU")
    transcode = sites.reads != sites.writes
    if weights.W_skip is not None and not transcode:
        raise refusal(_PROGRAM, f"W_skip in an SAE on {sites.reads}", "skips of transcoders")
    module = _module_of(sites, model)
    held = weights if transcode else weights.uncentred()
    settings = {
        "activation": "topk",
        "expansion_factor": max(1, one.config.n_features // one.config.d_model),
        "normalize_decoder": False,
        "num_latents": one.config.n_features,
        "k": one.config.k,
        "multi_topk": False,
        "skip_connection": held.W_skip is not None,
        "transcode": transcode,
        "d_in": one.config.d_model,
    }
    tensors = dict(zip(_AXES, held[:4], strict=True)) | ({} if held.W_skip is None else {"W_skip": held.W_skip})
    return module, settings, tensors


def _module_of(sites: Sites, model: str) -> str:
    """The module that reads and writes there. Raises DictionaryError where there is none."""
    layer = SiteId.parse(sites.reads).layer
    if sites.reads == sites.writes == "embed":
        return _TOKENS[0]
    blocks = "h" if re.search(r"gpt-?2", model, re.IGNORECASE) else "layers"
    read, written = (site.rpartition(".")[2] for site in sites[:2])
    plain = not re.search(_POST_NORMS, model, re.IGNORECASE)
    own = plain or sites.write_form == "before_post_norm"
    modules = {
        ("resid_post", "resid_post"): f"{blocks}.{layer}",
        ("resid_pre", "resid_post"): f"{blocks}.{layer}",
        ("mlp_raw", "mlp_raw"): f"{blocks}.{layer}.mlp",
        **({("mlp_in", "mlp_out"): f"{blocks}.{layer}.mlp"} if own else {}),
        **({("mlp_out", "mlp_out"): f"{blocks}.{layer}.mlp"} if plain else {}),
        **({("attn_out", "attn_out"): f"{blocks}.{layer}.attn"} if plain else {}),
        **({("attn_in", "attn_out"): f"{blocks}.{layer}.attn"} if plain else {}),
    }
    same_layer = SiteId.parse(sites.writes).layer == layer
    if (read, written) not in modules or not same_layer or sites.read_form != "site":
        raise refusal(
            _PROGRAM, f"one that reads {sites.reads} and writes {sites.writes}", "inputs and outputs of modules"
        )
    return modules[read, written]


FORMAT = Format(
    "sparsify", f"sparsify's {SETTINGS} with {WEIGHTS}", fits, read, write, (f"*{SETTINGS}", f"*{WEIGHTS}", f"*{ABOVE}")
)
