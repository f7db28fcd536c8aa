"""Long prompts: what is not stored is counted, scores are those of whole rows, and what will not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.attribution import kept as kept_rows
from gearscope.attribution import rows
from gearscope.attribution.attribute import attribute, resolved_tolerance
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.kept import RowStore, StrongRows, WholeRows
from gearscope.attribution.memory import record_bytes
from gearscope.attribution.rows import RowMaker
from gearscope.attribution.targets import aims, salient_logits
from gearscope.errors import PromptError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.prune import prune
from gearscope.graph.scores import Forms
from gearscope.ids import FeatureAt
from gearscope.models import frozen
from gearscope.models.model import wrap
from tests.oracles.layered_graphs import dense_influence, published_scores
from tests.oracles.planted_basis import plant
from tests.oracles.tiny_models import tiny

IDS = torch.tensor([0, 5, 2, 9, 4, 7, 3, 8])
KINDS = [("gpt2", True), ("llama", False)]


def made(family: str, cross_layer: bool):
    prompt = wrap(tiny(family, dtype=torch.float64, n_layers=3)).record(IDS)
    return prompt, plant(prompt, cross_layer=cross_layer), salient_logits(prompt, position=-1, probability=0.8, most=5)


CASES = {kind: made(*kind) for kind in KINDS}


def trace(kind: tuple[str, bool] = KINDS[0], **options) -> AttributionGraph:
    prompt, replacement, targets = CASES[kind]
    names = [str(i) for i in IDS.tolist()]
    config = AttributionConfig(**options)
    return attribute(prompt, replacement, targets, config, tokens=names, text="", model="tiny", basis="planted")


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    tolerance=st.sampled_from([1e-4, 3e-3, 0.02, 0.2]),
    coverage=st.sampled_from([0.2, 0.6, 0.9, 1.0]),
    most=st.sampled_from([None, 3, 25]),
)
def test_the_interval_contains_the_uncapped_score(kind, tolerance, coverage, most) -> None:
    graph = trace(kind, tolerance=tolerance, coverage=coverage, max_features=most)
    whole = trace(kind, coverage=1.0)
    for form in Forms._fields:
        replacement, completeness = published_scores(whole, form)
        assert getattr(graph.scores.replacement, form).contains(replacement, 1e-7), form
        assert getattr(graph.scores.completeness, form).contains(completeness, 1e-7), form
    ends = sum(graph.scores.ends.values()) + graph.scores.unexpanded
    assert ends == pytest.approx(1, abs=1e-9), "what is not stored is lost nowhere"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tolerance", [3e-3, 0.05])
def test_what_is_stored_is_exact_and_the_rest_is_the_rest(kind, tolerance: float) -> None:
    whole, graph = trace(kind, coverage=0.8), trace(kind, coverage=0.8, tolerance=tolerance)
    assert graph.nodes.ids == whole.nodes.ids
    theirs, ours = whole.adjacency.toarray(), graph.adjacency.toarray()
    mass = whole.row_mass()
    constants, features = whole.layout.constants, whole.layout.features
    small = np.abs(theirs) < tolerance * mass[:, None]
    small[:, constants] = False
    small[whole.layout.targets] = False
    assert 0 < small[features].mean() < 1
    np.testing.assert_allclose(ours, np.where(small, 0, theirs), rtol=1e-12)
    np.testing.assert_allclose(graph.rest_abs, whole.rest_abs + (np.abs(theirs) * small).sum(1), atol=1e-12)
    np.testing.assert_allclose(graph.row_error(), whole.row_error(), atol=1e-9)
    assert 0 < graph.details["unstored"] < 1
    assert "unstored" not in whole.details


@pytest.mark.parametrize("kind", KINDS)
def test_influence_is_that_of_whole_rows(kind) -> None:
    whole, graph = trace(kind, coverage=1.0), trace(kind, coverage=1.0, tolerance=0.05)
    np.testing.assert_allclose(graph.influence, dense_influence(whole), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(graph.cumulative, whole.cumulative, rtol=1e-9)
    assert prune(graph).nodes.ids[: graph.layout.features.stop]


def test_a_cap_with_a_tolerance_is_kept_and_its_rows_are_read_whole() -> None:
    graph = trace(max_features=20, tolerance=0.02)
    assert 10 <= graph.layout.features.stop <= 20
    _, replacement, _ = CASES[KINDS[0]]
    same = replacement.take(torch.tensor([replacement.active.find(place) for place in places(graph)]))
    assert len(same.active) == graph.layout.features.stop
    capped = trace(max_features=20)
    shared = set(graph.nodes.ids) & set(capped.nodes.ids)
    assert len(shared) > 0.8 * len(capped.nodes.ids), "the search by strong entries finds nearly the same features"


def places(graph: AttributionGraph):
    columns = (graph.nodes.layer, graph.nodes.index, graph.nodes.position)
    return [FeatureAt(*(int(column[i]) for column in columns)) for i in range(graph.layout.features.stop)]


def rows_of(prompt, replacement, targets) -> torch.Tensor:
    maker = RowMaker(prompt=prompt, replacement=replacement)
    found = [rows for aim in aims(targets) for _, rows in maker.rows(aim)]
    found += [rows for _, rows in maker.feature_rows(torch.arange(len(replacement.active)))]
    return torch.cat([rows.dense(len(replacement.active)) for rows in found])


@pytest.mark.parametrize("kind", KINDS)
def test_keys_in_runs_change_nothing(kind, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows_of(*CASES[kind])
    monkeypatch.setattr(frozen, "_KEYS", 3)
    torch.testing.assert_close(rows_of(*CASES[kind]), whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_attention_that_lies_elsewhere_is_carried_to_and_from(kind) -> None:
    """Another precision stands for another device: a product of tensors of two kinds is refused in both cases."""
    prompt, replacement, targets = CASES[kind]
    halves = [
        replace(block.attn, **{name: part.float() for name, part in vars(block.attn).items() if part is not None})
        if layer % 2
        else block.attn
        for layer, block in enumerate(prompt.blocks)
    ]
    blocks = tuple(replace(block, attn=attn) for block, attn in zip(prompt.blocks, halves, strict=True))
    spread = replace(prompt, blocks=blocks)
    whole, found = rows_of(prompt, replacement, targets), rows_of(spread, replacement, targets)
    assert found.dtype == whole.dtype
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(spread.resid_post(), prompt.resid_post(), rtol=1e-4, atol=1e-5)


def test_rows_that_will_not_fit_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    with monkeypatch.context() as patch:
        patch.setattr(RowMaker, "from_feature_rows", lambda *some: made.append(some) or ())
        with pytest.raises(PromptError, match=r"MiB of memory for the circuit of \d+ active features.*--max-features"):
            trace(memory=1e-5)
    assert not made
    assert trace(memory=1e-5, max_features=1, coverage=0.0).layout.features.stop <= 1


def test_blocks_that_threads_make_ahead_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt, replacement, _ = CASES[KINDS[0]]
    maker = RowMaker(prompt=prompt, replacement=replacement)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert maker.waiting_bytes() == 0, "short prompts are one thread's"
    monkeypatch.setattr(rows, "_LONG", 0)
    assert maker.waiting_bytes() == 3 * rows._BLOCK_BYTES
    with pytest.raises(PromptError, match="MiB of memory for the circuit"):
        trace(memory=0.1, max_features=1, coverage=0.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert maker.waiting_bytes() == 0
    assert trace(memory=0.1, max_features=1, coverage=0.0).layout.features.stop <= 1


def test_a_longer_prompt_takes_more() -> None:
    model = wrap(tiny("gpt2", n_layers=3))
    assert record_bytes(model, 2000) > 3.9 * record_bytes(model, 1000)
    assert record_bytes(model, 2000) >= 3 * model.n_heads * 2000**2 * 4, "the patterns alone"


def test_the_tolerance_follows_from_the_size_and_can_be_set() -> None:
    assert resolved_tolerance(AttributionConfig(), 10_000) == 0
    assert resolved_tolerance(AttributionConfig(), 400_000) == 1e-4
    assert resolved_tolerance(AttributionConfig(max_features=1000), 400_000) == 0
    assert resolved_tolerance(AttributionConfig(tolerance=0.0), 400_000) == 0


def test_strong_rows_lie_side_by_side_and_are_the_same_in_small_pieces_of_memory(monkeypatch) -> None:
    prompt, replacement, _ = CASES[KINDS[0]]
    layer = prompt.n_layers - 1
    chosen = replacement.active.layer == layer

    def kept() -> list[StrongRows]:
        store = RowStore(RowMaker(prompt=prompt, replacement=replacement), tolerance=0.01)
        assert all(isinstance(block, WholeRows) for block in store.get(layer, chosen))
        return list(store.get(layer, chosen))

    monkeypatch.setattr(rows, "_BLOCK_BYTES", 1)
    large = kept()
    assert len(large) > 3
    assert len({block.entries.untyped_storage().data_ptr() for block in large}) == 1
    monkeypatch.setattr(kept_rows, "_SHELF_BYTES", 2**12)
    small = kept()
    assert 1 < len({block.entries.untyped_storage().data_ptr() for block in small}) < len(small)
    for one, other in zip(large, small, strict=True):
        for a, b in zip((*one[2:], *one.sums, one.features), (*other[2:], *other.sums, other.features), strict=True):
            assert torch.equal(a, b)


def test_strong_rows_are_cut_like_whole_ones() -> None:
    prompt, replacement, _ = CASES[KINDS[0]]
    maker = RowMaker(prompt=prompt, replacement=replacement)
    (numbers, made), *_ = list(maker.feature_rows(torch.arange(len(replacement.active) - 7, len(replacement.active))))
    whole = WholeRows.of(numbers, made, maker.leaves.constants)
    chosen = torch.arange(len(numbers)) % 2 == 0
    first = whole.strong(0.01, len(replacement.active), maker.leaves.constants).take(chosen)
    second = whole.take(chosen).strong(0.01, len(replacement.active), maker.leaves.constants)
    assert isinstance(first, StrongRows)
    for one, other in zip((*first[2:], *first.sums), (*second[2:], *second.sums), strict=True):
        torch.testing.assert_close(one, other)
    assert bool((first.left_out() >= 0).all())
