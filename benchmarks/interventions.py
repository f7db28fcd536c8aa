"""Does the graph predict what ablating a feature does to another? `python benchmarks/interventions.py [--basis B]`

The rule, fixed before looking: 20 held-out prompts of the organism (8 sums, 6 chains of two facts, 6 couplets). In each
prompt's pruned graph the 10 strongest feature-to-feature edges by weight, and 10 other such edges at random, name
(source, target) pairs. The source is ablated (`*0`), the mode is constrained with MLPs held through the source's layer,
and the change of the target's value is compared over all pairs by rank correlation:

    all features    the response over all active features, what `intervene` prints as predicted
    one edge        minus the weight of the pair's edge
    kept edges      paths through the pruned graph's nodes and edges

each against the measured change and against that of a random other feature of the source's layer, written with equal
norm; norms live and held (`gearscope organism proof` has the table with norms that the prediction makes anew, resampled
and doubled features); by distance in layers, by kind of prompt, strong and random pairs apart. Prints one JSON
document.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gearscope.evaluation.agreement_of_pairs import PAIRS, PROMPTS, edges_of, prompts
from gearscope.graph.graph import AttributionGraph
from gearscope.interventions.agreement import sign_agreement, spearman
from gearscope.workbench import Workbench

CONTROL_SEEDS = (0, 1, 2)
SETTINGS: dict[str, dict[str, Any]] = {
    "constrained": {"mode": "constrained"},
    "constrained, norms held": {"mode": "constrained", "hold_norms": True},
    "free": {"mode": "free"},
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One ablation and one node that it may change."""

    prompt: int
    strong: bool
    distance: int
    one_edge: float
    kept_edges: float
    all_features: float
    measured: float
    controls: tuple[float, ...]
    """One draw per seed."""


def along_kept_edges(graph: AttributionGraph, source: int) -> np.ndarray:
    """Changes of all values when the source goes to zero, through features of higher layers in the pruned graph."""
    nodes, change = graph.nodes, np.zeros(len(graph.nodes))
    direct = -graph.adjacency[:, [source]].toarray()[:, 0]
    layer = nodes.layer[source]
    relative = np.zeros(len(nodes))
    features = np.arange(graph.layout.features.stop)
    for at in range(int(layer) + 1, int(nodes.layer[features].max()) + 1):
        rows = features[nodes.layer[features] == at]
        change[rows] = direct[rows] + graph.adjacency[rows] @ relative
        relative[rows] = change[rows] / nodes.value[rows]
    return change


def measure(
    bench: Workbench,
    graphs: Sequence[AttributionGraph],
    setting: dict[str, Any],
    seeds: Sequence[int] = CONTROL_SEEDS,
    most: int = PAIRS,
) -> list[Pair]:
    """All pairs of all prompts under one setting."""
    pairs = []
    for number, graph in enumerate(graphs):
        nodes = graph.nodes
        for target, source, strong in edges_of(graph, number, most):
            edit = f"{nodes.layer[source]}/{nodes.index[source]}@{nodes.position[source]}*0"
            runs = [bench.intervene(graph, [edit], controls=1, seed=seed, **setting) for seed in seeds]
            rows = [next(row for row in run.nodes if row.node_id == nodes.ids[target]) for run in runs]
            pairs.append(
                Pair(
                    prompt=number,
                    strong=strong,
                    distance=int(nodes.layer[target] - nodes.layer[source]),
                    one_edge=-float(graph.adjacency[target, source]),
                    kept_edges=float(along_kept_edges(graph, source)[target]),
                    all_features=rows[0].predicted,
                    measured=rows[0].measured,
                    controls=tuple(row.control for row in rows),
                )
            )
    return pairs


def report(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The figures of some pairs."""
    measured = np.array([pair.measured for pair in pairs])
    controls = np.array([pair.controls for pair in pairs])
    found: dict[str, Any] = {"pairs": len(pairs)}
    for name in ("all_features", "kept_edges", "one_edge"):
        predicted = np.array([getattr(pair, name) for pair in pairs])
        ranks = [spearman(predicted, controls[:, i]) or 0.0 for i in range(controls.shape[1])]
        found[name] = {
            "spearman": spearman(predicted, measured),
            "signs": sign_agreement(predicted, measured),
            "spearman_control": [float(np.mean(ranks)), float(np.std(ranks, ddof=int(len(ranks) > 1)))],
        }
    found["mean_size"] = {"measured": float(np.abs(measured).mean()), "control": float(np.abs(controls).mean())}
    return found


def main() -> None:
    """Trace, ablate, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--basis", default="neurons")
    parser.add_argument("--setting", choices=SETTINGS, action="append")
    chosen = parser.parse_args()
    begin = time.perf_counter()
    bench = Workbench.open(basis=chosen.basis)
    graphs = [bench.trace(prompt) for some in prompts().values() for prompt in some]
    kinds = [name for name, count in PROMPTS.items() for _ in range(count)]
    parts: dict[str, Callable[[Pair], bool]] = {
        "all": lambda pair: True,
        "strong": lambda pair: pair.strong,
        "random": lambda pair: not pair.strong,
        **{name: lambda pair, name=name: kinds[pair.prompt] == name for name in PROMPTS},
        **{f"{d} layers on": lambda pair, d=d: pair.distance == d for d in range(1, bench.model.n_layers)},
    }
    results = {}
    for name in chosen.setting or SETTINGS:
        pairs = measure(bench, graphs, SETTINGS[name])
        results[name] = {part: report([p for p in pairs if keep(p)]) for part, keep in parts.items()}
    seconds = time.perf_counter() - begin
    print(json.dumps({"basis": chosen.basis, "prompts": len(graphs), "seconds": seconds, "results": results}, indent=1))


if __name__ == "__main__":
    main()
