"""Expansion: influence against a dense solution, order under a cap, and the honesty of what is left out."""

import numpy as np
import pytest
import torch

from gearscope.attribution import expand as expand_module
from gearscope.attribution import kept as kept_module
from gearscope.attribution import rows
from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.expand import expand
from gearscope.attribution.rows import RowMaker
from gearscope.attribution.targets import aims, salient_logits
from gearscope.graph.graph import AttributionGraph
from gearscope.models.model import wrap
from tests.oracles.planted_basis import plant
from tests.oracles.tiny_models import tiny

IDS = torch.tensor([0, 5, 2, 9, 4, 7])


@pytest.fixture(scope="module")
def case():
    prompt = wrap(tiny("gpt2", dtype=torch.float64, n_layers=3)).record(IDS)
    return prompt, plant(prompt, cross_layer=True), salient_logits(prompt, position=-1, probability=0.8, most=5)


def trace(case, **settings) -> AttributionGraph:
    prompt, replacement, targets = case
    names = [str(i) for i in IDS.tolist()]
    config = AttributionConfig(**settings)
    return attribute(prompt, replacement, targets, config, tokens=names, text="", model="tiny", basis="planted")


def test_influence_equals_the_dense_inverse(case) -> None:
    graph = trace(case, coverage=1.0)
    share = np.abs(graph.adjacency.toarray()).astype(np.float64)
    share /= np.maximum(share.sum(1, keepdims=True), 1e-300)
    weight = np.nan_to_num(graph.nodes.weight)
    weight /= weight.sum()
    dense = weight @ (np.linalg.inv(np.eye(len(share)) - share) - np.eye(len(share)))
    prompt, replacement, targets = case
    maker = RowMaker(prompt=prompt, replacement=replacement)
    weights = torch.tensor([t.weight for t in targets], dtype=torch.float64)
    expansion = expand(maker, aims(targets), weights, coverage=1.0, max_features=None)
    np.testing.assert_allclose(
        expansion.influence[expansion.expanded].numpy(), dense[graph.layout.features], rtol=1e-5, atol=1e-9
    )


@pytest.mark.parametrize("coverage", [0.3, 0.7, 0.95])
def test_coverage_is_kept(case, coverage: float) -> None:
    graph = trace(case, coverage=coverage)
    assert graph.scores.unexpanded <= 1 - coverage + 1e-9
    assert len(graph.nodes.ids) < len(trace(case, coverage=1.0).nodes.ids)


@pytest.mark.parametrize("dear", [1.0, 1e6])
def test_coverage_leaves_the_least_influence_for_the_length_of_a_row(
    case, monkeypatch: pytest.MonkeyPatch, dear: float
) -> None:
    monkeypatch.setattr(expand_module, "_ROW_COST", dear)
    prompt, replacement, targets = case
    maker, active = RowMaker(prompt=prompt, replacement=replacement), replacement.active
    weights = torch.tensor([t.weight for t in targets], dtype=torch.float64)
    expansion = expand(maker, aims(targets), weights, coverage=0.7, max_features=None)
    kept = torch.zeros(len(active), dtype=torch.bool)
    kept[expansion.expanded] = True
    worth = expansion.influence / (dear + 1 + active.position)
    mixed = 0
    for layer in active.layer.unique():
        here = active.layer == layer
        if kept[here].any() and not kept[here].all():
            mixed += 1
            assert worth[here & kept].min() >= worth[here & ~kept].max()
    assert mixed >= 2


@pytest.mark.parametrize("most", [1, 10, 60])
def test_cap_keeps_the_most_influential(case, most: int) -> None:
    prompt, replacement, targets = case
    maker = RowMaker(prompt=prompt, replacement=replacement)
    weights = torch.tensor([t.weight for t in targets], dtype=torch.float64)
    expansion = expand(maker, aims(targets), weights, coverage=1.0, max_features=most)
    kept = torch.zeros(len(replacement.active), dtype=torch.bool)
    kept[expansion.expanded] = True
    assert 0.8 * most <= int(kept.sum()) <= most
    assert expansion.influence[kept].min() >= expansion.influence[~kept].max()


@pytest.mark.parametrize("most", [5, 40])
def test_capped_interval_contains_the_uncapped_score(case, most: int) -> None:
    full, capped = trace(case, coverage=1.0).scores, trace(case, max_features=most).scores
    for score in ("replacement", "completeness"):
        for form in ("as_published", "without_constants", "constants_unexplained"):
            truth, interval = getattr(getattr(full, score), form), getattr(getattr(capped, score), form)
            assert interval.low - 1e-9 <= truth.low <= truth.high <= interval.high + 1e-9


def test_capped_rows_still_sum_to_their_values(case) -> None:
    assert np.nanmax(trace(case, max_features=20).row_error()) < 1e-6


@pytest.mark.parametrize("settings", [{"coverage": 0.9}, {"max_features": 20}])
def test_rows_that_do_not_fit_are_made_again(case, monkeypatch: pytest.MonkeyPatch, settings: dict) -> None:
    kept = trace(case, **settings)
    made = []
    monkeypatch.setattr(kept_module, "_ROW_BYTES", 0)
    from_rows = rows.RowMaker.from_feature_rows
    monkeypatch.setattr(
        rows.RowMaker, "from_feature_rows", lambda self, some, make: made.append(some) or from_rows(self, some, make)
    )
    again = trace(case, **settings)
    assert kept.nodes.ids == again.nodes.ids
    np.testing.assert_allclose(again.adjacency.toarray(), kept.adjacency.toarray(), rtol=1e-12, atol=1e-14)
    assert sum(len(some) for some in made) >= 2 * kept.layout.features.stop


@pytest.mark.parametrize("most", [10, 60])
def test_a_search_makes_no_row_twice(case, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    made = []
    from_rows = rows.RowMaker.from_feature_rows
    monkeypatch.setattr(
        rows.RowMaker, "from_feature_rows", lambda self, some, make: made.append(some) or from_rows(self, some, make)
    )
    graph = trace(case, max_features=most)
    numbers = torch.cat(made)
    assert len(numbers.unique()) == len(numbers)
    assert len(numbers) >= graph.layout.features.stop


def test_threads_change_nothing(case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_BLOCK_BYTES", 1)
    alone, before = trace(case, coverage=0.9), torch.get_num_threads()
    monkeypatch.setattr(rows, "_LONG", 0)
    torch.set_num_threads(3)
    try:
        together = trace(case, coverage=0.9)
    finally:
        torch.set_num_threads(before)
    assert together.nodes.ids == alone.nodes.ids
    np.testing.assert_allclose(together.adjacency.toarray(), alone.adjacency.toarray(), rtol=1e-10, atol=1e-12)


def test_chunking_changes_nothing(case, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trace(case, coverage=0.9)
    monkeypatch.setattr(rows, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(rows, "_SMALL_PRODUCT", 0)
    one_by_one = trace(case, coverage=0.9)
    assert whole.nodes.ids == one_by_one.nodes.ids
    difference = np.abs(whole.adjacency.toarray() - one_by_one.adjacency.toarray()).max()
    assert difference <= 1e-12 * np.abs(whole.adjacency.toarray()).max()
