"""circuit-tracer's folders, and back.

    config.yaml                 model_kind, feature_input_hook, feature_output_hook, [activation, k], [transcoders]
    transcoder_set              layer_i.safetensors: W_enc [F, d], b_enc [F], W_dec [F, d], b_dec [d],
                                [activation_function.threshold, one or F], [W_skip [d, d], y += x @ W_skip.T], [k]
    cross_layer_transcoder      W_enc_i.safetensors: W_enc_i [F, d], b_enc_i [F], b_dec_i [d], [threshold_i]
                                W_dec_i.safetensors: W_dec_i [F, L - i, d], the layers i .. L - 1 that it writes to

Hooks are TransformerLens' names inside a block. `mlp.hook_in` is the norm's output with its gain, `ln2.hook_normalized`
without it, `hook_resid_mid` what stands before the norm; `mlp.hook_out` is the MLP's own output, `hook_mlp_out` what
reaches the residual stream (they differ where a norm follows the MLP). A threshold without `activation` is JumpReLU.

`transcoders` lists a file per layer, here or on the hub (`hf://owner/name/path`); they may be Gemma Scope's
(`params.npz`) or Gemma Scope 2's (`w_enc` and the like, across layers too).
"""

import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from torch import Tensor

from gearscope.artifact import write_text
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import Activation, ReadForm, WriteForm
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.formats import gemma_scope, gemma_scope_2
from gearscope.dictionaries.formats.across import build_across, gaps, summed_bias
from gearscope.dictionaries.formats.files import UNREAD, every, mapped, not_safetensors, save
from gearscope.dictionaries.formats.format import Format
from gearscope.dictionaries.hub import fetch_file
from gearscope.errors import ArtifactError, DictionaryError
from gearscope.ids import SiteId

SETTINGS = "config.yaml"
PER_LAYER, CROSS_LAYER = "transcoder_set", "cross_layer_transcoder"

_READS: dict[str, tuple[str, ReadForm]] = {
    "mlp.hook_in": ("mlp_in", "site"),
    "ln2.hook_normalized": ("mlp_in", "before_gain"),
    "hook_resid_mid": ("resid_mid", "site"),
}
_WRITES: dict[str, tuple[str, WriteForm]] = {
    "mlp.hook_out": ("mlp_out", "before_post_norm"),
    "hook_mlp_out": ("mlp_out", "site"),
}
_THRESHOLD = "activation_function.threshold"
_NEEDED = {"W_enc", "b_enc", "W_dec", "b_dec"}
_ALLOWED = {PER_LAYER: {_THRESHOLD, "W_skip", "k"}, CROSS_LAYER: {"threshold"}}


class Settings(NamedTuple):
    """What `config.yaml` says."""

    kind: str
    reads: tuple[str, ReadForm]
    writes: tuple[str, WriteForm]
    activation: str | None
    k: int | None
    model: str
    scan: str
    files: tuple[str, ...] | None
    """The `transcoders` list, when there is one."""


def parse_settings(data: Any, where: str) -> Settings:
    """Check the contents of a `config.yaml` called `where`. Raises ArtifactError with every problem at once."""
    if not isinstance(data, dict):
        raise ArtifactError(f"{where} should hold settings by name", found=type(data).__name__)
    problems = []

    def one_of(name: str, known: tuple[str, ...]) -> str:
        if data.get(name) not in known:
            problems.append(f"{name} {data.get(name)!r} where one of {', '.join(known)} is known")
            return known[0]
        return data[name]

    kind = one_of("model_kind", (PER_LAYER, CROSS_LAYER))
    reads = one_of("feature_input_hook", tuple(_READS))
    writes = one_of("feature_output_hook", tuple(_WRITES))
    activation, k, files = data.get("activation"), data.get("k"), data.get("transcoders")
    if activation not in (None, "relu", "topk"):
        problems.append(f"activation {activation!r} where relu, topk or none is known")
    if k is not None and (not isinstance(k, int) or isinstance(k, bool) or k < 1):
        problems.append(f"k {k!r} where a positive number is meant")
    if files is not None and not (isinstance(files, list) and all(isinstance(file, str) for file in files)):
        problems.append("transcoders that are not a list of files")
    if problems:
        raise ArtifactError(f"{where} should be a circuit-tracer configuration", found=", ".join(problems))
    texts = (str(data.get("model_name") or ""), str(data.get("scan") or data.get("scan_name") or ""))
    names = None if files is None else tuple(files)
    return Settings(kind, _READS[reads], _WRITES[writes], activation, k, *texts, names)


