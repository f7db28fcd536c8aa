"""SAELens' checkpoints, one folder per dictionary, as weights that act on raw activations; and back.

    cfg.json                     architecture, d_in, d_sae, [d_out], apply_b_dec_to_input, normalize_activations,
                                 [k, rescale_acts_by_decoder_norm], metadata {hook_name, [hook_name_out], model_name}
    sae_weights.safetensors      W_enc [D, F], W_dec [F, D], b_enc [F], b_dec [D], [threshold [F]], [W_skip [D, D]];
                                 gated: r_mag, b_mag, b_gate [F] and no b_enc

Read from version 6 on, and the flat files of earlier versions; written as version 6. Folded in: the decoder bias that
is taken from the input, TopK on activations scaled by their decoder's norm, gates (`single.py`). `hook_z` is read with
its heads side by side. Inputs that are normalised per token are refused by name; so is `ln2.hook_normalized` of a model
whose norms are not known: TransformerLens takes it behind the gain of a LayerNorm, and before that of an RMSNorm.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import Activation, ReadForm
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
    gated,
    rectified,
    refusal,
    taken_apart,
)
from gearscope.errors import ArtifactError, ConfigError
from gearscope.ids import SiteId

SETTINGS, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_PROGRAM = "SAELens' checkpoints"
_ACTIVATIONS: dict[str, Activation] = {
    "standard": "relu",
    "jumprelu": "jumprelu",
    "topk": "topk_relu",
    "gated": "jumprelu",
    "batchtopk": "jumprelu",
    "matryoshka_batchtopk": "jumprelu",
    "transcoder": "relu",
    "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
    "jumprelu_skip_transcoder": "jumprelu",
}
_IN_TRAINING = "topk_threshold"
"""A BatchTopK dictionary that is still in training keeps its one threshold under this name."""
_BEFORE_GAIN = "ln2.hook_normalized"
_LAYER_NORMS, _RMS_NORMS = r"gpt-?2|gpt-?neo|pythia", r"gemma|llama|mistral|mixtral|qwen"
_HOOKS = {
    "mlp_in": "mlp.hook_in",
    "mlp_act": "mlp.hook_post",
    **{name: f"attn.hook_{name}" for name in ("q", "k", "v", "z")},
    **{name: f"hook_{name}" for name in ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")},
}


class Settings(NamedTuple):
    """What `cfg.json` says."""

    architecture: str
    activation: Activation
    k: int | None
    sites: Sites
    centred: bool
    """The decoder bias is taken from the input."""
    by_norm: bool
    """TopK chooses among activations times the norm of their decoders, and those are the activations."""
    model: str


def parse_settings(data: Mapping[str, Any], where: str) -> Settings:
    """Check the contents of a `cfg.json` called `where`. Raises ArtifactError with every problem at once."""
    metadata = data.get("metadata") if isinstance(data.get("metadata"), dict) else {}
    named = {**data, **(metadata or {})}
    problems: list[str] = []
    architecture, k = _architecture(data, problems)
    model = str(named.get("model_name") or "")
    reads, read_form = _site(named, ("hook_name", "hook_point"), model, problems)
    transcoder = "transcoder" in architecture
    writes = _site(named, ("hook_name_out",), model, problems)[0] if transcoder else reads
    for name, plain in (
        ("normalize_activations", (None, "none")),
        ("reshape_activations", (None, "none", "hook_z") if reads.endswith(".z") else (None, "none")),
        ("finetuning_scaling_factor", (None, False)),
        ("hook_head_index", (None,)),
    ):
        if named.get(name) not in plain:
            problems.append(f"{name} {named[name]!r}, which gearscope does not read")
    if read_form == "before_gain" and not transcoder:
        problems.append(f"an SAE on {_BEFORE_GAIN}, which stands before the gain")
    if problems:
        raise ArtifactError(f"{where} should describe a dictionary of SAELens", found=", ".join(problems))
    before_six = "metadata" not in data
    return Settings(
        architecture,
        _ACTIVATIONS[architecture],
        k,
        Sites(reads, writes, read_form),
        centred=bool(data.get("apply_b_dec_to_input", before_six)),
        by_norm=bool(data.get("rescale_acts_by_decoder_norm", False)) and "topk" in architecture,
        model=model,
    )


def _architecture(data: Mapping[str, Any], problems: list[str]) -> tuple[str, int | None]:
    """The architecture's name of today, and k."""
    name, options = data.get("architecture", "standard"), data.get("activation_fn_kwargs") or {}
    if name == "standard" and data.get("activation_fn_str", data.get("activation_fn")) == "topk":
        name = "topk"
    if name not in _ACTIVATIONS:
        problems.append(f"architecture {name!r} where one of {', '.join(_ACTIVATIONS)} is known")
        return "standard", None
    if name != "topk":
        return name, None
    k = data.get("k", options.get("k") if isinstance(options, dict) else None)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        problems.append(f"k {k!r} where topk needs the number of active features per token")
        return name, None
    return name, k


