"""Gemma Scope 2 (the SAEs, transcoders, cross-layer transcoders and crosscoders of Gemma 3); and back.

    config.json              type (sae, transcoder, clt, crosscoder), hf_hook_point_in, hf_hook_point_out, model_name,
                             architecture jump_relu, affine_connection, width, l0
    params.safetensors       w_enc [D, F], w_dec [F, D], b_enc [F], b_dec [D], threshold [F],
                             [affine_skip_connection, input by output]
    params_layer_n...        the same per layer for clt and crosscoder, w_dec [F, L, D]: only targets from n on are read

Hooks are modules of HuggingFace: what a layer returns is the residual stream behind it, `pre_feedforward_layernorm`
gives what the MLP reads, `post_feedforward_layernorm` what it adds to the stream, `self_attn.o_proj.input` are the
heads' outputs side by side. A crosscoder here is weakly causal: features of a layer read its stream alone, and write to
that layer and later ones; its layers are in the folder's name (`layer_7_13_17_22_width_65k_l0_medium`).
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.formats.across import build_across, gaps, summed_bias
from gearscope.dictionaries.formats.files import every, folders_with, mapped, read_settings, save, write_settings
from gearscope.dictionaries.formats.format import Format
from gearscope.dictionaries.formats.single import check_tensors, collect, rectified, refusal
from gearscope.errors import ArtifactError
from gearscope.ids import SiteId

SETTINGS, WEIGHTS, LAYER = "config.json", "params.safetensors", "params_layer_{}.safetensors"
_PROGRAM = "Gemma Scope 2's folders"
_HOOKS = {
    "resid_post": "output",
    "mlp_in": "pre_feedforward_layernorm.output",
    "mlp_out": "post_feedforward_layernorm.output",
    "z": "self_attn.o_proj.input",
}
_KINDS = {
    ("resid_post", "resid_post"): "resid_post",
    ("mlp_out", "mlp_out"): "mlp_out",
    ("z", "z"): "attn_out",
    ("mlp_in", "mlp_out"): "transcoder",
}
_NAMES = {"w_enc": "W_enc", "w_dec": "W_dec", "b_enc": "b_enc", "b_dec": "b_dec", "threshold": "threshold"}
_SKIP = "affine_skip_connection"
_HOOK = re.compile(r"model\.layers\.(\d+|\{\w+\})\.(.+)")


def fits(folder: Path) -> bool:
    """Whether it holds one of them, or folders that do."""
    return bool(_places(folder))


def _places(folder: Path) -> list[Path]:
    return folders_with(folder, SETTINGS, WEIGHTS) + folders_with(folder, SETTINGS, LAYER.format(0))


def read(folder: Path) -> DictionarySet:
    """Open one dictionary, one set across layers, or a folder of single ones. Raises as every reader does."""
    places = _places(folder)
    opened = every([partial(_open, place) for place in places], folder)
    return collect([(model, one) for model, many in opened for one in many], folder)


def _open(folder: Path) -> tuple[str, list[Dictionary]]:
    where, settings = folder / SETTINGS, read_settings(folder / SETTINGS)
    problems: list[str] = []
    if settings.get("architecture") != "jump_relu":
        problems.append(f"architecture {settings.get('architecture')!r} where jump_relu is known")
    point = settings.get("hf_hook_point_in")
    reads = _place(point, "hf_hook_point_in", problems)
    writes = _place(settings.get("hf_hook_point_out") or point, "hf_hook_point_out", problems)
    if problems:
        raise ArtifactError(f"{where} should describe a dictionary of Gemma Scope 2", found=", ".join(problems))
    model = str(settings.get("model_name") or "").replace("gemma-v3", "gemma-3")
    model = model if "/" in model or not model.startswith("gemma") else f"google/{model}"
    if (folder / WEIGHTS).is_file():
        if reads[0] is None or writes[0] is None:
            raise ArtifactError(f"{where} should name one layer", found=str(point))
        sites = f"blocks.{reads[0]}.{reads[1]}", f"blocks.{writes[0]}.{writes[1]}"
        return model, [single(mapped(folder / WEIGHTS), sites[0], sites[1], str(folder / WEIGHTS))]
    return model, _layers(folder, str(settings.get("type")), reads[1], writes[1])


def _place(hook: Any, name: str, problems: list[str]) -> tuple[int | None, str]:
    """The layer (None for all of them) and our name of the site of a module's hook."""
    match = _HOOK.fullmatch(hook) if isinstance(hook, str) else None
    found = next((site for site, point in _HOOKS.items() if match and match[2] == point), None)
    if match is None or found is None:
        problems.append(f"{name} {hook!r} where model.layers.3.{' or '.join(_HOOKS.values())} is known")
        return None, ""
    return (int(match[1]) if match[1].isdecimal() else None), found


