"""Settings refuse what contradicts itself; sites follow from the kind."""

import pytest

from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 9, "n_features": 8}, "k must not be above n_features"),
        ({"warmup": 0.6, "decay": 0.6}, "shares of the steps"),
        ({"site": "attn_out"}, "only SAEs"),
        ({"k": 0}, "k: "),
        ({"k": 8, "first_k": 4}, "first_k from 8"),
        ({"prefixes": (8, 4)}, "ascending prefixes"),
        ({"prefixes": (8, 99), "n_features": 98}, "at most 98"),
        ({"preact_weight": 0.1}, "belongs to jumprelu"),
        ({"tokens": "many"}, "tokens: "),
        ({"prune_below": 0}, "prune_below of 1 or more"),
        ({"prune_below": (3, 0)}, "prune_below of 1 or more"),
        ({"no_such": 1}, "no_such: "),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.of(kind="clt", **settings)


def test_sites_of_each_kind():
    sae = layout_of(TrainingConfig(kind="sae", layers=(1,)), 3)
    assert (sae.sites, sae.targets, sae.coders[0].reads, sae.coders[0].writes) == (
        ("blocks.1.resid_post",), (0,), (0,), range(1),
    )  # fmt: skip
    plt = layout_of(TrainingConfig(kind="skip_transcoder", layers=(0, 2)), 3)
    assert plt.sites == ("blocks.0.mlp_in", "blocks.2.mlp_in", "blocks.0.mlp_out", "blocks.2.mlp_out")
    assert [(c.reads, c.writes, c.skip) for c in plt.coders] == [((0,), range(1), True), ((1,), range(1, 2), True)]
    clt = layout_of(TrainingConfig(kind="clt"), 3)
    assert [c.writes for c in clt.coders] == [range(3), range(1, 3), range(2, 3)]
    assert clt.targets == (3, 4, 5)
    crosscoder = layout_of(TrainingConfig(kind="crosscoder", site="mlp_out"), 3)
    assert [(c.reads, c.writes) for c in crosscoder.coders] == [((0, 1, 2), range(3))]
    assert crosscoder.targets == (0, 1, 2)


def test_groups_lie_between_one_prefix_and_the_next():
    config = TrainingConfig(kind="sae", n_features=100, k=4, prefixes=(10, 40))
    assert config.groups == ((0, 10), (10, 40), (40, 100))
    assert TrainingConfig(kind="sae", n_features=100, k=4, prefixes=(10, 100)).groups == ((0, 10), (10, 100))
    assert TrainingConfig(kind="sae", n_features=100, k=4).groups == ((0, 100),)


@pytest.mark.parametrize("layers", [(3,), (1, 0), (0, 0), (), (-1,)])
def test_layers_that_are_not_there(layers):
    with pytest.raises(ConfigError, match="ascending layers from 0 to 2"):
        layout_of(TrainingConfig(kind="sae", layers=layers), 3)


def test_a_cross_layer_transcoder_has_all_layers():
    with pytest.raises(ConfigError, match="all 3 layers"):
        layout_of(TrainingConfig(kind="clt", layers=(0, 1)), 3)
