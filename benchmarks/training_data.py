"""What the trainers of `training.py` read: a random model, random text, and its activations, harvested once.

    model/                     GPT-2, 4 layers, d = 128, 8,192 tokens of vocabulary; random weights
    ids.safetensors            ids [W, 128]: tokens drawn by Zipf's law (the r-th is 1 / r as frequent as the first)
    sae.safetensors            train and held_out [P, D]: the residual stream after block 2; factor
    clt.safetensors            train and held_out [P, 2 L, D]: what the MLPs read, centred, then what they write; factor
    topk_first, ...            the weights before the first step of each case, for every trainer

Activations are multiplied with one number per site so that their spread is that of a standard normal vector: a trainer
that scales by itself and one that does not then see the same. The first position of a window is left out.
"""

import json
from pathlib import Path
from typing import Any

import torch
from random_circuits import Size, random_model
from safetensors.torch import load_file, save_file

from gearscope.activations.config import ReadingConfig
from gearscope.activations.stream import ActivationStream
from gearscope.corpus.windows import Place, Taken
from gearscope.dictionaries.training.begin import fit_loudness
from gearscope.dictionaries.training.config import Layout, TrainingConfig, layout_of
from gearscope.dictionaries.training.weights import first_weights, scaling_of
from gearscope.models.load import open_model
from gearscope.threads import one_thread

SIZE = Size(layers=4, width=128, heads=4, key_value_heads=4, mlp=512, vocabulary=8192)
SITE_LAYER = 2
WINDOW, HELD_OUT = 128, 8192


class Windows:
    """A corpus whose windows are the rows of a tensor; from the first again after the last."""

    context, fingerprint = WINDOW, "zipf"

    def __init__(self, ids: torch.Tensor) -> None:
        self.ids = ids

    def take(self, n_windows: int, place: Place | None) -> Taken:
        begin = 0 if place is None else place["next"]
        rows = torch.arange(begin, begin + n_windows) % len(self.ids)
        return Taken(self.ids[rows], {"next": begin + n_windows})


def layout_for(config: TrainingConfig) -> Layout:
    return layout_of(config, SIZE.layers)


def config_for(case: str, settings: dict[str, Any]) -> TrainingConfig:
    """gearscope's settings of a case: those of the others, its defaults otherwise, and no checkpoint before the end."""
    return TrainingConfig(
        kind="clt" if case == "clt" else "sae",
        layers=None if case == "clt" else (SITE_LAYER,),
        n_features=settings["n_features"],
        k=settings["k"],
        selection="batch_top_k" if case == "batchtopk" else "top_k",
        tokens=settings["steps"] * settings["batch"],
        batch_tokens=settings["batch"],
        learning_rate=settings["learning_rate"],
        warmup=0.0,
        decay=1.0,
        own_share=0.0 if case == "clt" else None,
        held_out_tokens=settings["batch"],
        checkpoint_every=10**9,
    )


def reader(folder: Path, sites: tuple[str, ...]) -> ActivationStream:
    """The model reads the text, live."""
    ids = load_file(folder / "ids.safetensors")["ids"]
    return ActivationStream(open_model(str(folder / "model")), Windows(ids), sites, ReadingConfig(block_tokens=16_384))


def make(folder: Path, settings: dict[str, dict[str, Any]]) -> None:
    """Everything, for the settings of the cases `topk` and `clt`; what is there for as many tokens or more stays."""
    n_tokens = {kind: s["steps"] * s["batch"] for kind, s in (("sae", settings["topk"]), ("clt", settings["clt"]))}
    made = folder / "made.json"
    if made.exists():
        there = json.loads(made.read_text(encoding="utf-8"))
        if all(there[kind] >= n_tokens[kind] for kind in n_tokens):
            return
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "model").exists():
        random_model("gpt2", folder / "model", SIZE)
    draw = torch.Generator().manual_seed(0)
    frequency = 1 / torch.arange(1, SIZE.vocabulary + 1)
    n_windows = (max(n_tokens.values()) + HELD_OUT) // (WINDOW - 1) + 1
    ids = torch.multinomial(frequency, n_windows * WINDOW, replacement=True, generator=draw).view(-1, WINDOW)
    save_file({"ids": ids}, folder / "ids.safetensors")
    for kind, case in (("sae", "topk"), ("clt", "clt")):
        config = config_for(case, settings[case])
        with one_thread(), torch.inference_mode():
            acts = reader(folder, layout_for(config).sites).take(n_tokens[kind] + HELD_OUT)
            _write(folder, kind, acts.clone(), config)
    made.write_text(json.dumps(n_tokens), encoding="utf-8")


def _write(folder: Path, kind: str, acts: torch.Tensor, config: TrainingConfig) -> None:
    layout = layout_for(config)
    scaling = scaling_of(acts)
    n_read = len(layout.sites) - len(layout.targets)  # 0 where what is read is what is written
    acts[:, :n_read] -= scaling.mean[:n_read]
    acts *= scaling.factor[:, None]
    parts = {"train": acts[:-HELD_OUT], "held_out": acts[-HELD_OUT:]}
    stored = {name: (part if n_read else part[:, 0]).contiguous() for name, part in parts.items()}
    save_file(stored | {"factor": scaling.factor}, folder / f"{kind}.safetensors")


def write_first(folder: Path, case: str, settings: dict[str, Any]) -> None:
    """The weights with which gearscope begins a case, for everyone."""
    config = config_for(case, settings)
    layout = layout_for(config)
    acts = load_file(folder / f"{'clt' if case == 'clt' else 'sae'}.safetensors")["train"][: config.batch_tokens]
    acts = acts if case == "clt" else acts[:, None]
    with one_thread(), torch.inference_mode():
        scaling = scaling_of(acts)
        written = scaling.written(acts)
        weights = first_weights(layout, written, torch.Generator().manual_seed(config.seed))
        fit_loudness(weights, config, scaling.read(acts), written[:, list(layout.targets)])
    first = {"b_dec": weights.b_dec}
    for number, coder in enumerate(weights.coders):
        first[f"W_enc.{number}"], first[f"W_dec.{number}"] = coder.W_enc, coder.W_dec
    save_file({name: tensor.contiguous() for name, tensor in first.items()}, folder / f"{case}_first.safetensors")
