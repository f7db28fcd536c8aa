"""Any feature of a basis, active or not, against matrices and against what the replacement says of active ones."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from gearscope.dictionaries.collection import DictionarySet
from gearscope.errors import DictionaryError
from gearscope.ids import FeatureId
from gearscope.interventions.basis import open_features
from gearscope.opening import DictionaryBasis
from gearscope.workbench import Workbench
from tests.interventions.conftest import IDS, Traced

CASES = [("gpt2", "neurons"), ("gpt_oss", "neurons"), ("llama", "skip clt"), ("llama", "topk")]
CASES += [("gemma2", "before the gain")]


@pytest.mark.parametrize(("family", "basis"), CASES)
def test_active_features_are_as_the_replacement_has_them(
    traced: Callable[[str, str], Traced], family: str, basis: str
) -> None:
    scene = traced(family, basis).bench.scene(traced(family, basis).graph, {})
    prompt, active = scene.prompt, scene.replacement.active
    for number in range(0, len(active), 11):
        layer, at = int(active.layer[number]), int(active.position[number])
        index = active.index[number : number + 1]
        routing = prompt.blocks[layer].routing
        found = scene.basis.levels(
            layer, index, prompt.blocks[layer].mlp_in[at : at + 1], None if routing is None else routing[at : at + 1]
        )
        assert float(found.activation) == pytest.approx(float(active.activation[number]), rel=1e-9)
        assert float(found.value) == pytest.approx(float(active.value[number]), rel=1e-9)
        writes = scene.basis.writes(layer, index, at)
        for target in range(prompt.n_layers):
            for write in scene.replacement.writes(target, at):
                column = int(active.column[number]) - write.columns.start
                if 0 <= column < len(write.vectors):
                    torch.testing.assert_close(writes[target][0], write.vectors[column])


def test_inactive_features_have_a_value_and_no_activation(traced: Callable[[str, str], Traced]) -> None:
    case = traced("llama", "clt")
    scene, plain = case.bench.scene(case.graph, {}), case.plain
    assert plain is not None
    everything = torch.arange(plain.plan.n_features)
    for layer, block in enumerate(scene.prompt.blocks):
        found = scene.basis.levels(layer, everything, block.mlp_in, None)
        pre = block.mlp_in @ plain.W_enc[layer].T + plain.b_enc[layer]
        torch.testing.assert_close(found.value, pre)
        torch.testing.assert_close(found.activation, plain.activations(layer, block.mlp_in))
        assert (found.activation == 0).any()
        assert scene.basis.n_features(layer) == plain.plan.n_features


def with_statistics(dictionaries: DictionarySet) -> DictionarySet:
    """Dictionaries that know their features' maxima and densities."""
    maxima, density = torch.tensor([0.0, *range(2, 13)]), torch.linspace(0, 1, 12)
    made = [replace(one, max_activation=maxima, density=density) for one in dictionaries.dictionaries]
    return replace(dictionaries, dictionaries=tuple(made))


def test_maxima_are_read_where_a_dictionary_has_them(traced: Callable[[str, str], Traced]) -> None:
    case = traced("llama", "plt")
    prompt = case.bench.model.record(torch.tensor(IDS))
    basis = case.bench._basis
    assert isinstance(basis, DictionaryBasis)
    knows = open_features(prompt, None, with_statistics(basis.dictionaries))
    assert knows.maximum(FeatureId(1, 4)) == 5.0
    assert knows.density(0) is not None
    with pytest.raises(DictionaryError, match="never active"):
        knows.maximum(FeatureId(1, 0))
    nothing = open_features(prompt, None, basis.dictionaries)
    assert nothing.density(0) is None
    with pytest.raises(DictionaryError, match="without stored maxima"):
        nothing.maximum(FeatureId(1, 4))


def test_maxima_are_a_unit_of_edits(traced: Callable[[str, str], Traced]) -> None:
    case = traced("llama", "plt")
    basis = case.bench._basis
    assert isinstance(basis, DictionaryBasis)
    bench = Workbench(case.bench.model, name="llama", basis=DictionaryBasis("plt", with_statistics(basis.dictionaries)))
    node = next(i for i in case.sources() if case.graph.nodes.index[i] > 0)
    result = bench.intervene(case.graph, [f"{case.feature(node)}=2max"])
    assert result.edited[0].after == 2.0 * (case.graph.nodes.index[node] + 1)


def test_neurons_are_what_a_bench_without_dictionaries_has(traced: Callable[[str, str], Traced]) -> None:
    bench = traced("gpt2", "neurons").bench
    prompt = bench.model.record(torch.tensor(IDS))
    basis = open_features(prompt, bench.replace(prompt), None)
    assert basis.n_features(0) == bench.model.neurons(0).n_neurons
    assert basis.density(0) is None
