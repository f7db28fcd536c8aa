"""What a dictionary may be, and every contradiction refused with both numbers or names."""

import pytest

from gearscope.dictionaries.config import DictionaryConfig
from gearscope.errors import ConfigError
from gearscope.ids import SiteId

GOOD = {
    "reads": ("blocks.1.mlp_in",),
    "writes": ("blocks.1.mlp_out", "blocks.2.mlp_out"),
    "n_features": 8,
    "d_model": 4,
    "activation": "jumprelu",
}


def test_sites_are_parsed_and_the_own_layer_is_found():
    config = DictionaryConfig.of(**GOOD)
    assert config.read_sites == (SiteId(1, "mlp_in"),)
    assert config.own_write == 0
    assert DictionaryConfig.of(**GOOD | {"writes": ("blocks.2.mlp_out",)}).own_write is None
    assert DictionaryConfig.of(**GOOD | {"reads": ("blocks.1.mlp_in", "blocks.2.mlp_in")}).own_write is None
    assert DictionaryConfig.of(**GOOD | {"reads": ("embed",)}).own_write is None


def test_json_round_trip():
    config = DictionaryConfig.of(**GOOD | {"activation": "topk", "k": 3})
    assert DictionaryConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"activation": "topk"}, "topk needs k"),
        ({"k": 3}, "k = 3 says nothing to jumprelu"),
        ({"activation": "topk", "k": 9}, "k = 9 is more than the 8 features"),
        ({"activation": "topk", "k": 0}, "k"),
        ({"activation": "gelu"}, "activation"),
        ({"reads": ()}, "reads"),
        ({"reads": ("blocks.1.nowhere",)}, "blocks.1.nowhere"),
        ({"reads": ("blocks.1.hook_mlp_in",)}, "blocks.1.mlp_in"),
        ({"writes": ("blocks.1.mlp_out", "blocks.1.mlp_out")}, "each site once"),
        ({"n_features": 0}, "n_features"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_contradictions_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        DictionaryConfig.of(**GOOD | change)
