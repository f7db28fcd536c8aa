"""How long proving a circuit takes on the bundled model: `python benchmarks/proof.py [--basis B] [--repeats N]`

CPU seconds, the median of repeats, for one sum of 7 tokens and one couplet of 32: a validation of 30 groups (540 edited
runs with their controls, twice: norms held and live), a redundancy sweep (154 runs), a search for gates, and five
errors opened (dictionaries only). The bar is 60 seconds for the validation. Prints one JSON document.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from gearscope.evaluation.agreement_of_pairs import prompts
from gearscope.interventions.gates import find_gates
from gearscope.interventions.redundancy import sweep
from gearscope.workbench import Workbench


def seconds(run: Callable[[], Any], repeats: int) -> float:
    """The median CPU time of a call."""
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        run()
        taken.append(time.process_time() - begin)
    return statistics.median(taken)


def main() -> None:
    """Trace, prove, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--basis", action="append")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    asked = {name: some[0] for name, some in prompts({"addition": 1, "rhyme": 1}).items()}
    found: dict[str, dict[str, Any]] = {}
    for basis in chosen.basis or ("neurons", "plt", "clt"):
        bench = Workbench.open(basis=basis)
        for name, prompt in asked.items():
            graph = bench.trace(prompt)
            scene = bench.scene(graph)
            jobs: dict[str, Callable[[], Any]] = {
                "validate": lambda bench=bench, graph=graph: bench.validate(graph, top=30),
                "redundancy": lambda scene=scene: sweep(scene),
                "gates": lambda scene=scene: find_gates(scene),
            }
            if scene.replacement.error is not None:
                jobs["open errors"] = lambda bench=bench, prompt=prompt: bench.trace(
                    prompt, everything=True, open_errors=5
                )
            row: dict[str, Any] = {"tokens": len(graph.tokens), "features": graph.layout.features.stop}
            found[f"{basis}, {name}"] = row | {job: seconds(run, chosen.repeats) for job, run in jobs.items()}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
