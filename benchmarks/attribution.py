"""Attribution beside circuit-tracer: `python benchmarks/attribution.py [--case NAME ...] [--peer-python PYTHON]`

The same random models, random transcoders (about 50 active features per token and layer) and 16 random tokens go
through both programs, each in its own environment and process, one after the other, on one thread. Measured is the
process' CPU time and its extra peak memory from the tokens to the matrix and the pruned graph, models and transcoders
loaded before.

    S-plt, S-clt    Llama, 4 layers, d = 128, all features as targets
    B-plt, B-clt    GPT-2, 12 layers, d = 768, the 512 (256) most influential features as targets
    B-plt-all       B-plt with all features as targets, against the floor; circuit-tracer too with --peer-on-all

All take about four minutes (with --peer-on-all ten), after circuit-tracer's environment and the models were made.

The floor is the multiply-adds of the rows of the graph (`measure.row_cost`; every source that a row meets counted once
for each layer it writes to below the target) at the speed of one large matrix product in this process. Rows of
features that cannot reach a target are not made here; circuit-tracer makes them, so both numbers of rows are shown.
Matrices are compared over the features that have a row in both, all errors, tokens and targets. Exit code 1 when a bar
is missed or matrices differ.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import product_rate, row_cost
from peer import PEER_FOLDER, peer_python, run_matrix, run_peer
from random_circuits import Size, calibrated, random_dictionaries, random_model

from gearscope.dictionaries.store import write_as

SMALL = Size(layers=4, width=128, heads=4, key_value_heads=4, mlp=512, vocabulary=1000)
GPT2 = Size(layers=12, width=768, heads=12, key_value_heads=12, mlp=3072, vocabulary=50257)
TOKENS, ACTIVE = 16, 50
MEMORY_BAR, FLOOR_BAR, TOLERANCE = 2.0, 1.5, 1e-4
OURS = Path(__file__).with_name("gearscope_matrix.py")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison. `faster` is the bar on CPU time; None where the bar is the floor."""

    family: str
    size: Size
    features: int
    cross_layer: bool
    most: int | None
    faster: float | None

    @property
    def kind(self) -> str:
        return "clt" if self.cross_layer else "plt"


CASES = {
    "S-plt": Case(family="llama", size=SMALL, features=4096, cross_layer=False, most=None, faster=7),
    "S-clt": Case(family="llama", size=SMALL, features=4096, cross_layer=True, most=None, faster=12),
    "B-plt": Case(family="gpt2", size=GPT2, features=16384, cross_layer=False, most=512, faster=7),
    "B-clt": Case(family="gpt2", size=GPT2, features=4096, cross_layer=True, most=256, faster=12),
    "B-plt-all": Case(family="gpt2", size=GPT2, features=16384, cross_layer=False, most=None, faster=None),
}


def made(case: Case, folder: Path) -> tuple[Path, Path]:
    """The folders of a case's model and dictionaries, made at the first use."""
    model = folder / case.family
    coder = folder / f"{case.family}-{case.kind}"
    if not model.exists():
        random_model(case.family, model, case.size)
    if not coder.exists():
        drawn = random_dictionaries(case.size, case.features, cross_layer=case.cross_layer)
        write_as(coder, calibrated(drawn, model, ACTIVE), "circuit-tracer")
    return model, coder


def floor_cost(case: Case, found: dict[str, np.ndarray]) -> int:
    """Multiply-adds of the rows of features and targets over all active features."""
    here = np.zeros((case.size.layers, TOKENS), dtype=int)
    np.add.at(here, (found["active"][:, 0], found["active"][:, 1]), 1)
    seen = here.cumsum(1)
    """[l, p]: active features of layer l at positions up to p."""
    rows = [(int(layer), int(position)) for layer, position, _ in found["rows"]]
    rows += [(case.size.layers, TOKENS - 1)] * len(found["targets"])
    cost = 0
    for layer, position in rows:
        below = seen[:layer, position]
        writes = np.arange(layer, 0, -1) if case.cross_layer else np.ones(layer, dtype=int)
        inside = row_cost(min(layer, case.size.layers - 1), position, int(below @ writes), case.size.width)
        cost += inside
    return cost


def our_matrix(found: dict[str, np.ndarray]) -> np.ndarray:
    """The stored sparse matrix, dense."""
    counts = np.diff(found["indptr"])
    dense = np.zeros((len(counts), len(counts)), dtype=np.float32)
    dense[np.repeat(np.arange(len(counts)), counts), found["indices"]] = found["data"]
    return dense