def _layers(folder: Path, kind: str, reads: str, writes: str) -> list[Dictionary]:
    """A dictionary per layer, each with the targets from its own on."""
    files = {p.name for p in folder.glob("params_layer_*.safetensors")}
    expected = {LAYER.format(i) for i in range(len(files))}
    if files != expected:
        found = ", ".join(f"no {name}" for name in sorted(expected - files))
        raise ArtifactError(f"{folder} should have a file for every layer", found=found)
    named = re.match(r"layer_(\d+(?:_\d+)*)_width", folder.resolve().name)
    layers = [int(number) for number in named[1].split("_")] if named else list(range(len(files)))
    if len(layers) != len(files) or (kind == "crosscoder" and named is None):
        found = f"{len(files)} files in a folder {folder.resolve().name}"
        raise ArtifactError(f"{folder} should be named after its layers, as layer_7_13_width_65k", found=found)
    reading = [f"blocks.{layer}.{reads}" for layer in layers]
    writing = [f"blocks.{layer}.{writes}" for layer in layers]
    steps = [
        partial(across, mapped(folder / LAYER.format(i)), i, reading[i], writing, str(folder / LAYER.format(i)))
        for i in range(len(layers))
    ]
    return every(steps, folder)


def weights(tensors: dict[str, Tensor], where: str, first: int | None) -> dict[str, Tensor]:
    """The parameters of one file in our axes; with `first`, the decoders into the targets from there on.

    Raises ArtifactError.
    """
    axes = {"w_enc": "DF", "w_dec": "FD" if first is None else "FLD", "b_enc": "F", "b_dec": "D", "threshold": "F"}
    check_tensors(where, tensors, axes, {_SKIP: "DD"})
    named = {ours: tensors[theirs] for theirs, ours in _NAMES.items()}
    named |= {"W_enc": named["W_enc"].T, "threshold": named["threshold"].clamp(min=0)}  # a ReLU follows it there
    named |= {} if first is None else {"W_dec": named["W_dec"][:, first:]}
    return named | ({"W_skip": tensors[_SKIP].T} if _SKIP in tensors else {})


def single(tensors: dict[str, Tensor], reads: str, writes: str, where: str) -> Dictionary:
    """One SAE or transcoder. Raises ArtifactError, DictionaryError, ConfigError."""
    named = weights(tensors, where, None)
    return build_across(named | {"W_dec": named["W_dec"][:, None]}, reads=reads, writes=[writes], activation="jumprelu")


def across(tensors: dict[str, Tensor], number: int, reads: str, writes: Sequence[str], where: str) -> Dictionary:
    """The dictionary of the `number`th layer. Raises ArtifactError, DictionaryError, ConfigError."""
    named = weights(tensors, where, number)
    return build_across(named, reads=reads, writes=writes[number:], activation="jumprelu")


def write(folder: Path, dictionaries: DictionarySet) -> None:
    """A folder per dictionary by kind and layer, or one folder for a set across layers. Raises DictionaryError."""
    for config in dictionaries.configs:
        if config.read_form != "site" or config.write_form != "site":
            found = f"{config.reads[0]} before a gain" if config.read_form != "site" else "writes before a post-norm"
            raise refusal(_PROGRAM, found, "what a norm returns, with its gain")
    if any(len(config.writes) > 1 for config in dictionaries.configs):
        _write_across(folder, dictionaries)
        return
    for one in dictionaries.dictionaries:
        layer, pair = one.config.read_sites[0].layer, _pair(one, len(one.config.reads))
        kind, affine = _KINDS[pair], one.W_skip is not None
        place = folder / kind / f"layer_{layer}_width_{one.config.n_features}{'_affine' * affine}"
        settings = _settings(one, dictionaries.model, "transcoder" if kind == "transcoder" else "sae", str(layer))
        write_settings(place / SETTINGS, settings)
        save(place / WEIGHTS, _theirs(one, one.W_dec[:, 0], one.b_dec[0]))


