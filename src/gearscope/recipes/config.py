"""Recipes: what is trained, on which model and text, and how long it takes. No torch.

    sae, transcoder, skip_transcoder, clt, crosscoder    fit any model; they need --corpus
    organism-plt, organism-plt-2, organism-plt-3     the transcoders that ship, round by round, with their minutes
    organism-clt, organism-clt-2                     the cross-layer transcoder that ships, the same
    organism-small                           a minute's worth of any kind, for tables (docs/frontier.md)
    gpt2-..., qwen3-0.6b-..., gemma-2-2b-... for models of the hub; they need --corpus. Minutes were measured on random
                                             models of the same shapes, for some layers, and calculated for all

A TOML file holds the same settings by name, and may begin from a recipe:

    recipe = "clt"
    model = "openai-community/gpt2"
    corpus = "texts"
    n_features = 8192
    tokens = 20_000_000
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from gearscope.activations.config import ReadingConfig
from gearscope.config import Config
from gearscope.dictionaries.training.config import Kind, TrainingConfig
from gearscope.errors import ConfigError

WORLD = "organism"
"""As a corpus: the synthetic world that the bundled model was trained on."""


class TuningConfig(Config):
    """How finished dictionaries are tuned in their model (`tune.py`)."""

    tune_tokens: int = Field(default=0, ge=0)
    """Tokens that are read; 0 for no tuning."""
    tune_batch: int = Field(default=1024, ge=1)
    """Tokens of one step, as whole windows."""
    tune_rate: float = Field(default=3e-4, gt=0)
    """Highest learning rate of Adam; it falls to 0."""
    kl_weight: float = Field(default=5.0, gt=0)
    """Weight of KL(plain ‖ replaced), nats per token, beside the sum over sites of NMSE."""
    settle_tokens: int = Field(default=0, ge=0)
    """Tokens behind those of training on which decoders are refitted once more after tuning, for the thresholds that it
    ended with; 0 for no refit."""
    settle_pull: float = Field(default=5e-2, gt=0)
    """How strongly that refit is held to what tuning ended with (`dictionaries/training/refit.py`)."""


class Recipe(Config):
    """Everything that decides a training run."""

    about: str
    """What it makes, on which machine, in how many minutes."""
    model: str | None = None
    """HuggingFace name or directory; None for the bundled organism."""
    corpus: str | None = None
    """A text file, a folder of them, or `organism`."""
    training: TrainingConfig
    reading: ReadingConfig = ReadingConfig()
    tuning: TuningConfig = TuningConfig()
    goes_on_from: str | None = None
    """The recipe whose finished dictionaries it goes on from."""
    stored_as: Literal["float32", "float16"] = "float32"
    """Of the matrices as they are written; what is measured, is measured of these."""


def _general(kind: Kind, about: str) -> Recipe:
    return Recipe(about=about, training=TrainingConfig(kind=kind))


_SHIPPED: dict[str, Any] = {
    "k": 16,
    "batch_tokens": 1024,
    "learning_rate": 3e-3,
    "beta2": 0.99,
    "decay": 0.3,
    "dead_after": 100_000,
    "revive_every": 100,
    "revive_until": 0.7,
    "clip_norm": 1.0,
    "aux_weight": 0.0,
    "prune_tokens": 500_000,
    "prune_below": 20,
    "held_out_tokens": 131_072,
}
_ON: dict[str, Any] = {"decay": 0.97, "refit_tokens": 0, "checkpoint_every": 500}
"""Of later rounds, which go on from dictionaries: the rate falls from the beginning."""
_WIDER: dict[str, Any] = _ON | {"n_features": 3072, "learning_rate": 1.5e-3}
"""Of the second round: features behind those of the first begin on tokens that are written badly."""
_LAST: dict[str, Any] = _ON | {"n_features": 3072, "learning_rate": 1e-3, "revive_every": 0}
_PLT = {"n_features": 2560, "tokens": 6_000_000, "own_share": 0.0, "refit_tokens": 131_072}
_PLT_2 = _PLT | _WIDER | {"layers": (0, 1), "tokens": 6_000_000, "prune_below": 40}
_PLT_3 = _PLT | _LAST | {"layers": (0, 1), "tokens": 4_000_000, "prune_below": 30}
_CLT = {"n_features": 3072, "tokens": 10_000_000, "own_share": 0.3, "refit_tokens": 81_920}
_CLT_2 = _CLT | _WIDER | {"tokens": 5_000_000, "prune_below": (35, 42, 150, 60)}


def _shipped(kind: Kind, about: str, settings: dict[str, Any], **recipe: Any) -> Recipe:
    training = TrainingConfig(kind=kind, **_SHIPPED | settings)
    tuning = TuningConfig(tune_tokens=700_000, kl_weight=1.0)
    return Recipe(about=about, corpus=WORLD, training=training, tuning=tuning, stored_as="float16", **recipe)


def _round(first: str, kind: Kind, about: str, settings: dict[str, Any], **tuning: Any) -> Recipe:
    """A later round, on the same text in another order."""
    recipe = _shipped(kind, about, settings, goes_on_from=first, reading=ReadingConfig(shuffle_seed=1))
    return recipe.changed(tuning)


_SMALL: dict[str, Any] = {
    **{"n_features": 1024, "k": 16, "tokens": 400_000, "batch_tokens": 512, "learning_rate": 3e-3, "beta2": 0.99},
    **{"decay": 0.3, "dead_after": 50_000, "revive_every": 100, "aux_weight": 0.0, "held_out_tokens": 32_768},
}
"""For tables of many runs (docs/frontier.md)."""


def _public(model: str, kind: Kind, about: str, cost: str, **settings: Any) -> Recipe:
    """For a model of the hub. Adam's rate falls as features^-½ (Gao et al. 2024), from about 1e-3 at 4,096."""
    usual: dict[str, Any] = {"batch_tokens": 4096, "dead_after": 1_000_000, "aux_weight": 0.0}
    said = f"{about}; {cost}, GPU not measured"
    return Recipe(about=said, model=model, training=TrainingConfig(kind=kind, **(usual | settings)))


