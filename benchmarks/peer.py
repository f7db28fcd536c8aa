"""Peers in environments of their own: made here; circuit-tracer's is used here too.

    environment(FOLDER, PINS, NAME)         a Python that has these packages; made at the first call
    peer_python(PEER_FOLDER)                a Python that has circuit-tracer; made at the first call (1.5 GB or more)
    run_peer(python, model, ...)            `circuit_tracer_matrix.py` in it: its matrix as arrays, and what it measured

The versions are those that the comparisons were made with. 0.5.0 on the package index gave the same matrices as 0.4.1
of its authors' repository on case S.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PINS = (
    "circuit-tracer==0.5.0",
    "torch==2.13.0",
    "transformer-lens==3.2.1",
    "transformers==4.57.3",
    "huggingface_hub==0.36.2",
    "nnsight==0.6.1",
)
PEER_FOLDER = Path("build/circuit-tracer")
_SCRIPT = Path(__file__).with_name("circuit_tracer_matrix.py")


def peer_python(folder: Path) -> str:
    """The Python of circuit-tracer's environment in `folder`, which is made when it is not there."""
    return environment(folder, PINS, "circuit-tracer")


def environment(folder: Path, pins: Sequence[str], name: str, without: Sequence[str] = ()) -> str:
    """The Python of an environment in `folder` that has these packages, which is made when it is not there.

    `without` names packages that come with them, and are taken away again.
    """
    python, done = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join(pins)
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        print(f"making {name}'s environment in {folder}: some minutes, 1.5 GB or more", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins], check=True)
        if without:
            subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", *without], check=True)
        done.write_text(wanted, encoding="utf-8")
    return str(python)


def run_matrix(
    python: str, script: Path, model: Path, coder: Path, out: Path, ids: Sequence[int], most: int | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Run one `*_matrix.py` in a process of its own, on one thread: its arrays, and the JSON line that it printed."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    inherited = dict(os.environ)
    if python != sys.executable:
        inherited.pop("PYTHONPATH", None)
    command = [python, str(script), str(model), str(coder), str(out), *map(str, ids)]
    if most is not None:
        command.append(f"--max-features={most}")
    done = subprocess.run(command, capture_output=True, text=True, env=inherited | threads)
    if done.returncode:
        raise SystemExit(f"{script.name} failed on {model.name}, {coder.name}:\n{done.stderr[-3000:]}")
    with np.load(out) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays, json.loads(done.stdout.splitlines()[-1])


def run_peer(
    python: str, model: Path, coder: Path, out: Path, ids: Sequence[int], most: int | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The same for circuit-tracer: `active` [K, 3] as (layer, position, index), `activation` [K], `selected` numbers of
    active features that got a row, `adjacency` over selected features, errors, tokens and targets, `targets` as token
    ids, and the masks of its pruning.
    """
    return run_matrix(python, _SCRIPT, model, coder, out, ids, most)
