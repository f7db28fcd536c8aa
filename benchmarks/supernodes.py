"""CPU seconds of supernodes, mean circuits and weights over text on the bundled model, a line of JSON for each.

python benchmarks/supernodes.py [BASIS ...]        neurons, plt and clt by default

group      a chain of two facts, traced and pruned by default: all of `Workbench.group`, and the ablations alone
average    per prompt, over 20 sums, tracing included
"""

import json
import sys

import numpy as np
from measure import Measured

from gearscope.supernodes.config import GroupConfig
from gearscope.supernodes.effects import ablations
from gearscope.workbench import Workbench

CHAIN = "the capital of the state containing oak land is"
SUMS = [f"calc : {a} + {b} =" for a in range(30, 34) for b in range(50, 55)]


def measure(basis: str) -> dict[str, float | str | int]:
    """One basis."""
    bench = Workbench.open(basis=basis)
    graph = bench.trace(CHAIN)
    features = np.arange(graph.layout.features.start, graph.layout.features.stop)
    scene = bench.scene(graph)
    with Measured() as measured:
        ablations(scene, features, GroupConfig().tokens)
        measured.mark("ablations")
        bench.group(graph)
        measured.mark("group")
        bench.average(SUMS)
        measured.mark("average")
    found = measured.found()
    return {
        "basis": basis,
        "features": len(features),
        "ablations": found["ablations"],
        "group": found["group"],
        "average_per_prompt": found["average"] / len(SUMS),
    }


if __name__ == "__main__":
    for name in sys.argv[1:] or ["neurons", "plt", "clt"]:
        print(json.dumps(measure(name)))
