"""Do other programs compute what we do from our folders? `python benchmarks/formats.py PROGRAM=PYTHON ...`

PROGRAM is saelens, sparsify or dictionary_learning, PYTHON one that has it. Random dictionaries of every kind that the
format holds are written, run there on random inputs (`formats_peer.py`), and compared with ours, and with the same
folder read back. Prints one JSON line per case.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.store import read_dictionaries, write_as

D, F, TOKENS, K = 32, 96, 200, 6
TOLERANCE = 1e-5
SAE, TRANSCODER = ("blocks.1.resid_post", "blocks.1.resid_post"), ("blocks.1.mlp_in", "blocks.1.mlp_out")
CASES: dict[str, list[tuple[tuple[str, str], str, bool]]] = {
    "saelens": [
        (SAE, "relu", False),
        (SAE, "jumprelu", False),
        (SAE, "topk_relu", False),
        (TRANSCODER, "relu", False),
        (TRANSCODER, "jumprelu", False),
        (TRANSCODER, "relu", True),
        (TRANSCODER, "jumprelu", True),
    ],
    "sparsify": [(SAE, "topk_relu", False), (TRANSCODER, "topk_relu", False), (TRANSCODER, "topk_relu", True)],
    "dictionary_learning": [(SAE, "relu", False), (SAE, "jumprelu", False), (SAE, "topk_relu", False)],
}


def drawn(sites: tuple[str, str], activation: Any, skip: bool) -> Dictionary:
    draw = torch.Generator().manual_seed(0)
    k = K if activation == "topk_relu" else None
    return Dictionary(
        config=DictionaryConfig(
            reads=(sites[0],), writes=(sites[1],), n_features=F, d_model=D, activation=activation, k=k
        ),
        W_enc=torch.randn(F, 1, D, generator=draw) / D**0.5,
        b_enc=torch.randn(F, generator=draw) * 0.3,
        W_dec=torch.randn(F, 1, D, generator=draw) / D**0.5,
        b_dec=torch.randn(1, D, generator=draw) * 0.3,
        threshold=torch.rand(F, generator=draw) if activation == "jumprelu" else None,
        W_skip=torch.randn(D, D, generator=draw) / D**0.5 if skip else None,
    )


def compare(program: str, python: str, case: tuple[tuple[str, str], str, bool], folder: Path) -> dict[str, Any]:
    """The largest differences of one case."""
    sites, activation, skip = case
    one = drawn(*case)
    write_as(folder / "set", DictionarySet(dictionaries=(one,), model="tiny"), program)
    x = torch.randn(TOKENS, D, generator=torch.Generator().manual_seed(1))
    save_file({"x": x}, folder / "x.safetensors")
    script = Path(__file__).with_name("formats_peer.py")
    out = folder / "out.safetensors"
    command = [python, str(script), program, str(folder / "set"), str(folder / "x.safetensors"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{program} failed on {sites[0]}, {activation}:\n{done.stderr[-3000:]}")
    theirs, (back,) = load_file(out), read_dictionaries(folder / "set").dictionaries
    found: dict[str, float] = {}
    for name, each in (("written", one), ("read", back)):
        found[f"codes_{name}"] = float((each.encode(x[:, None]).dense(F) - theirs["acts"]).abs().max())
        found[f"reconstructions_{name}"] = float((each.reconstruct(x[:, None])[:, 0] - theirs["out"]).abs().max())
    agrees = max(found.values()) <= TOLERANCE and bool(theirs["acts"].any())
    return {"program": program, "reads": sites[0], "activation": activation, "skip": skip, **found, "agrees": agrees}


def main(*programs: str) -> None:
    agreed = True
    for named in programs:
        program, _, python = named.partition("=")
        for case in CASES[program]:
            with tempfile.TemporaryDirectory() as scratch:
                found = compare(program, python or sys.executable, case, Path(scratch))
            agreed &= found["agrees"]
            print(json.dumps(found), flush=True)
    sys.exit(not agreed)


if __name__ == "__main__":
    main(*sys.argv[1:])
