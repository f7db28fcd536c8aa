"""Known circuits: transformers compiled by hand must give back exactly the edges they were compiled from."""

import itertools

import numpy as np
import pytest
import torch

from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.targets import salient_logits
from gearscope.graph.graph import AttributionGraph
from gearscope.models.model import wrap
from gearscope.replacement.neurons import neuron_replacement
from tests.oracles.compiled import Compiled, N, compile_gpt2, compile_llama

CASES = list(itertools.product((compile_gpt2, compile_llama), ("table", "hops"), range(3)))
LEAST = 1e-3
"""An edge is one that carries at least this share of its target's row."""


def trace(compiled: Compiled, a: int, b: int) -> AttributionGraph:
    model, ids = wrap(compiled.model), compiled.prompt(a, b)
    prompt = model.record(ids)
    mlps = [model.neurons(layer) for layer in range(model.n_layers)]
    targets = salient_logits(prompt, position=-1, probability=0.9, most=10)
    names = [str(i) for i in ids.tolist()]
    config = AttributionConfig(coverage=1.0)
    return attribute(
        prompt,
        neuron_replacement(prompt, mlps),
        targets,
        config,
        tokens=names,
        text="",
        model="compiled",
        basis="neurons",
    )


def edges(graph: AttributionGraph) -> set[tuple[str, str]]:
    """Edges of the graph that carry something, between nodes that are not constants, seen from the target."""
    constants, ids = range(graph.layout.constants.start, graph.layout.constants.stop), graph.nodes.ids
    share = np.abs(graph.adjacency.toarray()) / np.maximum(graph.row_mass(), 1e-30)[:, None]
    found, open_rows = set(), set(range(graph.layout.targets.start, graph.layout.targets.stop))
    seen = set(open_rows)
    while open_rows:
        row = open_rows.pop()
        for source in np.flatnonzero(share[row] > LEAST).tolist():
            if source not in constants:
                found.add((ids[row], ids[source]))
            if source not in seen:
                seen.add(source)
                open_rows.add(source)
    return found


@pytest.mark.parametrize(("compiler", "program", "seed"), CASES)
def test_edges_are_the_compiled_ones(compiler, program: str, seed: int, record_property) -> None:
    compiled = compiler(program, seed)
    hits = wrong = missed = 0
    for a, b in itertools.product(range(N), range(N)):
        with torch.no_grad():
            answer = int(compiled.model(compiled.prompt(a, b)[None]).logits[0, -1].argmax())
        assert answer == compiled.answer(a, b), "the compiled model does not run its program"
        found, truth = edges(trace(compiled, a, b)), compiled.truth(a, b)
        hits, wrong, missed = hits + len(found & truth), wrong + len(found - truth), missed + len(truth - found)
    f1 = 2 * hits / (2 * hits + wrong + missed)
    record_property("edge_f1", f1)
    assert f1 >= 0.98, f"{hits} right, {wrong} false, {missed} missed"


def test_weights_are_the_compiled_ones() -> None:
    """Neuron (i, j) of `table` sums A_i + B_j − 1.5 c: 1 + 1 − 1.5 in units of the norm's scale."""
    graph = trace(compile_gpt2("table", 0), 2, 3)
    neuron = f"0_{2 * N + 3}_3"
    value = graph.nodes.value[graph.find(neuron)]
    assert graph.edge(neuron, f"E_{1 + 2}_1") == pytest.approx(2 * value, rel=1e-3)
    assert graph.edge(neuron, f"E_{1 + N + 3}_2") == pytest.approx(2 * value, rel=1e-3)
    assert graph.edge(neuron, "position_3") == pytest.approx(-3 * value, rel=1e-3)
