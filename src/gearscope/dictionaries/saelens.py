"""SAELens' checkpoints, one folder per dictionary, as weights that act on raw activations.

    cfg.json                     architecture, d_in, d_sae, [d_out], apply_b_dec_to_input, normalize_activations,
                                 [k, rescale_acts_by_decoder_norm], metadata {hook_name, [hook_name_out], model_name}
    sae_weights.safetensors      W_enc [D, F], W_dec [F, D], b_enc [F], b_dec [D], [threshold [F]], [W_skip [D, D]]

Read from version 6 on, and the flat files of earlier versions. Folded in: the decoder bias that is taken from the input
(b_enc − W_enc b_dec) and TopK on activations scaled by their decoder's norm. Gated dictionaries, attention heads side
by side and normalised inputs are refused by name. The files themselves are opened in `store.py`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gearscope.dictionaries.config import TOPK, Activation, DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.errors import ArtifactError, ConfigError
from gearscope.ids import SiteId

SETTINGS, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_ACTIVATIONS: dict[str, Activation] = {
    "standard": "relu",
    "jumprelu": "jumprelu",
    "topk": "topk_relu",
    "transcoder": "relu",
    "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
    "jumprelu_skip_transcoder": "jumprelu",
}
_NEEDED = {"W_enc", "W_dec", "b_enc", "b_dec"}


class Settings(NamedTuple):
    """What `cfg.json` says."""

    activation: Activation
    k: int | None
    reads: str
    writes: str
    centred: bool
    """The decoder bias is taken from the input."""
    by_norm: bool
    """TopK chooses among activations times the norm of their decoders, and those are the activations."""
    skip: bool
    model: str


def parse_settings(data: Any, where: str) -> Settings:
    """Check the contents of a `cfg.json` called `where`. Raises ArtifactError with every problem at once."""
    if not isinstance(data, dict):
        raise ArtifactError(f"{where} should hold settings by name", found=type(data).__name__)
    metadata = data.get("metadata") if isinstance(data.get("metadata"), dict) else {}
    named = {**data, **metadata}
    problems: list[str] = []
    architecture, k = _architecture(data, problems)
    reads = _site(named, ("hook_name", "hook_point"), problems)
    transcoder = "transcoder" in architecture
    writes = _site(named, ("hook_name_out",), problems) if transcoder else reads
    for name, plain in (
        ("normalize_activations", (None, "none")),
        ("reshape_activations", (None, "none")),
        ("finetuning_scaling_factor", (None, False)),
        ("hook_head_index", (None,)),
    ):
        if named.get(name) not in plain:
            problems.append(f"{name} {named[name]!r}, which gearscope does not read")
    if problems:
        raise ArtifactError(f"{where} should describe a dictionary of SAELens", found=", ".join(problems))
    before_six = "metadata" not in data
    return Settings(
        _ACTIVATIONS[architecture],
        k,
        reads,
        writes,
        centred=bool(data.get("apply_b_dec_to_input", before_six)),
        by_norm=bool(data.get("rescale_acts_by_decoder_norm", False)) and k is not None,
        skip="skip" in architecture,
        model=str(named.get("model_name") or ""),
    )


def _architecture(data: Mapping[str, Any], problems: list[str]) -> tuple[str, int | None]:
    """The architecture's name of today, and k."""
    name, options = data.get("architecture", "standard"), data.get("activation_fn_kwargs") or {}
    if name == "standard" and data.get("activation_fn_str", data.get("activation_fn")) == "topk":
        name = "topk"
    if name not in _ACTIVATIONS:
        problems.append(f"architecture {name!r} where one of {', '.join(_ACTIVATIONS)} is known")
        return "standard", None
    if _ACTIVATIONS[name] not in TOPK:
        return name, None
    k = data.get("k", options.get("k") if isinstance(options, dict) else None)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        problems.append(f"k {k!r} where topk needs the number of active features per token")
        return name, None
    return name, k


def _site(named: Mapping[str, Any], keys: tuple[str, ...], problems: list[str]) -> str:
    """The site under one of these keys, in our spelling."""
    found = next((named[key] for key in keys if named.get(key)), None)
    if isinstance(found, str):
        try:
            return str(SiteId.parse(found))
        except ConfigError:
            problems.append(f"{keys[0]} {found!r}, which is no site that gearscope knows")
            return found
    problems.append(f"no {keys[0]}")
    return ""


def to_dictionary(settings: Settings, tensors: Mapping[str, Tensor], where: str) -> Dictionary:
    """One dictionary of ours. Raises ArtifactError, DictionaryError, ConfigError."""
    needed = _NEEDED | ({"threshold"} if settings.activation == "jumprelu" else set())
    needed |= {"W_skip"} if settings.skip else set()
    problems = [f"no {name}" for name in sorted(needed - set(tensors))]
    problems += [f"an unknown {name}" for name in sorted(set(tensors) - needed)]
    axes = {"W_enc": 2, "W_dec": 2, "b_dec": 1}
    problems += [
        f"{name} of shape {tuple(tensors[name].shape)} where {n} axes fit"
        for name, n in axes.items()
        if name in tensors and tensors[name].ndim != n
    ]
    if problems:
        raise ArtifactError(f"{where} should hold the tensors of its architecture", found=", ".join(problems))
    W_enc, b_enc, W_dec, b_dec = tensors["W_enc"].T, tensors["b_enc"], tensors["W_dec"], tensors["b_dec"]
    threshold = tensors.get("threshold")  # a ReLU follows it there
    if settings.centred and W_enc.shape[1] == len(b_dec) and b_enc.shape == W_enc.shape[:1]:
        b_enc = b_enc - W_enc @ b_dec
    if settings.by_norm and W_dec.shape[0] == W_enc.shape[0] == len(b_enc):
        norm = W_dec.norm(dim=1)
        W_enc, b_enc, W_dec = W_enc * norm[:, None], b_enc * norm, W_dec / torch.where(norm == 0, 1, norm)[:, None]
    return Dictionary(
        config=DictionaryConfig.of(
            reads=(settings.reads,),
            writes=(settings.writes,),
            n_features=W_enc.shape[0],
            d_model=W_enc.shape[1],
            activation=settings.activation,
            k=settings.k,
        ),
        W_enc=W_enc[:, None],
        b_enc=b_enc,
        W_dec=W_dec[:, None],
        b_dec=b_dec[None],
        threshold=None if threshold is None else threshold.clamp(min=0),
        W_skip=tensors.get("W_skip"),
    )
