"""A crosscoder of mean and difference is one of both models, exactly."""

import pytest
import torch

from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.training.config import TrainingConfig
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.crosscoder import sites_of, unmixed
from gearscope.diffing.pair import mixed, of_both
from gearscope.errors import ConfigError


def test_the_change_of_basis_is_exact():
    draw = torch.Generator().manual_seed(0)
    names = of_both(("blocks.0.resid_post", "blocks.1.resid_post"))
    assert names[:2] == ("a:blocks.0.resid_post", "b:blocks.0.resid_post")
    config = DictionaryConfig(reads=names, writes=names, n_features=9, d_model=5, activation="relu")
    weights = {"W_enc": (9, 4, 5), "b_enc": (9,), "W_dec": (9, 4, 5), "b_dec": (4, 5)}
    made = {name: torch.randn(shape, generator=draw, dtype=torch.float64) for name, shape in weights.items()}
    trained = Dictionary(config=config, **made)
    acts = torch.randn(20, 4, 5, generator=draw, dtype=torch.float64)
    both = unmixed(trained, "difference")
    before, after = trained.encode(mixed(acts, "difference")), both.encode(acts)
    assert torch.equal(before.columns, after.columns)
    torch.testing.assert_close(before.values, after.values)
    torch.testing.assert_close(
        trained.reconstruct(mixed(acts, "difference")), mixed(both.reconstruct(acts), "difference")
    )
    assert unmixed(trained, "models") is trained


def test_one_layer_two_thirds_of_the_way_is_compared_unless_layers_are_set():
    training = DiffConfig().training
    assert sites_of(training, 12) == ("blocks.7.resid_post",)
    assert sites_of(training, 1) == ("blocks.0.resid_post",)
    chosen = DiffConfig().changed({"layers": [0, 2], "site": "mlp_out"}).training
    assert sites_of(chosen, 4) == ("blocks.0.mlp_out", "blocks.2.mlp_out")


def test_other_kinds_and_layers_that_are_not_there_are_refused():
    with pytest.raises(ConfigError, match="crosscoder; found sae"):
        sites_of(TrainingConfig(kind="sae"), 4)
    with pytest.raises(ConfigError, match="ascending layers"):
        sites_of(DiffConfig().changed({"layers": [4]}).training, 4)
