"""How long a first look takes: `make bench`, or `python benchmarks/neurons.py`.

    organism    a fresh process, from the end of the imports to the first finished graph of the demo's prompt
    gpt2-size   a random GPT-2 (12 layers, d = 768) and 32 random tokens on the neuron basis (the 64 neurons that write
                most per token and layer; the others are one node each, reported as `other neurons`), expanded until at
                most 20 % of the influence ends in features without a row

Beside each time stands the floor: the multiplications that the rows need, at the speed of one large matrix product
measured in the same process. Peak memory is that of the whole process, model included.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

from measure import product_rate, row_cost

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

FIRST_GRAPH = """
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import json, resource, time
import transformers.models.llama.modeling_llama
from gearscope.workbench import Workbench
begin, cpu = time.perf_counter(), time.process_time()
graph = Workbench.open().trace("calc : 36 + 59 =")
seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak, "nodes": len(graph.nodes),
                  "expanded": graph.details["expanded_features"], "active": graph.details["active_features"]}))
"""


def first_graph() -> dict[str, float]:
    """The demo's graph in a process of its own."""
    done = subprocess.run([sys.executable, "-c", FIRST_GRAPH], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def gpt2_size(tokens: int = 32, coverage: float = 0.8) -> dict[str, float]:
    """A GPT-2-size random model on the neuron basis."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from gearscope.models.model import wrap
    from gearscope.workbench import Workbench

    torch.manual_seed(0)
    bench = Workbench(wrap(GPT2LMHeadModel(GPT2Config()).eval()), name="random gpt2-size")
    ids = torch.randint(50_000, (tokens,), generator=torch.Generator().manual_seed(0)).tolist()
    rate = product_rate()
    begin, cpu = time.perf_counter(), time.process_time()
    graph = bench.trace(ids, coverage=coverage, everything=True)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    assert graph.scores is not None
    nodes, features = graph.nodes, graph.layout.features
    per_place = graph.details["active_features"] / (12 * (tokens - 1))
    rows = zip(nodes.layer[features].tolist(), nodes.position[features].tolist(), strict=True)
    cost = sum(row_cost(layer, position, int(layer * position * per_place), 768) for layer, position in rows)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "floor_seconds": cost / rate,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "active": graph.details["active_features"],
        "expanded": graph.details["expanded_features"],
        "unexpanded_share": graph.scores.unexpanded,
        "other_neurons_share": graph.scores.ends["error"],
        "worst_row_error": float(max(graph.row_error()[features])),
    }


def main(arguments: Sequence[str]) -> None:
    """Print one JSON line per case."""
    cases = {"organism": first_graph, "gpt2-size": gpt2_size}
    for name in arguments or cases:
        print(json.dumps({"case": name} | {key: round(value, 4) for key, value in cases[name]().items()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