def _pair(one: Dictionary, n_reads: int) -> tuple[str, str]:
    """The names of the sites. Raises DictionaryError where Gemma Scope 2 has none of that kind."""
    read, written = one.config.read_sites[0], one.config.write_sites[0]
    pair = read.name, written.name
    if pair not in _KINDS or read.layer != written.layer or n_reads > 1 or (one.W_skip is not None and read == written):
        found = f"one that reads {', '.join(one.config.reads)} and writes {', '.join(one.config.writes)}"
        raise refusal(_PROGRAM, found, "SAEs on resid_post, mlp_out and z, and what reads mlp_in and writes mlp_out")
    return pair


def _write_across(folder: Path, dictionaries: DictionarySet) -> None:
    first, L = dictionaries.dictionaries[0], len(dictionaries.dictionaries)
    problems = gaps(dictionaries, [config.write_sites[0] for config in dictionaries.configs])
    if len({config.n_features for config in dictionaries.configs}) > 1:
        problems.append("layers of different sizes")
    skips = {one.W_skip is not None for one in dictionaries.dictionaries}
    if len(skips) > 1:
        problems.append("W_skip in some layers only")
    if problems:
        raise refusal(_PROGRAM, ", ".join(problems), "layers of one size that write to their own and all later ones")
    pairs = {_pair(one, len(one.config.reads)) for one in dictionaries.dictionaries}
    layers = [config.read_sites[0].layer for config in dictionaries.configs]
    pair = pairs.pop()
    kind = {("mlp_in", "mlp_out"): "clt", ("resid_post", "resid_post"): "crosscoder"}.get(pair)
    if kind is None or pairs or (kind == "clt" and layers != list(range(L))):
        expected = "transcoders of all layers, or crosscoders of residual streams"
        raise refusal(_PROGRAM, f"one across layers {layers} that reads {pair[0]} and writes {pair[1]}", expected)
    named = "" if kind == "clt" else f"layer_{'_'.join(map(str, layers))}_"
    place = folder / kind / f"{named}width_{first.config.n_features * L}{'_affine' * skips.pop()}"
    write_settings(place / SETTINGS, _settings(first, dictionaries.model, kind, "{all}"))
    for number, one in enumerate(dictionaries.dictionaries):
        decoder = one.W_dec.new_zeros(one.config.n_features, L, one.config.d_model)
        decoder[:, number:] = one.W_dec
        save(place / LAYER.format(number), _theirs(one, decoder, summed_bias(dictionaries, number)))


def _theirs(one: Dictionary, decoder: Tensor, bias: Tensor) -> dict[str, Tensor]:
    tensors = {"w_enc": one.W_enc[:, 0].T, "w_dec": decoder, "b_enc": one.b_enc, "b_dec": bias}
    tensors |= {"threshold": rectified(one, _PROGRAM)}
    return tensors | ({} if one.W_skip is None else {_SKIP: one.W_skip.T})


def _settings(one: Dictionary, model: str, kind: str, layer: str) -> dict[str, Any]:
    def hook(site: SiteId) -> str:
        return f"model.layers.{layer}.{_HOOKS[site.name]}"

    return {
        "hf_hook_point_in": hook(one.config.read_sites[0]),
        "hf_hook_point_out": hook(one.config.write_sites[0]),
        "width": one.config.n_features,
        "model_name": model,
        "architecture": "jump_relu",
        "l0": None if one.density is None else round(float(one.density.sum())),
        "affine_connection": one.W_skip is not None,
        "type": kind,
    }


FORMAT = Format(
    "gemma-scope-2",
    f"Gemma Scope 2's {SETTINGS} with {WEIGHTS}",
    fits,
    read,
    write,
    (f"*{SETTINGS}", f"*{WEIGHTS}", "*params_layer_*.safetensors"),
)
