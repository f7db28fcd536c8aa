"""Speed of training beside SAELens, sparsify, dictionary_learning and llamascopium: the same tokens, the same work.

    python benchmarks/training.py                                     all; makes four environments in build/
    python benchmarks/training.py --peer sparsify=PYTHON ...          environments that are there already
    python benchmarks/training.py --no-peers                          gearscope alone, beside the floor
    python benchmarks/training.py --only topk clt --steps 40

    topk, batchtopk    an SAE of 4,096 features on stored activations, d = 128, k = 32, batches of 4,096 tokens
    clt                a cross-layer transcoder, 4 x 4,096 features, 32 in each layer, batches of 1,024
    live               topk with its activations read from the model while it trains

Each trainer runs in its own environment and process, one after the other, on one thread, from the same first weights
through the same batches, with the same learning rates. The cost of a step is the CPU time from one request for a batch
to the next, the median over all but the first ones; of live runs the mean, because gearscope reads the activations of
four batches at a time: over whole such fours, so that neither trainer pays for what it does not train on, nor for what
it does once before the first step or after the last. FVU is measured on held-out
activations from exported weights (`training_score.py`). Extra memory is the peak beyond what the process held before
its trainer was made, activations loaded; of it, the state of Adam is 16 bytes per weight for everyone. The floor is the
encoder's product alone, once, at the speed of one large matrix product in this process. Exit code 1 when a bar is
missed.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Any

from measure import product_rate
from peer import environment
from training_data import SIZE, make, write_first
from training_score import fvu

CPU_TORCH = "torch==2.13.0"
PEERS = {
    "sparsify": ("eai-sparsify==1.3.3", CPU_TORCH, "transformers==4.56.2"),
    "dictionary_learning": ("dictionary-learning==0.1.0", CPU_TORCH, "transformers==4.56.2"),
    "saelens": ("sae-lens==6.54.12", CPU_TORCH, "transformers==4.56.2", "transformer-lens==2.17.0", "pyarrow==21.0.0"),
    "llamascopium": ("llamascopium==2.0.0b34", CPU_TORCH, "transformers==4.57.3"),
}
BARS = {
    ("topk", "sparsify"): 2.3,
    ("topk", "dictionary_learning"): 4.5,
    ("topk", "saelens"): 7.0,
    ("batchtopk", "dictionary_learning"): 9.0,
    ("batchtopk", "saelens"): 14.0,
    ("clt", "llamascopium"): 6.0,
    ("live", "sparsify"): 3.0,
}
"""How many times faster gearscope should be."""
CASES = ("topk", "batchtopk", "clt", "live")
MEMORY_BAR, FVU_BAR = 20.0, 1.02
"""MiB beyond the state of Adam, on stored activations of one site; FVU over that of each peer."""
WARM_UP = 4
"""Steps that do not count; a live run counts fours of steps."""
NOT_NEEDED = {"dictionary_learning": ("torchvision",)}
"""What a peer's packages bring along that need not fit torch's build for CPUs, and then keeps them from importing."""
N_FEATURES, K = 4096, 32


def settings_of(case: str, steps: int) -> dict[str, Any]:
    batch = 1024 if case == "clt" else 4096
    return {"case": case, "n_features": N_FEATURES, "k": K, "batch": batch, "learning_rate": 1e-3, "steps": steps}


def n_weights(case: str) -> int:
    D, L = SIZE.width, SIZE.layers
    if case != "clt":
        return N_FEATURES * (2 * D + 1) + D
    return N_FEATURES * (L * (D + 1) + L * (L + 1) // 2 * D) + L * D


def encoder_cost(case: str) -> int:
    """Multiply-adds of the encoders, per token."""
    return N_FEATURES * SIZE.width * (SIZE.layers if case == "clt" else 1)


def run(name: str, python: str, folder: Path, case: str, steps: int) -> dict[str, Any]:
    """One trainer on one case, in a process of its own."""
    write_first(folder, case, settings_of(case, steps))
    script, out = Path(__file__).with_name(f"training_{name}.py"), folder / f"{name}-{case}.safetensors"
    settings = settings_of(case, steps)
    inherited = dict(os.environ)
    if python != sys.executable:
        inherited.pop("PYTHONPATH", None)
    alone = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    command = [python, str(script), str(folder), str(out), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, env=inherited | alone)
    if done.returncode:
        raise SystemExit(f"{script.name} failed on {case}:\n{done.stderr[-3000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    laps = found["laps"][WARM_UP:]
    seconds = fmean(laps[: len(laps) // 4 * 4]) if case == "live" else median(laps)
    data = folder / f"{'clt' if case == 'clt' else 'sae'}.safetensors"
    return {
        "case": case,
        "trainer": name,
        "ms": 1e3 * seconds,
        "least_ms": 1e3 * min(laps),
        "tokens_per_second": settings["batch"] / seconds,
        "extra_mib": found["extra_mib"],
        "beyond_adam_mib": found["extra_mib"] - 16 * n_weights(case) / 2**20,
        "fvu": fvu(out, data, case, K, settings["batch"]),
    }


def lines(folder: Path, pythons: dict[str, str], cases: Sequence[str], steps: int) -> Iterator[dict[str, Any]]:
    """gearscope's line of each case, then the others'."""
    for case in cases:
        ours = run("gearscope", sys.executable, folder, case, steps)
        yield ours
        for (of_case, name), bar in BARS.items():
            if of_case == case and name in pythons:
                theirs = run(name, pythons[name], folder, case, steps)
                faster = ours["tokens_per_second"] / theirs["tokens_per_second"]
                yield theirs | {"faster": faster, "bar": bar, "worse": ours["fvu"] / theirs["fvu"]}


def missed(line: dict[str, Any]) -> list[str]:
    """The bars that a line does not reach."""
    found = []
    if "bar" in line and line["faster"] < line["bar"]:
        found.append(f"{line['bar']}x faster")
    if "bar" in line and line["case"] != "live" and line["worse"] > FVU_BAR:
        found.append(f"FVU within {FVU_BAR - 1:.0%}")
    stored_sae = line["case"] in ("topk", "batchtopk")
    if line["trainer"] == "gearscope" and stored_sae and line["beyond_adam_mib"] > MEMORY_BAR:
        found.append(f"{MEMORY_BAR:.0f} MiB")
    return found


def row(line: dict[str, Any], rate: float) -> str:
    batch = 1024 if line["case"] == "clt" else 4096
    share = batch * encoder_cost(line["case"]) / rate / (line["ms"] / 1e3)
    ratio = f"{line['faster']:6.2f}x (bar {line['bar']:g}x)" if "bar" in line else " " * 17
    return (
        f"{line['case']:<10} {line['trainer']:<20} {line['tokens_per_second']:9,.0f} {line['ms']:8.1f} {ratio:<18}"
        f"{share:7.1%} {line['fvu']:9.4f} {line['extra_mib']:7.0f} {line['beyond_adam_mib']:7.0f}"
        f"  {'; '.join(missed(line)) or 'none'}"
    )


HEAD = (
    f"{'case':<10} {'trainer':<20} {'tokens/s':>9} {'ms/step':>8} {'gearscope is':<18}"
    f"{'of floor':>7} {'FVU':>9} {'MiB':>7} {'- Adam':>7}  bars missed"
)


def pythons_of(asked: argparse.Namespace) -> dict[str, str]:
    """A Python for each peer; environments that nobody named are made."""
    if asked.no_peers:
        return {}
    named = dict(given.split("=", 1) for given in asked.peer)
    wanted = {name for case, name in BARS if case in asked.only}
    return {
        name: named.get(name) or environment(Path("build") / name, pins, name, NOT_NEEDED.get(name, ()))
        for name, pins in PEERS.items()
        if name in wanted
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--steps", type=int, default=200, help="12 at least")
    parser.add_argument("--peer", action="append", default=[], help="NAME=PYTHON, again for more")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("build/training"), help="model and activations; 1.4 GB")
    asked = parser.parse_args()
    pythons = pythons_of(asked)
    make(asked.folder, {case: settings_of(case, asked.steps) for case in CASES})
    rate = product_rate()
    print(json.dumps({"multiply_adds_per_cpu_second": rate, "torch": version("torch")}), flush=True)
    found = []
    for line in lines(asked.folder, pythons, asked.only, asked.steps):
        found.append(line)
        print(json.dumps(line), flush=True)
    print("\n".join([HEAD, *(row(line, rate) for line in found)]))
    print(f"matrix products: {2 * rate / 1e9:.0f} GFLOP/s before, {2 * product_rate() / 1e9:.0f} after")
    sys.exit(any(missed(line) for line in found))


if __name__ == "__main__":
    main()