RECIPES: dict[str, Recipe] = {
    "sae": _general("sae", "SAEs of the residual stream behind every layer"),
    "transcoder": _general("transcoder", "a transcoder for the MLP of every layer"),
    "skip_transcoder": _general("skip_transcoder", "the same with a linear path beside the features"),
    "clt": _general("clt", "a cross-layer transcoder: features write into later layers, too"),
    "crosscoder": _general("crosscoder", "one crosscoder over the residual streams behind all layers"),
    "organism-plt": _shipped(
        "transcoder", "the bundled model's transcoders, first round, 20 minutes of one CPU core", _PLT
    ),
    "organism-clt": _shipped(
        "clt", "the bundled model's cross-layer transcoder, first round, 40 minutes of one CPU core", _CLT
    ),
    "organism-plt-2": _round(
        "organism-plt",
        "transcoder",
        "its first two layers again, wider, some 18 minutes of one CPU core",
        _PLT_2,
        tune_tokens=0,
    ),
    "organism-plt-3": _round(
        "organism-plt-2",
        "transcoder",
        "the transcoders that ship, some 20 minutes of one CPU core",
        _PLT_3,
        kl_weight=0.5,
        settle_tokens=2_000_000,
    ),
    "organism-clt-2": _round(
        "organism-clt",
        "clt",
        "the cross-layer transcoder that ships: wider, some 35 minutes of one CPU core",
        _CLT_2,
        kl_weight=0.5,
    ),
    "organism-small": Recipe(
        about="1,024 features a layer for the bundled model, any kind (--set kind=sae), 1 to 2 minutes of one CPU core",
        corpus=WORLD,
        training=TrainingConfig(kind="transcoder", **_SMALL),
    ),
    "gpt2-transcoder": _public(
        "openai-community/gpt2",
        "transcoder",
        "GPT-2 (124M), 12 layers of 12,288 features",
        "161 minutes of one CPU core a million tokens, 5 GB",
        **{"n_features": 12_288, "k": 32, "tokens": 60_000_000, "learning_rate": 6e-4},
    ),
    "gpt2-clt": _public(
        "openai-community/gpt2",
        "clt",
        "GPT-2 (124M) across its 12 layers, 8,192 features each",
        "minutes not measured, 10 GB",
        **{"n_features": 8_192, "k": 16, "tokens": 100_000_000, "batch_tokens": 2048, "learning_rate": 4e-4},
    ),
    "qwen3-0.6b-transcoder": _public(
        "Qwen/Qwen3-0.6B",
        "transcoder",
        "Qwen3-0.6B, 28 layers of 8,192 features",
        "505 minutes of one CPU core a million tokens, 11 GB",
        **{"n_features": 8_192, "k": 32, "tokens": 60_000_000, "learning_rate": 7e-4},
    ),
    "gemma-2-2b-transcoder": _public(
        "google/gemma-2-2b",
        "transcoder",
        "Gemma-2-2B, 16,384 features in layer 12 (others: --set 'layers=[0, 1]')",
        "565 minutes of one CPU core a million tokens, 7 GB",
        **{"n_features": 16_384, "k": 64, "tokens": 60_000_000, "learning_rate": 5e-4, "layers": (12,)},
    ),
}
"""Recipes by name."""


def open_recipe(name: str) -> Recipe:
    """A recipe by its name, or from a TOML file. Raises ConfigError."""
    if name in RECIPES:
        return RECIPES[name]
    path = Path(name)
    if path.suffix != ".toml":
        raise ConfigError(f"a recipe was expected ({', '.join(RECIPES)}) or a .toml file", found=repr(name))
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"a recipe file was expected at {path}", found=error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} should be TOML", found=str(error)) from error
    start = settings.pop("recipe", None)
    if start is None and "kind" not in settings:
        raise ConfigError(f"{path} should name a recipe to begin from, or a kind", found="neither")
    base = Recipe(about=str(path), training=TrainingConfig(kind=_kind(settings))) if start is None else _named(start)
    return base.changed(settings)


def _named(start: Any) -> Recipe:
    if start not in RECIPES:
        raise ConfigError(f"a recipe to begin from was expected ({', '.join(RECIPES)})", found=repr(start))
    return RECIPES[start]


def _kind(settings: Mapping[str, Any]) -> Any:
    return TrainingConfig.of(kind=settings["kind"]).kind


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """`["k=16", "site=attn_out", "layers=[0, 1]"]` as values. Raises ConfigError for one without `=`."""
    found = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ConfigError("a setting is written NAME=VALUE", found=repr(pair))
        found[name.strip()] = _value(text.strip())
    return found


def parse_grid(axes: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """`["k=8,16", "kind=sae,clt"]` as values of each. Raises ConfigError for one without `=`, or named twice."""
    found: dict[str, tuple[Any, ...]] = {}
    for axis in axes:
        name, equals, text = axis.partition("=")
        if not equals or not name or name.strip() in found:
            raise ConfigError("an axis of a grid is written NAME=VALUE,VALUE,... and named once", found=repr(axis))
        found[name.strip()] = tuple(_value(part.strip()) for part in text.split(","))
    return found


def _value(text: str) -> Any:
    """A TOML value where it is one (numbers, lists, true), else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
