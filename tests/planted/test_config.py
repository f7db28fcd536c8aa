"""Worlds refuse what contradicts itself; recipes are whole, and their settings have different names."""

import pytest

from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.errors import ConfigError
from gearscope.planted.config import PLANTED, PlantedConfig, PlantedRecipe, planted_recipe


def test_recipes_train_at_sites_of_their_world():
    for name, recipe in PLANTED.items():
        assert PlantedRecipe.from_json(recipe.to_json()) == recipe, name
        assert set(layout_of(recipe.training, recipe.world.n_layers).sites) <= set(recipe.world.sites), name
        assert planted_recipe(name) is recipe


def test_one_list_of_settings_reaches_both_parts():
    assert not set(PlantedConfig.model_fields) & set(TrainingConfig.model_fields)
    changed = PLANTED["sae"].changed({"n_truths": 200, "k": 3})
    assert (changed.world.n_truths, changed.training.k) == (200, 3)
    with pytest.raises(ConfigError, match="found colour"):
        PLANTED["sae"].changed({"colour": "red"})


def test_sites_by_form():
    assert PlantedConfig(n_layers=2).sites == ("blocks.0.resid_post", "blocks.1.resid_post")
    mlp = PlantedConfig(form="mlp", n_layers=2)
    assert mlp.sites == ("blocks.0.mlp_in", "blocks.1.mlp_in", "blocks.0.mlp_out", "blocks.1.mlp_out")
    assert PlantedConfig(branching=3, depth=2).tree_size == 1 + 3 + 9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rarest": 0.5}, "rarest must not be above commonest"),
        ({"n_truths": 100}, "found 128 truths in them and n_truths = 100"),
        ({"n_truths": 130, "pairs": 2}, "find room"),
        ({"hops": 1, "n_layers": 2}, "belong to form mlp"),
        ({"form": "mlp", "drift": 0.1}, "drift belongs to form stream"),
        ({"form": "mlp", "hops": 1}, "a hop needs a next layer"),
        ({"zipf": -1.0}, "zipf"),
    ],
)
def test_contradictions_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        PlantedConfig.of(**settings)


def test_an_unknown_run_is_named():
    with pytest.raises(ConfigError, match=r"planted features was expected \(sae, .*found 'saee'"):
        planted_recipe("saee")
