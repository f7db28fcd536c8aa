"""Figures by position add up to the figures of all, and find the positions that are written badly."""

import pytest
import torch

from gearscope.dictionaries.fidelity import FidelitySums
from gearscope.evaluation.positions import PositionSums, spans
from tests.oracles.planted_dictionaries import Plan, plant_set

CONTEXT, WIDTH = 9, 16
SITES = [f"blocks.{layer}.{site}" for layer in range(2) for site in ("mlp_in", "mlp_out")]


def acts(n_windows: int, seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {site: torch.randn(n_windows * (CONTEXT - 1), WIDTH, generator=draw) for site in SITES}


@pytest.mark.parametrize("context", [2, 3, 8, 9, 64, 65, 128])
def test_spans_double_and_hold_every_position_but_the_first_once(context):
    found = spans(context)
    assert [position for span in found for position in span] == list(range(1, context))
    assert [span.start for span in found] == [1 << power for power in range(len(found))]
    assert len(found) <= 7


def test_weighted_by_what_there_is_to_write_they_are_the_whole():
    dictionaries, _ = plant_set(Plan(cross_layer=True, write_form="site"), 2, WIDTH, dtype=torch.float32)
    sums, by_position = FidelitySums(dictionaries), PositionSums(dictionaries, CONTEXT)
    parts = [acts(3, 0), acts(2, 1)]
    for part in parts:
        by_position.add(part, sums.add(part))
    whole, each = sums.result(), by_position.result([range(p, p + 1) for p in range(1, CONTEXT)])
    (all_of_it,) = by_position.result([range(1, CONTEXT)])
    assert all_of_it.nmse == pytest.approx(whole.nmse, rel=1e-6)
    assert all_of_it.l0 == pytest.approx([features.l0 for features in whole.features])
    for site in whole.nmse:
        y = torch.cat([part[site].unflatten(0, (-1, CONTEXT - 1)) for part in parts]).double()
        weights = (y - y.mean((0, 1))).square().sum((0, 2))
        errors = torch.tensor([one.nmse[site] for one in each], dtype=torch.float64)
        assert float((errors * weights).sum() / weights.sum()) == pytest.approx(whole.nmse[site], rel=1e-6)


def test_a_position_that_is_written_badly_stands_out():
    dictionaries, _ = plant_set(Plan(write_form="site"), 2, WIDTH, dtype=torch.float32)
    part = acts(4, 0)
    sums, by_position = FidelitySums(dictionaries), PositionSums(dictionaries, CONTEXT)
    added = sums.add(part)
    exact = {site: torch.zeros_like(left) for site, left in added.left.items()}
    for left in exact.values():
        left.unflatten(0, (-1, CONTEXT - 1))[:, 4] = 1.0  # position 5
    by_position.add(part, added._replace(left=exact))
    found = by_position.result(spans(CONTEXT))
    assert [{site: error > 0 for site, error in one.nmse.items()} for one in found] == [
        dict.fromkeys(exact, span.start <= 5 < span.stop) for span in spans(CONTEXT)
    ]
