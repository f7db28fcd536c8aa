"""Slopes of neurons against finite differences, of the running model and of its frozen linear map."""

import numpy as np
import pytest
import torch

from gearscope.errors import ConfigError
from gearscope.evaluation.patching import graph_slopes, measure_patching, patched, pearson, tangent_slopes
from gearscope.ids import SiteId
from gearscope.interventions.response import respond
from gearscope.models.hooks import Frozen
from gearscope.models.sites import Edit
from gearscope.organism.truth.registry import variable_named
from gearscope.workbench import Workbench

IDS = (1, 20, 40, 7, 99, 12)
ANSWERS = (30, 50)


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench.open(dtype="float64")


def test_the_tangent_is_the_slope_of_the_running_model(bench: Workbench) -> None:
    model, record = bench.model, bench.model.record(torch.tensor(IDS))
    slopes = tangent_slopes(model, record, ANSWERS)
    step = 2e-2  # transformers rounds norms to 32 bits
    freeze = Frozen(record=record, norms=False, mlp_layers=())
    for layer, position, neuron in ((0, 2, 5), (1, 3, 100), (3, 5, 7)):

        def moved(by: float) -> float:
            added = torch.zeros(len(IDS), 480, dtype=torch.float64)
            added[position, neuron] = by  # noqa: B023 - called at once
            edit = Edit(site=SiteId(layer, "mlp_act"), value=added, mode="add")  # noqa: B023
            logits = model.run(torch.tensor(IDS), edits=[edit], freeze=freeze).logits[-1]
            return float(logits[ANSWERS[0]] - logits[ANSWERS[1]])

        wanted = (moved(step) - moved(-step)) / (2 * step)
        assert float(slopes[layer, position, neuron]) == pytest.approx(wanted, rel=1e-2, abs=1e-6)


def test_the_graphs_slope_is_its_linear_response(bench: Workbench) -> None:
    """The sweep back is the transpose of the prediction's sweep forward."""
    record = bench.model.record(torch.tensor(IDS))
    mlps = [bench.model.neurons(layer) for layer in range(bench.model.n_layers)]
    slopes, replacement = graph_slopes(record, mlps, ANSWERS), bench.replace(record)
    read = record.W_U[ANSWERS[0]] - record.W_U[ANSWERS[1]]
    for layer, position, neuron in ((0, 2, 5), (1, 3, 100), (3, 5, 7)):
        written = torch.zeros(4, len(IDS), 128, dtype=torch.float64)
        written[layer, position] = mlps[layer].rows(torch.tensor([neuron])).W_out[0]
        response = respond(record, replacement, written, range(layer + 1))
        assert float(slopes[layer, position, neuron]) == pytest.approx(float(read @ response.final_in[-1]), rel=1e-6)


def test_a_pairs_effect_is_that_of_patching_one_neuron(bench: Workbench) -> None:
    swap = variable_named("two_hops/state").swaps()[0]
    one, again = (patched(bench.model, swap, 40, seed=3) for _ in range(2))
    assert one is not None
    assert again is not None
    for name, effect in one.effect.items():
        assert effect.tolist() == again.effect[name].tolist()
        assert len(effect) == 40
    assert {len(values) for values in one.attribution.values()} == {40}


def test_rows_are_for_every_rule_and_every_way_of_holding(bench: Workbench) -> None:
    rows = measure_patching(bench, pairs=1, neurons=60, variables=("names/known",))
    assert [(row.variable, row.attribution, row.held) for row in rows] == [
        (title, rule, held)
        for title in ("names/known", "all")
        for rule in ("graph", "tangent")
        for held in ("nothing", "attention and norms")
    ]
    assert all(row.pairs == 1 and row.neurons == 60 for row in rows)
    assert rows[2].pearson is not None
    assert rows[2].pearson > 0.5
    with pytest.raises(ConfigError, match="a variable was expected"):
        measure_patching(bench, variables=("nonsense",))


@pytest.mark.parametrize(("x", "wanted"), [((1, 2, 3), 1.0), ((3, 2, 1), -1.0), ((1, 1, 1), None), ((1, 2), None)])
def test_correlation(x: tuple[int, ...], wanted: float | None) -> None:
    y = np.arange(len(x), dtype=float)
    assert pearson(np.array(x, dtype=float), y) == (wanted if wanted is None else pytest.approx(wanted))
