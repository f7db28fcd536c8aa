"""Runs gearscope in a process of its own: one case in, its matrix and what it cost out, as `circuit_tracer_matrix.py`.

    python benchmarks/gearscope_matrix.py MODEL DICTIONARIES OUT.npz ID ID ID ... [--max-features=N]

Measured is what a user waits for once everything is loaded: from the tokens to the matrix and the pruned graph. Mapped
weights are touched before, so that they count as loaded here as they do there. The last line printed is JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from measure import Measured

from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.targets import salient_logits
from gearscope.dictionaries.store import read_dictionaries
from gearscope.graph.prune import prune
from gearscope.models.load import open_model
from gearscope.replacement.coded import coded_replacement


def main(model: str, coder: str, out: str, *rest: str) -> None:
    ids = torch.tensor([int(i) for i in rest if not i.startswith("--")])
    most = next((int(option.partition("=")[2]) for option in rest if option.startswith("--max-features=")), None)
    config = AttributionConfig.of(coverage=1.0, max_features=most)
    opened, dictionaries = open_model(model), read_dictionaries(Path(coder))
    for dictionary in dictionaries.dictionaries:
        for tensor in dictionary.tensors().values():
            tensor.sum()
    tokens = [str(i) for i in ids.tolist()]
    with Measured() as measured, torch.inference_mode():
        prompt = opened.record(ids)
        replacement = coded_replacement(prompt, dictionaries)
        measured.mark("replace")
        targets = salient_logits(prompt, position=-1, probability=config.target_probability, most=config.max_targets)
        graph = attribute(prompt, replacement, targets, config, tokens=tokens, text="", model=model, basis=coder)
        measured.mark("trace")
        pruned = prune(graph)
        measured.mark("prune")
    active, nodes, layout = replacement.active, graph.nodes, graph.layout
    np.savez(
        out,
        active=torch.stack([active.layer, active.position, active.index], dim=1).numpy(),
        rows=np.stack([nodes.layer, nodes.position, nodes.index], axis=1)[layout.features],
        errors=np.stack([nodes.layer, nodes.position], axis=1)[layout.errors],
        targets=nodes.index[layout.targets],
        data=graph.adjacency.data,
        indices=graph.adjacency.indices,
        indptr=graph.adjacency.indptr,
        kept_features=np.array(len(pruned.nodes.ids[pruned.layout.features])),
        first_of=np.array([layout.errors.start, layout.tokens.start, layout.targets.start]),
        worst_row_error=np.nanmax(graph.row_error()),
    )
    print(json.dumps(measured.found()))


if __name__ == "__main__":
    main(*sys.argv[1:])