def compared(case: Case, ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> dict[str, Any]:
    """How far the matrices are apart, over what both have."""
    chosen = theirs["active"][theirs["selected"]]
    where = {tuple(place): number for number, place in enumerate(chosen.tolist())}
    pairs = [(n, where[place]) for n, place in enumerate(map(tuple, ours["rows"].tolist())) if place in where]
    mine, yours = (np.array(side, dtype=int) for side in zip(*pairs, strict=True))
    errors, tokens, targets = ours["first_of"].tolist()
    n_errors = case.size.layers * TOKENS
    their_leaf = len(chosen) + n_errors
    our_sources = np.concatenate([mine, np.arange(errors, tokens), tokens + np.arange(TOKENS)])
    at_errors = len(chosen) + ours["errors"] @ np.array([TOKENS, 1])
    their_sources = np.concatenate([yours, at_errors, their_leaf + np.arange(TOKENS)])
    same_targets = bool(np.array_equal(ours["targets"], theirs["targets"]))
    our_rows = np.concatenate([mine, targets + np.arange(len(ours["targets"]) if same_targets else 0)])
    their_rows = np.concatenate([yours, their_leaf + TOKENS + np.arange(len(our_rows) - len(mine))])
    theirs_there = theirs["adjacency"][np.ix_(their_rows, their_sources)]
    difference = our_matrix(ours)[np.ix_(our_rows, our_sources)] - theirs_there
    return {
        "common_features": len(pairs),
        "same_targets": same_targets,
        "largest_entry": float(np.abs(theirs_there).max()),
        "largest_difference": float(np.abs(difference).max()),
    }


def compare(name: str, folder: Path, peer: str | None, rate: float) -> dict[str, Any]:
    """Both programs on one case."""
    case = CASES[name]
    model, coder = made(case, folder)
    ids = [
        0,
        *torch.randint(1, case.size.vocabulary, (TOKENS - 1,), generator=torch.Generator().manual_seed(2)).tolist(),
    ]
    ours, our_cost = run_matrix(sys.executable, OURS, model, coder, folder / "ours.npz", ids, case.most)
    floor = floor_cost(case, ours)
    line: dict[str, Any] = {
        "case": name,
        "active": len(ours["active"]),
        "rows": len(ours["rows"]),
        "ours": our_cost,
        "floor_gmac": floor / 1e9,
        "floor_seconds": floor / rate,
        "over_floor": our_cost["cpu_seconds"] / (floor / rate),
        "worst_row_error": float(ours["worst_row_error"]),
    }
    missed = []
    if peer is not None:
        theirs, their_cost = run_peer(peer, model, coder, folder / "theirs.npz", ids, case.most)
        times = their_cost["cpu_seconds"] / our_cost["cpu_seconds"]
        memory = their_cost["extra_mib"] / our_cost["extra_mib"]
        line |= {"circuit_tracer": their_cost, "circuit_tracer_rows": len(theirs["selected"])}
        line |= {"faster": times, "leaner": memory} | compared(case, ours, theirs)
        missed += [f"{case.faster}x faster"] if case.faster is not None and times < case.faster else []
        missed += [f"{MEMORY_BAR}x less memory"] if memory < MEMORY_BAR else []
        missed += ["matrices"] if not line["largest_difference"] <= TOLERANCE or not line["same_targets"] else []
    if case.faster is None and line["over_floor"] > FLOOR_BAR:
        missed.append(f"within {FLOOR_BAR}x of the floor")
    return line | {"missed": missed}


def table(lines: Sequence[dict[str, Any]]) -> str:
    """One row per case."""
    head = "case       rows (theirs)  CPU s  theirs   ratio  floor s  /floor  MiB  theirs   ratio  difference  missed"
    shown = [head]
    for line in lines:
        ours, theirs = line["ours"], line.get("circuit_tracer")
        cells = [f"{line['case']:10}", f"{line['rows']:5}"]
        cells += [f"({line['circuit_tracer_rows']:5})" if theirs else " " * 7, f"{ours['cpu_seconds']:8.2f}"]
        cells += [f"{theirs['cpu_seconds']:7.1f} {line['faster']:6.1f}x" if theirs else " " * 15]
        cells += [f"{line['floor_seconds']:8.2f} {line['over_floor']:7.2f} {ours['extra_mib']:6.0f}"]
        cells += [f"{theirs['extra_mib']:6.0f} {line['leaner']:6.1f}x" if theirs else " " * 14]
        cells += [f"{line['largest_difference']:10.1e}" if theirs else " " * 10, "; ".join(line["missed"]) or "none"]
        shown.append(" ".join(cells))
    return "\n".join(shown)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="attribution beside circuit-tracer")
    parser.add_argument("--case", action="append", choices=list(CASES), help="again for more; default: all")
    parser.add_argument("--folder", type=Path, default=Path("build/attribution"), help="random models; 4 GB")
    parser.add_argument("--peer-folder", type=Path, default=PEER_FOLDER, help="circuit-tracer's environment; 1.5 GB")
    parser.add_argument("--peer-python", help="a Python that has circuit-tracer, instead")
    parser.add_argument("--no-peer", action="store_true", help="only ours, against the floor")
    parser.add_argument("--peer-on-all", action="store_true", help="circuit-tracer on B-plt-all too")
    chosen = parser.parse_args(arguments)
    peer = None if chosen.no_peer else chosen.peer_python or peer_python(chosen.peer_folder)
    rate = product_rate()
    print(json.dumps({"multiply_adds_per_cpu_second": rate}), flush=True)
    lines = []
    for name in chosen.case or CASES:
        beside = peer if CASES[name].faster is not None or chosen.peer_on_all else None
        lines.append(compare(name, chosen.folder, beside, rate))
        print(json.dumps(lines[-1]), flush=True)
    print(table(lines))
    sys.exit(any(line["missed"] for line in lines))


if __name__ == "__main__":
    main(sys.argv[1:])
