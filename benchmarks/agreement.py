"""Are our matrices those of circuit-tracer? `python benchmarks/agreement.py [PEER_PYTHON [CASE ...]]`

Writes tiny random models and random transcoders (per layer, with skip, across layers, reading before the norm or before
its gain) in circuit-tracer's layout, lets circuit-tracer trace one prompt in its own environment (`peer.py` makes it
unless `PEER_PYTHON` names one), traces it here from the same folders, and compares the whole matrices. Prints one JSON
line per case.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer import PEER_FOLDER, peer_python, run_peer
from random_circuits import Size, random_dictionaries, random_model

from gearscope.attribution.rows import RowMaker, Rows
from gearscope.attribution.targets import aims, logits
from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.store import read_dictionaries, write_as
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.load import open_model
from gearscope.replacement.coded import coded_replacement

TINY = Size(layers=4, width=32, heads=4, key_value_heads=2, mlp=64, vocabulary=64)
FEATURES, TOKENS = 96, 10
FAMILIES = ("llama", "gpt2", "gemma2")
CASES: dict[str, dict[str, Any]] = {
    "plt": {},
    "skip plt": {"skip": True},
    "clt": {"cross_layer": True},
    "before the gain": {"read_form": "before_gain"},
    "residual skip plt": {"read": "resid_mid", "skip": True},
    "own output skip plt": {"write_form": "before_post_norm", "skip": True},
}
TOLERANCE = 1e-4


def our_matrix(
    prompt: FrozenPrompt, dictionaries: DictionarySet, targets: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(layer, position, index) and activation of the active features, and the matrix over circuit-tracer's nodes."""
    with torch.inference_mode():
        replacement = coded_replacement(prompt, dictionaries)
        maker = RowMaker(prompt=prompt, replacement=replacement)
        active, leaves = replacement.active, maker.leaves
        n_features = len(active)
        width = n_features + leaves.errors.stop + prompt.n_positions
        matrix = np.zeros((width + len(targets), width + len(targets)), dtype=np.float32)

        def fill(first: int, rows: Rows) -> None:
            here = slice(first, first + len(rows.leaves))
            matrix[here, rows.sources.numpy()] = rows.entries.numpy()
            matrix[here, n_features : n_features + leaves.errors.stop] = rows.leaves[:, leaves.errors].numpy()
            matrix[here, n_features + leaves.errors.stop : width] = rows.leaves[:, leaves.tokens].numpy()

        for numbers, rows in maker.feature_rows(torch.arange(n_features)):
            fill(int(numbers[0]), rows)
        for aim in aims(logits(prompt, targets, position=-1)):
            for chunk, rows in maker.rows(aim):
                fill(width + chunk.start, rows)
    places = torch.stack([active.layer, active.position, active.index], dim=1).numpy()
    return places, active.activation.numpy(), matrix


def compare(family: str, case: str, peer: str, folder: Path) -> dict[str, Any]:
    """Both matrices of one case, and how far they are apart."""
    model, coder, out = folder / family, folder / case.replace(" ", "-"), folder / "theirs.npz"
    if not model.exists():
        random_model(family, model, TINY)
    if not coder.exists():
        write_as(coder, random_dictionaries(TINY, FEATURES, **CASES[case]), "circuit-tracer")
    ids = [0, *torch.randint(1, TINY.vocabulary, (TOKENS - 1,), generator=torch.Generator().manual_seed(2)).tolist()]
    theirs, _ = run_peer(peer, model, coder, out, ids)
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


def main(peer: str = "", *cases: str) -> None:
    peer, agreed = peer or peer_python(PEER_FOLDER), True
    with tempfile.TemporaryDirectory() as scratch:
        for family in FAMILIES:
            for case in cases or CASES:
                found = compare(family, case, peer, Path(scratch))
                agreed &= found["agrees"]
                print(json.dumps(found), flush=True)
    sys.exit(not agreed)


if __name__ == "__main__":
    main(*sys.argv[1:])
