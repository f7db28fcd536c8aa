"""Sets of dictionaries: kinds, fingerprints, and models that they do not fit."""

from dataclasses import replace

import pytest
import torch

from gearscope.dictionaries.collection import DictionarySet
from gearscope.errors import DictionaryError
from tests.oracles.planted_dictionaries import Plan, plant_set


def test_kinds():
    assert plant_set(Plan(skip=True), 3, 6)[0].kind == "plt"
    assert plant_set(Plan(cross_layer=True), 3, 6)[0].kind == "clt"
    one = plant_set(Plan(), 1, 6)[0].dictionaries[0]
    sae = replace(one, config=one.config.model_copy(update={"writes": one.config.reads}))
    assert DictionarySet(dictionaries=(sae,)).kind == "sae"


def test_the_fingerprint_changes_with_any_weight():
    dictionaries, _ = plant_set(Plan(skip=True), 2, 6)
    same, _ = plant_set(Plan(skip=True), 2, 6)
    assert dictionaries.fingerprint() == same.fingerprint()
    for name, tensor in dictionaries.dictionaries[1].tensors().items():
        changed = replace(dictionaries.dictionaries[1], **{name: tensor + 1e-9})
        other = DictionarySet(dictionaries=(dictionaries.dictionaries[0], changed))
        assert other.fingerprint() != dictionaries.fingerprint(), name


def test_models_that_do_not_fit_are_named_with_shapes_and_sites():
    dictionaries, _ = plant_set(Plan(), 3, 6)
    dictionaries.check_stands_in_for_mlps(n_layers=3, d_model=6)
    for shape in ({"n_layers": 3, "d_model": 8}, {"n_layers": 4, "d_model": 6}, {"n_layers": 2, "d_model": 6}):
        with pytest.raises(DictionaryError) as caught:
            dictionaries.check_stands_in_for_mlps(**shape)
        said = str(caught.value)
        assert f"{shape['n_layers']} layers and width {shape['d_model']}" in said
        assert "3 of width 6 that read blocks.0.mlp_in, blocks.1.mlp_in, blocks.2.mlp_in" in said


@pytest.mark.parametrize(
    "change",
    [
        {"writes": ("blocks.0.mlp_in",)},
        {"writes": ("blocks.0.mlp_out",)},
        {"writes": ("blocks.9.mlp_out",)},
        {"reads": ("blocks.1.resid_pre",)},
        {"reads": ("embed",)},
    ],
)
def test_dictionaries_at_other_sites_do_not_stand_in_for_mlps(change):
    dictionaries, _ = plant_set(Plan(), 2, 6)
    first, second = dictionaries.dictionaries
    other = DictionarySet(dictionaries=(first, replace(second, config=second.config.model_copy(update=change))))
    with pytest.raises(DictionaryError, match=next(iter(change.values()))[0]):
        other.check_stands_in_for_mlps(n_layers=2, d_model=6)


def test_sets_that_contradict_themselves():
    a, b = plant_set(Plan(), 1, 6)[0].dictionaries[0], plant_set(Plan(), 1, 7)[0].dictionaries[0]
    with pytest.raises(DictionaryError, match="6 and 7"):
        DictionarySet(dictionaries=(a, b))
    with pytest.raises(DictionaryError, match=r"two that read blocks\.0\.mlp_in"):
        DictionarySet(dictionaries=(a, a))
    with pytest.raises(DictionaryError, match="none"):
        DictionarySet(dictionaries=())
    early = replace(a, config=a.config.model_copy(update={"reads": ("blocks.1.mlp_in",), "read_form": "before_gain"}))
    with pytest.raises(DictionaryError, match="one read_form"):
        DictionarySet(dictionaries=(a, early))
    assert torch.equal(a.b_enc, early.b_enc)