def _site(named: Mapping[str, Any], keys: tuple[str, ...], model: str, problems: list[str]) -> tuple[str, ReadForm]:
    """The site under one of these keys in our spelling, and whether it stands before its norm's gain."""
    found = next((named[key] for key in keys if named.get(key)), None)
    if not isinstance(found, str):
        problems.append(f"no {keys[0]}")
        return "", "site"
    try:
        site = str(SiteId.parse(found))
    except ConfigError:
        problems.append(f"{keys[0]} {found!r}, which is no site that gearscope knows")
        return found, "site"
    if not found.endswith(_BEFORE_GAIN) or re.search(_LAYER_NORMS, model, re.IGNORECASE):
        return site, "site"
    if not re.search(_RMS_NORMS, model, re.IGNORECASE):
        problems.append(f"{keys[0]} {found!r} of model {model!r}, whose norms are not known")
    return site, "before_gain"


def to_dictionary(settings: Settings, tensors: Mapping[str, Tensor], where: str) -> Dictionary:
    """One dictionary of ours. Raises ArtifactError, DictionaryError, ConfigError."""
    architecture = settings.architecture
    needed = {"W_enc": "DF", "W_dec": "FE", "b_dec": "E"}
    if architecture == "gated":
        needed |= {"r_mag": "F", "b_gate": "F", "b_mag": "F"}
    else:
        needed |= {"b_enc": "F"}
    if _IN_TRAINING in tensors and architecture in ("batchtopk", "matryoshka_batchtopk"):
        needed |= {_IN_TRAINING: ""}
    elif architecture != "gated" and settings.activation == "jumprelu":
        needed |= {"threshold": "F"}
    needed |= {"W_skip": "ED"} if "skip" in architecture else {}
    check_tensors(where, tensors, needed)
    W_enc, W_dec, b_dec = tensors["W_enc"].T, tensors["W_dec"], tensors["b_dec"]
    if settings.centred and W_enc.shape[1] != len(b_dec):
        found = f"b_dec of shape {tuple(b_dec.shape)}"
        raise ArtifactError(f"{where} should have a b_dec as wide as what is read", found=found)
    if architecture == "gated":
        # the bias taken from the input shifts both paths; the threshold is their difference, and stays
        weights = gated(W_enc, tensors["r_mag"], tensors["b_gate"], tensors["b_mag"], W_dec, b_dec)
    else:
        threshold = tensors.get("threshold", tensors.get(_IN_TRAINING))
        threshold = None if threshold is None else threshold.clamp(min=0)  # a ReLU follows it there
        weights = Weights(W_enc, tensors["b_enc"], W_dec, b_dec, threshold, tensors.get("W_skip"))
    if settings.centred:
        weights = weights.centred()
    if settings.by_norm:
        norm = W_dec.norm(dim=1)
        weights = weights._replace(
            W_enc=weights.W_enc * norm[:, None],
            b_enc=weights.b_enc * norm,
            W_dec=W_dec / torch.where(norm == 0, 1, norm)[:, None],
        )
    return build(settings.sites, weights, settings.activation, settings.k)


def fits(folder: Path) -> bool:
    """Whether it holds one of them, or folders that do."""
    return bool(folders_with(folder, SETTINGS, WEIGHTS))


