"""Runs in an environment with SAELens, sparsify or dictionary_learning: what they compute from folders that we wrote.

    python formats_peer.py PROGRAM FOLDER INPUTS.safetensors OUT.safetensors

Reads `x` [P, D]; writes activations `acts` [P, F] and reconstructions `out` [P, D] of the one dictionary in the folder.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def saelens(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    from sae_lens import SAE

    one = SAE.load_from_disk(str(folder))
    acts = one.encode(x)
    # a transcoder's skip reads the input beside the activations, in its forward only
    return acts, one(x)


def sparsify(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    from sparsify import SparseCoder

    (place,) = [path.parent for path in folder.rglob("cfg.json")]
    one = SparseCoder.load_from_disk(place)
    found = one.encode(x)
    acts = torch.zeros(len(x), one.num_latents).scatter(1, found.top_indices, found.top_acts)
    return acts, one(x).sae_out


def dictionary_learning(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    from dictionary_learning import dictionary as single
    from dictionary_learning.trainers import top_k

    (path,) = folder.rglob("ae.pt")
    kind = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))["trainer"]["dict_class"]
    own = {} if kind != "AutoEncoder" else {"normalize_decoder": False}
    if kind == "JumpReluAutoEncoder":
        state = torch.load(path, weights_only=True)
        one = single.JumpReluAutoEncoder(*state["W_enc"].shape)
        one.load_state_dict(state)
    else:
        one = (getattr(single, kind, None) or getattr(top_k, kind)).from_pretrained(str(path), **own)
    acts = one.encode(x)
    return acts, one.decode(acts)


def main(program: str, folder: str, inputs: str, out: str) -> None:
    compute = {"saelens": saelens, "sparsify": sparsify, "dictionary_learning": dictionary_learning}[program]
    with torch.no_grad():
        acts, written = compute(Path(folder), load_file(inputs)["x"])
    save_file({"acts": acts.contiguous(), "out": written.contiguous()}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
