"""Are our matrices those of circuit-tracer? `python benchmarks/agreement.py PEER_PYTHON [CASE ...]`

Writes tiny random models and random transcoders (per layer, with skip, across layers, reading before the norm or before
its gain) in circuit-tracer's layout, lets circuit-tracer trace one prompt in its own environment (`PEER_PYTHON`: a
Python with circuit-tracer 0.5.0, torch 2.13.0, transformer-lens 3.2.1, transformers 4.57.3, huggingface_hub 0.36.2 and
nnsight 0.6.1), traces it here from the same folders, and compares the whole matrices. Prints one JSON line per case.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from gearscope.attribution.expand import feature_aims
from gearscope.attribution.rows import RowMaker
from gearscope.attribution.targets import aims, logits
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.store import read_dictionaries, write_circuit_tracer
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.load import open_model
from gearscope.replacement.coded import coded_replacement

LAYERS, WIDTH, FEATURES, VOCABULARY, TOKENS = 4, 32, 96, 64, 10
PEER_SCRIPT = Path(__file__).with_name("circuit_tracer_matrix.py")
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"intermediate_size": 64, "num_key_value_heads": 4, "tie_word_embeddings": False},
    "gpt2": {"n_inner": 64, "tie_word_embeddings": False},
    "gemma2": {
        "intermediate_size": 64,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "query_pre_attn_scalar": 8,
        "sliding_window": 6,
        "attn_logit_softcapping": 20.0,
        "final_logit_softcapping": 30.0,
    },
}
CASES: dict[str, dict[str, Any]] = {
    "plt": {},
    "skip plt": {"skip": True},
    "clt": {"cross_layer": True},
    "before the gain": {"read_form": "before_gain"},
    "residual skip plt": {"read": "resid_mid", "skip": True},
    "own output skip plt": {"write_form": "before_post_norm", "skip": True},
}
TOLERANCE = 1e-4


def random_model(family: str, folder: Path) -> None:
    """A tiny model with nothing at its trivial value."""
    shared = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    shared |= {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4}
    config = AutoConfig.for_model(family, max_position_embeddings=64, **shared, **FAMILIES[family])
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        scale = 0.2 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5
        parameter.data += scale * torch.randn_like(parameter)
    model.save_pretrained(folder)


def random_dictionaries(
    *,
    cross_layer: bool = False,
    skip: bool = False,
    read: str = "mlp_in",
    read_form: str = "site",
    write_form: str = "site",
) -> DictionarySet:
    """JumpReLU transcoders of which about a third of the features is active."""
    draw = torch.Generator().manual_seed(1)
    made = []
    for layer in range(LAYERS):
        targets = range(layer, LAYERS if cross_layer else layer + 1)
        config = DictionaryConfig.of(
            reads=(f"blocks.{layer}.{read}",),
            writes=tuple(f"blocks.{target}.mlp_out" for target in targets),
            n_features=FEATURES,
            d_model=WIDTH,
            activation="jumprelu",
            read_form=read_form,
            write_form=write_form,
        )
        b_dec = torch.zeros(len(targets), WIDTH)
        b_dec[0] = 0.1 * torch.randn(WIDTH, generator=draw)
        made.append(
            Dictionary(
                config=config,
                W_enc=torch.randn(FEATURES, 1, WIDTH, generator=draw) * WIDTH**-0.5,
                b_enc=0.1 * torch.randn(FEATURES, generator=draw),
                W_dec=torch.randn(FEATURES, len(targets), WIDTH, generator=draw) * 0.1,
                b_dec=b_dec,
                threshold=0.3 + 0.2 * torch.rand(FEATURES, generator=draw),
                W_skip=torch.randn(WIDTH, WIDTH, generator=draw) * WIDTH**-0.5 if skip else None,
            )
        )
    return DictionarySet(dictionaries=tuple(made), model="tiny", scan="random")


def our_matrix(
    prompt: FrozenPrompt, dictionaries: DictionarySet, targets: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(layer, position, index) and activation of the active features, and the matrix over circuit-tracer's nodes."""
    with torch.inference_mode():
        replacement = coded_replacement(prompt, dictionaries)
        maker = RowMaker(prompt=prompt, replacement=replacement)
        active, columns = replacement.active, maker.columns
        n_features, n_leaves = len(active), columns.n_leaves
        width = n_features + columns.errors.stop + prompt.n_positions
        matrix = np.zeros((width + len(targets), width + len(targets)), dtype=np.float32)

        def fill(first: int, block: torch.Tensor) -> None:
            rows = slice(first, first + len(block))
            matrix[rows, : block.shape[1] - n_leaves] = block[:, n_leaves:].numpy()
            matrix[rows, n_features : n_features + columns.errors.stop] = block[:, columns.errors].numpy()
            matrix[rows, n_features + columns.errors.stop : width] = block[:, columns.tokens].numpy()

        for aim, numbers in feature_aims(maker, torch.arange(n_features)):
            for chunk, block in maker.rows(aim):
                fill(int(numbers[0]) + chunk.start, block)
        for aim in aims(logits(prompt, targets, position=-1)):
            for chunk, block in maker.rows(aim):
                fill(width + chunk.start, block)
    places = torch.stack([active.layer, active.position, active.index], dim=1).numpy()
    return places, active.activation.numpy(), matrix


def compare(family: str, case: str, peer: str, folder: Path) -> dict[str, Any]:
    """Both matrices of one case, and how far they are apart."""
    model, coder, out = folder / family, folder / case.replace(" ", "-"), folder / "theirs.npz"
    if not model.exists():
        random_model(family, model)
    if not coder.exists():
        write_circuit_tracer(coder, random_dictionaries(**CASES[case]))
    ids = [0, *torch.randint(1, VOCABULARY, (TOKENS - 1,), generator=torch.Generator().manual_seed(2)).tolist()]
    command = [peer, str(PEER_SCRIPT), str(model), str(coder), str(out), *map(str, ids)]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=clean)
    if done.returncode:
        raise SystemExit(f"circuit-tracer failed on {family}, {case}:\n{done.stderr[-3000:]}")
    theirs = np.load(out)
    prompt = open_model(str(model)).record(torch.tensor(ids))
    places, activation, ours = our_matrix(prompt, read_dictionaries(coder), theirs["targets"].tolist())
    same = places.shape == theirs["active"].shape and bool((places == theirs["active"]).all())
    difference = float(np.abs(ours - theirs["adjacency"]).max()) if same else float("nan")
    return {
        "model": family,
        "case": case,
        "features": len(places),
        "same_features": same,
        "entries": int(np.count_nonzero(theirs["adjacency"])),
        "largest_entry": float(np.abs(theirs["adjacency"]).max()),
        "largest_difference": difference,
        "largest_difference_of_activations": float(np.abs(activation - theirs["activation"]).max()) if same else None,
        "agrees": same and difference <= TOLERANCE,
    }


def main(peer: str, *cases: str) -> None:
    agreed = True
    with tempfile.TemporaryDirectory() as scratch:
        for family in FAMILIES:
            for case in cases or CASES:
                found = compare(family, case, peer, Path(scratch))
                agreed &= found["agrees"]
                print(json.dumps(found), flush=True)
    sys.exit(not agreed)


if __name__ == "__main__":
    main(*sys.argv[1:])
