"""Validations against single interventions, and against the laws that a plan made in advance has to obey."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from gearscope.config import fingerprint
from gearscope.errors import ConfigError, GraphError, PromptError
from gearscope.graph.graph import AttributionGraph, Supernode
from gearscope.graph.schema import to_json
from gearscope.graph.store import read_graph, write_detail, write_graph
from gearscope.interventions.agreement import sign_agreement, spearman
from gearscope.interventions.validation import (
    EDIT_KINDS,
    KEY,
    EditEffect,
    GroupEffects,
    Validation,
    read_validation,
    with_validation,
)
from gearscope.interventions.validation_text import describe_validation
from tests.interventions.conftest import IDS, Traced
from tests.oracles.reference_forward import reference

Open = Callable[[str, str], Traced]
SETTINGS = {"resamples": 2, "controls": 2, "seed": 3}


@pytest.fixture(scope="module")
def case(traced: Open) -> Traced:
    """A dictionary that writes to later layers, with two groups and one of tokens alone."""
    found = traced("llama", "skip clt")
    graph, sources = found.graph, found.sources()
    first = [i for i in range(graph.layout.features.stop) if graph.nodes.layer[i] == 0 and graph.nodes.position[i] <= 3]
    groups = (
        Supernode("low", tuple(graph.nodes.ids[i] for i in first[:2])),
        Supernode("middle", (graph.nodes.ids[sources[1]],)),
        Supernode("words", (graph.nodes.ids[graph.layout.tokens.start],)),
    )
    return found._replace(graph=replace(graph, supernodes=groups))


@pytest.fixture(scope="module")
def validated(case: Traced) -> AttributionGraph:
    return case.bench.validate(case.graph, **SETTINGS)


def done(graph: AttributionGraph) -> Validation:
    found = read_validation(graph)
    assert found is not None
    return found


def edit(group: GroupEffects, kind: str, norms: str = "held") -> EditEffect:
    return next(one for one in group.edits if (one.kind, one.norms) == (kind, norms))


@pytest.mark.parametrize("norms", ["held", "live"])
@pytest.mark.parametrize(("kind", "written"), [("zero", "*0"), ("double", "*2")])
def test_a_row_is_what_the_single_intervention_finds(
    case: Traced, validated: AttributionGraph, norms: str, kind: str, written: str
) -> None:
    single = case.bench.intervene(
        case.graph, [f"supernode:low{written}"], freeze_to=0, hold_norms=norms == "held", controls=0
    )
    group = done(validated).table[0]
    wanted = {row.node_id: row for row in (*single.nodes, *single.next_tokens) if row.node_id is not None}
    found = edit(group, kind, norms)
    rows = list(zip(group.kinds, group.targets, found.predicted, found.measured, strict=True))
    assert len([kind for kind, *_ in rows if kind != "supernode"]) == len(wanted)
    for kind_of, target, predicted, measured in rows:
        if kind_of != "supernode":
            assert measured == pytest.approx(wanted[target].measured, rel=1e-4, abs=1e-9)
            if norms == "held":
                assert predicted == pytest.approx(wanted[target].predicted, rel=1e-4, abs=1e-9)
    assert found.kl == pytest.approx(single.agreement.kl, rel=1e-6, abs=1e-12)


def test_doubling_is_predicted_as_the_opposite_of_an_ablation_by_the_linear_graph(validated: AttributionGraph) -> None:
    for group in done(validated).table:
        zero, double = edit(group, "zero"), edit(group, "double")
        np.testing.assert_allclose(double.predicted, -np.array(zero.predicted), rtol=1e-4, atol=1e-9)
        assert double.written_norm == pytest.approx(zero.written_norm)


def test_a_group_changes_by_its_members_changes_along_their_values(case: Traced, validated: AttributionGraph) -> None:
    group = done(validated).table[0]
    at = group.targets.index("middle")
    assert group.kinds[at] == "supernode"
    member = case.graph.supernodes[1].ids[0]
    row, value = group.targets.index(member), float(case.graph.nodes.value[case.graph.nodes.find(member)])
    for one in group.edits:
        assert one.measured[at] == pytest.approx(one.measured[row] / value, rel=1e-3)
        assert one.predicted[at] == pytest.approx(one.predicted[row] / value, rel=1e-3)


def test_resampled_values_are_those_of_the_reference_run(traced: Open) -> None:
    """One reference prompt: the edit of its value is the same `=v` as an intervention, v from a forward pass apart."""
    case = traced("gpt2", "neurons")
    other = (0, 9, 3, 5, 4, 7)  # shorter: places count from the end
    graph, source = case.graph, case.sources()[1]
    nodes = graph.nodes
    whole = replace(graph, supernodes=(Supernode("one", (nodes.ids[source],)),))
    found = done(case.bench.validate(whole, references=[other], resamples=1, controls=1)).table[0]
    layer, index, position = (int(column[source]) for column in (nodes.layer, nodes.index, nodes.position))
    x = reference(case.bench.model.anatomy.hf, torch.tensor(other))[f"blocks.{layer}.mlp_in"]
    mlp = case.bench.model.neurons(layer).rows(torch.tensor([index]))
    value = float(mlp.activations(x[position - 1]))
    wanted = case.bench.intervene(graph, [f"{case.feature(source)}={value!r}"], hold_norms=True, controls=0)
    rows = dict(zip(found.targets, edit(found, "resample").measured, strict=True))
    assert {row.node_id for row in wanted.nodes} <= set(rows)
    for row in wanted.nodes:
        assert rows[row.node_id] == pytest.approx(row.measured, rel=1e-4, abs=1e-9)


def test_figures_are_those_of_the_stored_table(validated: AttributionGraph) -> None:
    found = done(validated)
    for norms in ("held", "live"):
        rows = [
            (p, m)
            for group in found.table
            for one in group.edits
            if one.norms == norms
            for kind, p, m in zip(group.kinds, one.predicted, one.measured, strict=True)
            if kind != "supernode"
        ]
        predicted, measured = np.array(rows).T
        figures = found.figures_of(norms)
        assert figures is not None
        assert (
            figures.rows
            == len(rows)
            == sum(row.rows for row in found.figures if (row.norms, row.distance is not None) == (norms, True))
        )
        assert figures.spearman == pytest.approx(spearman(predicted, measured))
        assert figures.signs == pytest.approx(sign_agreement(predicted, measured))


def test_the_plan_is_there_before_anything_is_measured_and_measuring_keeps_to_it(case: Traced) -> None:
    kept: list[AttributionGraph] = []
    after = case.bench.validate(case.graph, registered=kept.append, **SETTINGS)
    before = done(kept[0])
    assert not before.is_done
    assert done(after).plan == before.plan
    assert done(after).registered == before.registered == before.plan.fingerprint()
    assert [group.name for group in before.plan.groups] == ["low", "middle"]
    assert before.plan.left_out == ("words",)
    assert "not measured yet" in describe_validation(before)


def test_the_same_settings_give_the_same_table_and_another_seed_another_control(
    case: Traced, validated: AttributionGraph
) -> None:
    again = done(case.bench.validate(case.graph, **SETTINGS))
    assert again == done(validated)
    other = done(case.bench.validate(case.graph, **(SETTINGS | {"seed": 4})))
    first, second = edit(again.table[0], "zero"), edit(other.table[0], "zero")
    assert first.measured == pytest.approx(second.measured, rel=1e-4, abs=1e-9)
    assert first.control != second.control
    assert other.registered != again.registered


def test_without_supernodes_the_most_influential_features_are_groups(traced: Open) -> None:
    case = traced("llama", "plt")
    found = done(case.bench.validate(case.graph, top=3, resamples=1, controls=1))
    assert found.plan.groups_are == "features"
    influence = case.graph.node_influence()[case.graph.layout.features]
    strongest = {case.graph.nodes.ids[i] for i in np.argsort(-influence)[:3]}
    assert {group.ids[0] for group in found.plan.groups} == strongest
    assert "it has no supernodes" in describe_validation(found)


def test_a_dictionary_on_held_norms_is_exact_one_layer_on(traced: Open) -> None:
    """Values one layer above are linear in what the edit writes, so nothing is left to miss."""
    case = traced("llama", "plt")
    found = done(case.bench.validate(case.graph, top=4, resamples=1, controls=1))
    for group in found.table:
        for one in group.edits:
            near = [
                (p, m)
                for far, kind, p, m in zip(group.distances, group.kinds, one.predicted, one.measured, strict=True)
                if far == 1 and kind == "feature"
            ]
            np.testing.assert_allclose(*np.array(near).reshape(-1, 2).T, rtol=2e-4, atol=1e-8)


def test_it_comes_back_from_a_file_and_a_plan_that_was_changed_does_not(validated: AttributionGraph, tmp_path) -> None:
    path = tmp_path / "graph.json"
    write_graph(path, validated)
    assert done(read_graph(path)) == done(validated)
    assert "PREDICTED AND MEASURED" in describe_validation(done(read_graph(path)))
    damaged = json.loads(json.dumps(validated.details[KEY]))
    damaged["plan"]["settings"]["controls"] = 99
    with pytest.raises(GraphError, match="another plan"):
        read_validation(replace(validated, details={KEY: damaged}))
    with pytest.raises(GraphError, match="a whole validation"):
        read_validation(replace(validated, details={KEY: {"plan": 3}}))
    assert read_validation(replace(validated, details={})) is None


def test_a_plan_goes_into_a_file_of_ours_and_of_nobody_else(
    case: Traced, validated: AttributionGraph, tmp_path
) -> None:
    path = tmp_path / "graph.json"
    write_graph(path, case.graph)
    before = json.loads(path.read_text())
    write_detail(path, KEY, validated.details[KEY])
    after = json.loads(path.read_text())
    assert done(read_graph(path)) == done(validated)
    del after["metadata"]["gearscope"]["details"][KEY]
    assert after == before
    foreign = to_json(case.graph, "foreign")
    del foreign["metadata"]["gearscope"]
    path.write_text(json.dumps(foreign))
    with pytest.raises(GraphError, match="--out"):
        write_detail(path, KEY, {})


def test_what_cannot_be_validated_is_said(case: Traced, traced: Open) -> None:
    only_tokens = replace(case.graph, supernodes=(case.graph.supernodes[2],))
    with pytest.raises(GraphError, match="only supernodes words"):
        case.bench.validate(only_tokens)
    with pytest.raises(PromptError, match="reference prompts with words"):
        case.bench.validate(case.graph, references=[IDS[:1]])
    with pytest.raises(ConfigError, match="resamples"):
        case.bench.validate(case.graph, resamples=0)
    with pytest.raises(ConfigError, match="nonsense"):
        case.bench.validate(case.graph, nonsense=1)
    other = traced("llama", "plt")
    with pytest.raises(GraphError, match="the graph's own"):
        other.bench.validate(case.graph)


def test_groups_of_one_name_are_told_apart(case: Traced) -> None:
    low, middle, _ = case.graph.supernodes
    twice = replace(case.graph, supernodes=(low, middle._replace(name="low")))
    names = [group.name for group in done(case.bench.validate(twice, **SETTINGS)).plan.groups]
    assert names == ["low (1)", "low (2)"]


def test_with_validation_replaces_the_one_before(validated: AttributionGraph) -> None:
    plan = done(validated).plan
    again = with_validation(validated, Validation(plan=plan, registered=plan.fingerprint()))
    assert not done(again).is_done
    assert plan.graph == fingerprint(list(validated.nodes.ids))
    assert {one.kind for one in done(validated).table[0].edits} == set(EDIT_KINDS)