def plain_names(kind: str, layer: int, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one layer without the layer in their names, so that both kinds read alike."""
    suffix = f"_{layer}" if kind == CROSS_LAYER else ""
    return {n.removesuffix(suffix) if n.endswith(suffix) else f"{n} ": t for n, t in tensors.items()}


def wrong_names(settings: Settings, names: set[str]) -> list[str]:
    """What is missing from, and what is too much in, the tensors of one layer."""
    extra = sorted(names - _NEEDED - _ALLOWED[settings.kind])
    problems = [f"no {name}" for name in sorted(_NEEDED - names)] + [f"an unknown {name.strip()}" for name in extra]
    thresholds = names & {_THRESHOLD, "threshold"}
    if thresholds and settings.activation is not None:
        problems.append(f"a threshold beside activation {settings.activation}")
    if "k" in names and settings.activation == "relu":
        problems.append("a k beside activation relu")
    return problems


def to_dictionary(settings: Settings, layer: int, n_layers: int, tensors: dict[str, Tensor]) -> Dictionary:
    """One layer, from its plain names. `W_dec` stays where it is mapped. Raises DictionaryError, ConfigError."""
    W_enc, W_dec, b_dec = tensors["W_enc"], tensors["W_dec"], tensors["b_dec"]
    targets = range(layer, n_layers) if settings.kind == CROSS_LAYER else range(layer, layer + 1)
    wide = 3 if settings.kind == CROSS_LAYER else 2
    if (W_enc.ndim, W_dec.ndim, b_dec.ndim) != (2, wide, 1):
        shapes = ", ".join(f"{name} {tuple(tensors[name].shape)}" for name in ("W_enc", "W_dec", "b_dec"))
        raise DictionaryError(f"layer {layer} should have axes 2, {wide} and 1 of these", found=shapes)
    threshold = tensors.get(_THRESHOLD, tensors.get("threshold"))
    activation, k = _activation(settings, layer, threshold, tensors.get("k"))
    weights = {name: tensors[name] for name in (*sorted(_NEEDED), "W_skip") if name in tensors}
    weights |= {} if threshold is None else {"threshold": threshold}
    return build_across(
        weights | {"W_dec": W_dec if wide == 3 else W_dec[:, None]},
        reads=f"blocks.{layer}.{settings.reads[0]}",
        writes=[f"blocks.{target}.{settings.writes[0]}" for target in targets],
        activation=activation,
        k=k,
        read_form=settings.reads[1],
        write_form=settings.writes[1],
    )


def _activation(
    settings: Settings, layer: int, threshold: Tensor | None, stored_k: Tensor | None
) -> tuple[Activation, int | None]:
    if settings.activation != "topk" and stored_k is None:
        return ("relu" if threshold is None else "jumprelu"), None
    found = None if stored_k is None else int(stored_k)
    if found is not None and settings.k is not None and found != settings.k:
        raise DictionaryError(
            f"one k was expected in layer {layer}", found=f"{settings.k} in config.yaml, {found} in it"
        )
    k = settings.k if found is None else found
    if k is None:
        raise DictionaryError("activation topk needs `k`, the number of active features per token", found="none")
    return "topk", k


def fits(folder: Path) -> bool:
    """Whether it has a `config.yaml`."""
    return (folder / SETTINGS).is_file()


def read(folder: Path) -> DictionarySet:
    """Open one of their folders. Raises ArtifactError, DictionaryError, ConfigError."""
    path = folder / SETTINGS
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ArtifactError(f"{path} should be YAML", found=" ".join(str(error).split())) from error
    settings = parse_settings(data, str(path))
    files = _files(folder, settings)
    layers = every([partial(_layer, settings, layer, paths) for layer, paths in enumerate(files)], folder)
    wrong = [(paths[0].name, problems) for paths, (_, problems) in zip(files, layers, strict=True)]
    found = ", ".join(f"{name}: {' and '.join(problems)}" for name, problems in wrong if problems)
    if found:
        raise ArtifactError(f"{folder} should hold the tensors of a {settings.kind}, and no others", found=found)
    made = [partial(to_dictionary, settings, i, len(layers), tensors) for i, (tensors, _) in enumerate(layers)]
    return DictionarySet(dictionaries=tuple(every(made, folder)), model=settings.model, scan=settings.scan)


def _layer(settings: Settings, layer: int, paths: list[Path]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of one layer by plain names, whoever's they are, and what is wrong with the names they had."""
    path, tensors = paths[0], {}
    if path.suffix == ".npz":
        return gemma_scope.read_weights(path), []
    for each in paths:
        tensors |= mapped(each)
    if "w_enc" in tensors:
        return gemma_scope_2.weights(tensors, str(path), layer if settings.kind == CROSS_LAYER else None), []
    plain = plain_names(settings.kind, layer, tensors)
    return plain, wrong_names(settings, set(plain))


def _files(folder: Path, settings: Settings) -> list[list[Path]]:
    """The files of each layer. Raises ArtifactError naming those that are missing or too much."""
    if settings.files is not None:
        return [[fetch_file(name) if name.startswith("hf://") else folder / name] for name in settings.files]
    stems = ("layer",) if settings.kind == PER_LAYER else ("W_enc", "W_dec")
    present = {p.name for p in folder.glob("*.safetensors")}
    numbers = [int(m[1]) for name in present if (m := re.fullmatch(rf"{stems[0]}_(\d+)\.safetensors", name))]
    unread = sorted(p.name for p in folder.iterdir() if p.suffix in UNREAD)
    if not present and unread:
        raise not_safetensors(", ".join(unread[:3]))
    n_layers = max(numbers, default=0) + 1
    files = [[f"{stem}_{layer}.safetensors" for stem in stems] for layer in range(n_layers)]
    expected = {name for names in files for name in names}
    problems = [f"no {name}" for name in sorted(expected - present)]
    problems += [f"an unknown {name}" for name in sorted(present - expected)]
    if problems:
        raise ArtifactError(f"{folder} should hold the files of a {settings.kind}", found=", ".join(problems))
    return [[folder / name for name in names] for names in files]


def write(folder: Path, dictionaries: DictionarySet) -> None:
    """Write a folder that circuit-tracer opens. Raises DictionaryError for what it cannot hold."""
    settings, files = from_set(dictionaries)
    for name, tensors in files.items():
        save(folder / name, tensors)
    write_text(folder / SETTINGS, yaml.safe_dump(settings, sort_keys=False))


def from_set(dictionaries: DictionarySet) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """The settings and the tensors by file with which circuit-tracer opens this set. Raises DictionaryError."""
    configs, kind = dictionaries.configs, PER_LAYER if dictionaries.kind == "plt" else CROSS_LAYER
    dictionaries.check_stands_in_for_mlps(n_layers=len(configs), d_model=dictionaries.d_model)
    problems = []
    for name in ("n_features", "k"):
        values = sorted({str(getattr(config, name)) for config in configs})
        if len(values) > 1:
            problems.append(f"{name} {' and '.join(values)}")
    if any(config.activation == "topk_relu" for config in configs):
        problems.append("activation topk_relu")
    with_skip = [dictionary.W_skip is not None for dictionary in dictionaries.dictionaries]
    if any(with_skip) and (kind == CROSS_LAYER or not all(with_skip)):
        problems.append("W_skip in a cross-layer transcoder" if kind == CROSS_LAYER else "W_skip in some layers only")
    places = [SiteId(layer, "mlp_out") for layer in range(len(configs))]
    problems += gaps(dictionaries, places if kind == CROSS_LAYER else None)
    if problems:
        expected = "what circuit-tracer's folders can hold was expected (equal sizes; a layer and, in a cross-layer"
        raise DictionaryError(f"{expected} transcoder, all later ones; no skip there)", found=", ".join(problems))
    first = configs[0]
    read, write = (first.read_sites[0].name, first.read_form), (first.write_sites[0].name, first.write_form)
    settings: dict[str, Any] = {
        "model_kind": kind,
        "feature_input_hook": next(hook for hook, meaning in _READS.items() if meaning == read),
        "feature_output_hook": next(hook for hook, meaning in _WRITES.items() if meaning == write),
        "model_name": dictionaries.model,
        "scan": dictionaries.scan,
    }
    if first.k is not None:
        settings |= {"activation": "topk", "k": first.k}
    files = _cross_layer_files(dictionaries) if kind == CROSS_LAYER else _per_layer_files(dictionaries)
    return settings, files


def _per_layer_files(dictionaries: DictionarySet) -> dict[str, dict[str, Tensor]]:
    files = {}
    for layer, one in enumerate(dictionaries.dictionaries):
        tensors = {"W_enc": one.W_enc[:, 0], "b_enc": one.b_enc, "W_dec": one.W_dec[:, 0], "b_dec": one.b_dec[0]}
        tensors |= {} if one.threshold is None else {_THRESHOLD: one.threshold}
        tensors |= {} if one.W_skip is None else {"W_skip": one.W_skip}
        files[f"layer_{layer}.safetensors"] = tensors
    return files


def _cross_layer_files(dictionaries: DictionarySet) -> dict[str, dict[str, Tensor]]:
    """Biases for one layer are summed over the dictionaries that write there."""
    files: dict[str, dict[str, Tensor]] = {}
    for layer, one in enumerate(dictionaries.dictionaries):
        tensors = {f"W_enc_{layer}": one.W_enc[:, 0], f"b_enc_{layer}": one.b_enc}
        tensors |= {f"b_dec_{layer}": summed_bias(dictionaries, layer)}
        tensors |= {} if one.threshold is None else {f"threshold_{layer}": one.threshold}
        files[f"W_enc_{layer}.safetensors"] = tensors
        files[f"W_dec_{layer}.safetensors"] = {f"W_dec_{layer}": one.W_dec}
    return files


FORMAT = Format("circuit-tracer", f"circuit-tracer's {SETTINGS}", fits, read, write, (f"*{SETTINGS}", "*.safetensors"))
