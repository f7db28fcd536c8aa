"""Virtual weights against edges of whole graphs, and co-activation against loops, in several families."""

from dataclasses import replace

import pytest
import torch

from gearscope.attribution.coactive import Firing
from gearscope.attribution.global_weights import Labelled, weigh
from gearscope.attribution.virtual import inputs_of, mean_frame, outputs_of
from gearscope.attribution.weights import describe_weights
from gearscope.errors import TargetError
from gearscope.ids import FeatureId
from tests.interventions.conftest import traced

__all__ = ["traced"]
CASES = [("llama", "clt"), ("gpt2", "plt"), ("gemma2", "clt"), ("gpt_neox", "plt"), ("gemma2", "behind the post-norm")]


def _coders(bench, record):
    gains = [(block.mlp_norm.weight, block.mlp_norm.bias) for block in record.blocks]
    return list(bench._basis.dictionaries.with_gains(gains).dictionaries)


def _at(record, position):
    """The record with every norm at the scale of one position."""
    blocks = []
    for block in record.blocks:
        names = ("attn_norm", "attn_post_norm", "mlp_norm", "mlp_post_norm")
        norms = {name: getattr(block, name) for name in names if getattr(block, name) is not None}
        blocks.append(
            replace(
                block,
                **{
                    name: replace(norm, scale=norm.scale[position].expand(len(norm.scale)))
                    for name, norm in norms.items()
                },
            )
        )
    return replace(record, blocks=tuple(blocks))


@pytest.mark.parametrize(("family", "basis"), CASES, ids=str)
def test_an_edge_within_a_position_is_the_activation_times_the_weights_of_all_ways(traced, family, basis):
    """Between neighbouring layers no path passes two heads: A = a (V + Σ_h P[q, q] V_h)."""
    bench, graph, _ = traced(family, basis)
    record, nodes = bench.scene(graph).prompt, graph.nodes
    checked = 0
    for t in range(graph.layout.features.stop):
        layer, position = int(nodes.layer[t]), int(nodes.position[t])
        sources = [
            s
            for s in range(graph.layout.features.stop)
            if nodes.layer[s] == layer - 1 and nodes.position[s] == position
        ]
        if layer == 0 or not sources or checked > 12:
            continue
        frame = mean_frame([_at(record, position)], _coders(bench, record))
        weights = inputs_of(frame, layer, int(nodes.index[t]), layer - 1)
        share = torch.tensor(
            [
                1.0 if way.layer is None else float(record.blocks[way.layer].attn.pattern[way.head, position, position])
                for way in frame.ways(layer - 1, layer)
            ],
            dtype=weights.dtype,
        )
        for s in sources:
            expected = float(nodes.activation[s]) * float(weights[int(nodes.index[s])] @ share)
            assert graph.adjacency[t, s] == pytest.approx(expected, rel=1e-5, abs=1e-7)
            checked += 1
    assert checked


@pytest.mark.parametrize(("family", "basis"), CASES, ids=str)
def test_what_one_reads_is_what_the_other_writes(traced, family, basis):
    bench, graph, _ = traced(family, basis)
    record = bench.scene(graph).prompt
    frame = mean_frame([record], _coders(bench, record))
    for source, target in ((0, 1), (0, 2), (1, 2)):
        reads = torch.stack([inputs_of(frame, target, t, source) for t in range(12)])
        writes = torch.stack([outputs_of(frame, source, s, target) for s in range(12)], dim=1)
        assert torch.allclose(reads, writes, atol=1e-10)


@pytest.mark.parametrize(("layer", "other"), [(2, 0), (0, 2)])
def test_firings_together_by_loops(traced, layer, other):
    bench, graph, _ = traced("llama", "plt")
    record = bench.scene(graph).prompt
    frame = mean_frame([record], _coders(bench, record))
    active = bench.replace(record).active
    dense = torch.zeros(3, record.n_positions, 12, dtype=torch.float64)
    dense[active.layer, active.position, active.index] = active.activation
    own = int(dense[layer].sum(0).argmax())
    firing = Firing(layer=layer, index=own, ways={other: frame.ways(0, 2)}, n_features=[12] * 3)
    for _ in range(2):
        firing.add(record, active)
    a, b = dense[layer, :, own], dense[other]
    for column, way in enumerate(frame.ways(0, 2)):
        total = torch.zeros(12, dtype=torch.float64)
        for q in range(record.n_positions):
            for k in range(record.n_positions):
                seen = (
                    float(q == k) if way.layer is None else float(record.blocks[way.layer].attn.pattern[way.head, q, k])
                )
                total += 2 * seen * (a[q] * b[k] if other < layer else a[k] * b[q])
        assert torch.allclose(firing.together[other].product[:, column], total, atol=1e-10)
    assert firing.tokens == 2 * (record.n_positions - 1)
    assert torch.allclose(firing.activation[other], 2 * b.sum(0))


def test_the_report_ranks_and_marks_interference(traced):
    bench, graph, _ = traced("llama", "clt")
    record = bench.scene(graph).prompt
    texts = [(0, 5, 9, 3, 7, 8, 4), (0, 2, 2, 6, 1), (0, 9, 10, 3)]
    windows = [(r, bench.replace(r).active) for r in (bench.model.record(torch.tensor(text)) for text in texts)]
    first = windows[0][1]
    here = slice(first.below(1), first.below(2))
    feature = FeatureId(1, int(first.index[here][0]))
    report = weigh(feature, windows, _coders(bench, record), Labelled("tiny", "clt"), most=5)
    assert report.tokens == 6 + 4 + 3
    assert report.fired > 0
    sizes = [abs(row.twera) for row in report.inputs.strongest]
    assert sizes == sorted(sizes, reverse=True)
    largest = [abs(row.virtual) for row in report.outputs.largest]
    assert largest == sorted(largest, reverse=True)
    for row in (*report.inputs.largest, *report.outputs.largest):
        assert row.interference == (row.lift < 1)
        assert row.lift > 0 or row.twera == 0
    assert "interference" in describe_weights(report)


def test_a_feature_that_never_fires_or_is_not_there_is_refused(traced):
    bench, graph, _ = traced("llama", "clt")
    record = bench.scene(graph).prompt
    coders = _coders(bench, record)
    with pytest.raises(TargetError, match="in range"):
        weigh(FeatureId(9, 0), [], coders, Labelled("tiny", "clt"))
    with pytest.raises(TargetError, match="on which the feature fires"):
        weigh(FeatureId(0, 0), [], coders, Labelled("tiny", "clt"))
    silent = bench.replace(record).active.take(torch.arange(0))
    with pytest.raises(TargetError, match="no firing of 0/0 in 6 tokens"):
        weigh(FeatureId(0, 0), [(record, silent)], coders, Labelled("tiny", "clt"))
