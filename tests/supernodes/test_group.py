"""The recipe on tiny models of two families: what every grouping fulfils, what is stored, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from gearscope.errors import ConfigError, GraphError
from gearscope.graph.graph import Supernode
from gearscope.graph.store import read_graph, write_graph
from gearscope.supernodes.config import GroupConfig
from gearscope.supernodes.effects import ablations
from gearscope.supernodes.group import group
from gearscope.supernodes.likeness import Known, features_of
from gearscope.supernodes.result import is_unchanged, read_grouping
from gearscope.supernodes.text import describe_grouping
from tests.interventions.conftest import traced

__all__ = ["traced"]


@pytest.fixture(scope="module", params=[("llama", "clt"), ("gpt2", "neurons")], ids=str)
def case(request, traced):
    bench, graph, _ = traced(*request.param)
    return bench, graph, bench.group(graph, most=6, draws=3, resamples=2)


def test_groups_are_disjoint_not_empty_not_too_large_and_few(case):
    _, graph, grouped = case
    members = [name for one in grouped.supernodes for name in one.ids]
    assert 0 < len(grouped.supernodes) <= 6
    assert len(members) == len(set(members)) > 0
    assert all(0 < len(one.ids) <= 0.2 * len(graph.nodes) for one in grouped.supernodes)
    assert len({one.name for one in grouped.supernodes}) == len(grouped.supernodes)
    assert {grouped.nodes.kind[grouped.find(name)] for name in members} == {"feature"}


def test_the_report_counts_what_is_left_out(case):
    _, graph, grouped = case
    facts = read_grouping(grouped)
    inside = sum(len(group.members) for group in facts.groups)
    assert facts.ungrouped == graph.layout.features.stop - inside
    assert sum(group.influence for group in facts.groups) + facts.ungrouped_influence == pytest.approx(1.0)
    assert all(is_unchanged(*pair) for pair in zip(grouped.supernodes, facts.groups, strict=True))
    assert facts.restricted.completeness <= facts.pruned.completeness + 1e-12
    assert facts.stability_from == "resampled evidence"


def test_groups_are_more_alike_than_random_ones(case):
    facts = read_grouping(case[2])
    figures = [group.evidence["effect"] for group in facts.groups if group.evidence["effect"].value is not None]
    assert np.mean([f.value for f in figures]) > np.mean([f.random for f in figures if f.random is not None])


def test_groups_and_evidence_survive_the_file(case, tmp_path):
    grouped = case[2]
    write_graph(tmp_path / "g.json", grouped)
    again = read_graph(tmp_path / "g.json")
    assert again.supernodes == grouped.supernodes
    assert read_grouping(again) == read_grouping(grouped)
    text = describe_grouping(again, read_grouping(again))
    assert all(one.name in text for one in grouped.supernodes)


def test_an_ablation_does_what_an_intervention_says(case):
    """Changes of activations, columns of the effects, are those of `Workbench.intervene` up to one factor a column."""
    bench, graph, _ = case
    rows = np.array([i for i in range(graph.layout.features.stop) if graph.nodes.layer[i] == 0][:3])
    found = ablations(bench.scene(graph), rows, 3)
    last = [i for i in range(graph.layout.features.stop) if graph.nodes.layer[i] == 2]
    measured = np.zeros((len(rows), len(last)))
    for k, row in enumerate(rows.tolist()):
        nodes = graph.nodes
        edit = f"{nodes.layer[row]}/{nodes.index[row]}@{nodes.position[row]}*0"
        by_id = {one.node_id: one for one in bench.intervene(graph, [edit], controls=0).nodes}
        for j, node in enumerate(last):
            one = by_id.get(graph.nodes.ids[node])
            measured[k, j] = 0.0 if one is None else one.activation_after - one.activation_before
    ours = found.change[:, found.layer == 2]
    assert ours.shape == measured.shape
    order = np.array(last)[np.lexsort((graph.nodes.position[last], graph.nodes.layer[last]))]
    measured = measured[:, [last.index(i) for i in order.tolist()]]
    for column, other in zip(ours.T, measured.T, strict=True):
        assert np.linalg.norm(column) * np.linalg.norm(other) == pytest.approx(abs(column @ other), abs=1e-12)


def test_groups_that_are_there_stay_unless_asked(traced):
    bench, graph, _ = traced("llama", "clt")
    mine = replace(graph, supernodes=(Supernode("mine", graph.nodes.ids[:2]),))
    grouped = bench.group(mine, draws=2, resamples=2)
    assert grouped.supernodes[0] == mine.supernodes[0]
    assert not set(graph.nodes.ids[:2]) & {name for one in grouped.supernodes[1:] for name in one.ids}
    assert read_grouping(grouped).kept == ("mine",)
    again = bench.group(mine, again=True, draws=2, resamples=2)
    assert "mine" not in [group.name for group in again.supernodes]
    with pytest.raises(GraphError, match="all in groups already"):
        bench.group(grouped)


def test_paraphrases_are_traced_and_compared(traced):
    bench, graph, _ = traced("llama", "clt")
    same, other = (bench.trace(ids, everything=True, coverage=1.0) for ids in ((0, 5, 9, 3, 7, 8, 4), (0, 9, 2)))
    scenes = [bench.scene(one) for one in (same, other)]
    facts = read_grouping(group(bench.scene(graph), GroupConfig(draws=2), paraphrases=scenes[:1]))
    assert facts.stability_from == "paraphrases"
    assert all(one.stability.value == 1.0 and one.again == 1 for one in facts.groups)
    facts = read_grouping(group(bench.scene(graph), GroupConfig(draws=2), paraphrases=scenes))
    assert all(one.again <= 2 for one in facts.groups)


def test_labels_name_groups_and_are_evidence(traced):
    bench, graph, _ = traced("llama", "clt")
    features = features_of(graph, range(graph.layout.features.stop))
    facts = read_grouping(
        bench.group(graph, known=Known(labels=dict.fromkeys(features, "words")), draws=2, resamples=2)
    )
    assert facts.groups[0].name == "words"
    assert facts.kinds == ("effect", "begins", "sends", "label")
    assert {group.evidence["label"].value for group in facts.groups if len(group.members) > 1} == {1.0}


def test_what_cannot_be_grouped_is_refused(traced):
    bench, graph, _ = traced("llama", "clt")
    keep = np.arange(graph.layout.features.stop, len(graph.nodes))
    bare = replace(
        graph,
        nodes=graph.nodes.take(keep),
        adjacency=graph.adjacency[keep][:, keep],
        rest_sum=graph.rest_sum[keep],
        rest_abs=graph.rest_abs[keep],
        influence=None,
        cumulative=None,
        effects={},
    )
    with pytest.raises(GraphError, match="no features"):
        bench.group(bare)
    with pytest.raises(ConfigError, match="most"):
        bench.group(graph, most=0)
    with pytest.raises(GraphError, match="damaged"):
        read_grouping(replace(graph, details=graph.details | {"supernodes": {"groups": 3}}))
