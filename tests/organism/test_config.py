"""Settings that do not fit together are refused."""

import pytest

from gearscope.errors import ConfigError
from gearscope.organism.config import OrganismConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"d_model": 100, "n_heads": 3},
        {"row_tokens": 256},
        {"steps": 100},
        {"mixture": {}},
        {"mixture": {"rhyme": -1.0}},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings):
    with pytest.raises(ConfigError):
        OrganismConfig(**settings)


def test_json_round_trip_and_unknown_keys():
    config = OrganismConfig(seed=3)
    assert OrganismConfig.from_json(config.to_json()) == config
    with pytest.raises(ConfigError, match="sede"):
        OrganismConfig.from_json('{"sede": 3}')
