"""Time and memory against the length of the prompt."""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from measure import resident
from random_circuits import Size, calibrated, random_dictionaries, random_model

SMALL = Size(layers=4, width=128, heads=4, key_value_heads=4, mlp=512, vocabulary=1000)
GPT2 = Size(layers=12, width=768, heads=12, key_value_heads=12, mlp=3072, vocabulary=50257)
CASES = {"small": ("llama", SMALL, 4096), "gpt2": ("gpt2", GPT2, 16384)}


def one(name, tokens, coverage, active, **more):
    from gearscope.attribution.attribute import attribute
    from gearscope.attribution.config import AttributionConfig
    from gearscope.attribution.targets import salient_logits
    from gearscope.dictionaries.store import read_dictionaries, write_as
    from gearscope.graph.prune import prune
    from gearscope.models.load import open_model
    from gearscope.replacement.coded import coded_replacement
    family, size, features = CASES[name]
    folder = Path("build/scaling")
    model, coder = folder / name, folder / f"{name}-{active}"
    if not model.exists():
        random_model(family, model, size)
    if not coder.exists():
        write_as(coder, calibrated(random_dictionaries(size, features), model, active), "circuit-tracer")
    opened, dictionaries = open_model(model), read_dictionaries(coder)
    draw = torch.Generator().manual_seed(tokens)
    ids = torch.cat([torch.zeros(1, dtype=torch.int64), torch.randint(1, size.vocabulary, (tokens - 1,), generator=draw)])
    begin, cpu = time.perf_counter(), time.process_time()
    loaded = resident("VmHWM")
    with torch.inference_mode():
        prompt = opened.record(ids)
        rep = coded_replacement(prompt, dictionaries)
        print("replaced", time.process_time() - cpu, resident("VmHWM"), len(rep.active), flush=True)
        config = AttributionConfig.of(coverage=coverage, **more)
        targets = salient_logits(prompt, position=-1, probability=0.95, most=10)
        graph = attribute(prompt, rep, targets, config, tokens=[str(i) for i in ids.tolist()], text="", model=name, basis="plt", progress=lambda *x: print(x, time.process_time() - cpu, resident("VmHWM"), flush=True))
        print("traced", time.process_time() - cpu, resident("VmHWM"), flush=True)
        pruned = prune(graph)
    print(json.dumps({"tokens": tokens, "active": len(rep.active), "expanded": graph.details["expanded_features"], "nnz": graph.adjacency.nnz, "unexpanded": graph.scores.unexpanded,
       "cpu": time.process_time() - cpu, "seconds": time.perf_counter() - begin, "loaded": loaded, "peak": resident("VmHWM"), "pruned": len(pruned.nodes), "pruned_edges": pruned.adjacency.nnz,
       "scores": str(graph.scores)}))

one(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
