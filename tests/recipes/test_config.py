"""Recipes by name, from TOML and with single settings; wrong ones are one clear error with every problem in it."""

from typing import get_args

import pytest

from gearscope.dictionaries.training.config import Kind, layout_of
from gearscope.errors import ConfigError
from gearscope.recipes.config import RECIPES, Recipe, open_recipe, parse_settings
from gearscope.recipes.train import corpus_of


def test_every_recipe_has_settings_and_says_what_it_makes():
    assert {"sae", "transcoder", "skip_transcoder", "clt", "organism-plt", "organism-clt"} <= set(RECIPES)
    for name, recipe in RECIPES.items():
        assert len(recipe.about.split()) > 4, name
        assert Recipe.from_json(recipe.to_json()) == recipe
    assert all("minutes" in recipe.about for recipe in RECIPES.values() if recipe.corpus or recipe.model)
    rounds = ["organism-plt", "organism-plt-2", "organism-plt-3", "organism-clt", "organism-clt-2"]
    for name in rounds:
        before = RECIPES[name].goes_on_from
        assert (before is None) == (name in ("organism-plt", "organism-clt"))
        if before is not None:
            assert RECIPES[before].training.kind == RECIPES[name].training.kind
            assert RECIPES[before].training.n_features <= RECIPES[name].training.n_features


@pytest.mark.parametrize(
    ("name", "layers", "dictionaries"),
    [
        ("gpt2-transcoder", 12, 12),
        ("gpt2-clt", 12, 12),
        ("qwen3-0.6b-transcoder", 28, 28),
        ("gemma-2-2b-transcoder", 26, 1),
    ],
)
def test_recipes_for_public_models_fit_their_models(name, layers, dictionaries):
    recipe = RECIPES[name]
    assert recipe.model is not None
    layout = layout_of(recipe.training, layers)
    assert len(layout.coders) == dictionaries
    with pytest.raises(ConfigError, match="a corpus for"):
        corpus_of(recipe)


def test_a_few_layers_at_a_time():
    some = RECIPES["gemma-2-2b-transcoder"].changed(parse_settings(["layers=[0, 1]"]))
    sites = ("blocks.0.mlp_in", "blocks.1.mlp_in", "blocks.0.mlp_out", "blocks.1.mlp_out")
    assert layout_of(some.training, 26).sites == sites, "reading ends behind the last of them"


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_small_recipe_is_for_every_kind(kind):
    assert layout_of(RECIPES["organism-small"].changed({"kind": kind}).training, 4).n_features == 1024


def test_settings_go_where_they_belong():
    changed = RECIPES["clt"].changed(parse_settings(["k=7", "context=32", "tokens=100_000", "learning_rate=2e-3"]))
    assert (changed.training.k, changed.training.tokens, changed.training.learning_rate) == (7, 100_000, 2e-3)
    assert changed.reading.context == 32
    sae = RECIPES["sae"].changed(parse_settings(["layers=[0, 2]", "site=attn_out", "selection=top_k"]))
    assert (sae.training.layers, sae.training.site, sae.training.selection) == ((0, 2), "attn_out", "top_k")


def test_toml_begins_from_a_recipe_or_a_kind(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('recipe = "clt"\nmodel = "some/model"\ncorpus = "texts"\nk = 5\nblock_megabytes = 3\n')
    recipe = open_recipe(str(path))
    assert (recipe.model, recipe.corpus, recipe.training.kind) == ("some/model", "texts", "clt")
    assert (recipe.training.k, recipe.reading.block_megabytes) == (5, 3)
    path.write_text('kind = "sae"\nlayers = [1]\n')
    assert open_recipe(str(path)).training.layers == (1,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k = \n", "should be TOML"),
        ("k = 3\n", "a recipe to begin from, or a kind; found neither"),
        ('recipe = "nosuch"\n', "a recipe to begin from was expected"),
        ('kind = "nosuch"\n', "valid TrainingConfig settings"),
        ('recipe = "clt"\nkk = 3\ncolour = 1\n', "found colour, kk"),
        ('recipe = "clt"\nk = "many"\nbatch_tokens = 0\n', r"training\.k.*training\.batch_tokens"),
    ],
)
def test_wrong_files(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        open_recipe(str(path))


@pytest.mark.parametrize(
    ("name", "message"), [("nosuch", "a recipe was expected"), ("nosuch.toml", "a recipe file was expected")]
)
def test_recipes_that_are_not_there(name, message):
    with pytest.raises(ConfigError, match=message):
        open_recipe(name)


@pytest.mark.parametrize("pair", ["k", "=3", ""])
def test_settings_without_a_name_or_value(pair):
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        parse_settings([pair])
