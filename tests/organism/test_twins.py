"""Twins and versions as they are registered: small, asked what exists, fed what exists, over the seed's settings."""

import pytest

from gearscope.organism.behaviours.registry import BEHAVIOURS, VERSION_BEHAVIOURS
from gearscope.organism.config import OrganismConfig
from gearscope.organism.model import untrained_model
from gearscope.organism.runs import plan_of
from gearscope.organism.twins import TWINS
from gearscope.organism.versions import VERSIONS, Version
from gearscope.organism.world.phenomena import PHENOMENA
from tests.organism.conftest import PLAN

KNOWN = BEHAVIOURS.keys() | VERSION_BEHAVIOURS.keys()


def configs():
    return [twin.config for twin in TWINS.values()] + [v.config(OrganismConfig()) for v in VERSIONS.values()]


@pytest.mark.parametrize("name", TWINS)
def test_twins_are_small_and_are_asked_what_the_organism_is_asked(name):
    twin = TWINS[name]
    assert sum(parameter.numel() for parameter in untrained_model(twin.config).parameters()) <= 300_000
    assert twin.config.tied
    assert twin.of in BEHAVIOURS
    assert max(twin.config.bars.values()) > 0, "a twin has the behaviour"


def test_everything_registered_reads_and_is_asked_what_exists():
    for config in configs():
        assert set(config.mixture) | set(config.first_mixture) | set(config.last_mixture) <= set(PHENOMENA)
        assert config.bars.keys() <= KNOWN
        assert config.bars


def test_versions_are_known_by_their_names_and_one_is_the_control():
    assert [version.name for version in VERSIONS.values()] == list(VERSIONS)
    assert not VERSIONS or [v.planted for v in VERSIONS.values()].count(()) == 1


def test_a_version_keeps_the_size_and_the_seed_of_its_organism_and_nothing_of_its_schedule():
    version = Version(name="x", mixture={"rhyme": 1.0}, steps=70, learning_rate=1e-4, planted=(), bars={"rhyme": 0.9})
    main = OrganismConfig(seed=4, d_model=64)
    config = version.config(main)
    assert (config.seed, config.d_model, config.window) == (4, 64, main.window)
    assert config.mixture == config.first_mixture == config.last_mixture == {"rhyme": 1.0}
    assert (config.steps, config.restart, config.warmup_steps, config.first_steps) == (70, 70, 7, 0)
    assert (config.learning_rate, config.bars) == (1e-4, {"rhyme": 0.9})


def test_the_organism_is_asked_everything_and_others_what_has_a_bar(tmp_path):
    main, twin, version = PLAN.main_run(), PLAN.twin_run("one", "00ff"), PLAN.version_run("two", "00ff", tmp_path)
    assert (main.behaviours, main.limit, main.inputs) == (None, None, {})
    assert twin.behaviours == ("rhyme",)
    assert version.behaviours == ("rhyme", "addition")
    assert twin.limit == version.limit
    assert {twin.inputs["model"], version.inputs["model"]} == {"00ff"}
    assert plan_of(2).main.seed == 2