def read(folder: Path) -> DictionarySet:
    """Open a checkpoint, or a folder of checkpoints. Raises ArtifactError, DictionaryError, ConfigError."""
    return collect(every([partial(_open, place) for place in folders_with(folder, SETTINGS, WEIGHTS)], folder), folder)


def _open(folder: Path) -> tuple[str, Dictionary]:
    """The model's name and the dictionary of one checkpoint."""
    settings = parse_settings(read_settings(folder / SETTINGS), str(folder / SETTINGS))
    tensors = {name: at_least_single(tensor) for name, tensor in mapped(folder / WEIGHTS).items()}
    return settings.model, to_dictionary(settings, tensors, str(folder / WEIGHTS))


def write(folder: Path, dictionaries: DictionarySet) -> None:
    """One checkpoint in the folder itself, or a folder of each, by hook. Raises DictionaryError."""
    made = [from_dictionary(one, dictionaries.model) for one in dictionaries.dictionaries]
    for settings, tensors in made:
        place = folder if len(made) == 1 else folder / settings["metadata"]["hook_name"]
        write_settings(place / SETTINGS, settings)
        save(place / WEIGHTS, tensors)


def from_dictionary(one: Dictionary, model: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors with which SAELens computes the same. Raises DictionaryError."""
    sites, weights = taken_apart(one, _PROGRAM)
    config, sae = one.config, sites.reads == sites.writes
    if sites.write_form == "before_post_norm":
        raise refusal(_PROGRAM, f"{sites.writes} before the norm behind it", "what reaches the residual stream")
    if sites.read_form == "before_gain" and not re.search(_RMS_NORMS, model, re.IGNORECASE):
        found = f"{sites.reads} before the gain, of model {model!r}"
        raise refusal(_PROGRAM, found, "norms without their gain for Gemma, Llama, Mistral and Qwen only")
    if config.activation == "topk" or (config.k and not sae) or (weights.W_skip is not None and sae):
        kind = f"activation {config.activation}" if config.k else "W_skip"
        expected = "TopK SAEs with a ReLU, and transcoders with ReLU or JumpReLU"
        raise refusal(_PROGRAM, f"{kind} on {sites.reads}", expected)
    tensors = {"W_enc": weights.W_enc.T, "W_dec": weights.W_dec, "b_enc": weights.b_enc, "b_dec": weights.b_dec}
    if config.activation == "jumprelu":
        tensors["threshold"] = rectified(one, _PROGRAM)
    metadata = {"model_name": model, "hook_name": _hook(sites.reads, before_gain=sites.read_form == "before_gain")}
    if config.k:
        architecture = "topk"
    else:
        kinds = ["jumprelu" * (config.activation == "jumprelu"), "skip" * (weights.W_skip is not None)]
        architecture = "_".join(filter(None, [*kinds, "" if sae else "transcoder"])) or "standard"
    settings: dict[str, Any] = {
        "architecture": architecture,
        "d_in": config.d_model,
        "d_sae": config.n_features,
        "dtype": str(weights.W_enc.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "hook_z" if sites.reads.endswith(".z") else "none",
        "metadata": metadata,
    }
    if config.k:
        settings |= {"k": config.k, "rescale_acts_by_decoder_norm": False}
    if not sae:
        settings["d_out"] = config.d_model
        metadata["hook_name_out"] = _hook(sites.writes)
    if weights.W_skip is not None:
        tensors["W_skip"] = weights.W_skip
    return settings, tensors


def _hook(site: str, *, before_gain: bool = False) -> str:
    """TransformerLens' name. Raises DictionaryError where it has none."""
    layer, name, of = SiteId.parse(site)
    if layer is None or of is not None or name not in _HOOKS:
        if site == "embed":
            return "hook_embed"
        raise refusal(_PROGRAM, f"the site {site}", "sites that TransformerLens names")
    return f"blocks.{layer}.{_BEFORE_GAIN if before_gain else _HOOKS[name]}"


FORMAT = Format("saelens", f"SAELens' {SETTINGS} with {WEIGHTS}", fits, read, write, (f"*{SETTINGS}", f"*{WEIGHTS}"))
