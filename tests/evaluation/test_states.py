"""Automatic supernodes of the organism contain the state; the twin's do not; the control is weaker."""

import pytest

from gearscope.errors import ConfigError
from gearscope.evaluation.states import measure_states
from gearscope.workbench import Workbench
from tests.cli.conftest import untrained

__all__ = ["untrained"]


def test_most_circuits_of_the_organism_have_the_state_as_a_supernode():
    found = measure_states(Workbench.open(basis="clt"), prompts=4, split="train")
    assert found.prompts == 4
    assert found.contains >= 0.75
    assert found.moved >= 0.75
    assert found.contains_random <= found.contains
    assert found.most_groups <= 30
    assert found.largest <= 0.2
    assert found.completeness >= 0.9


def test_the_twin_that_names_no_state_has_none():
    found = measure_states(Workbench.open("organism:twins/two_hops_by_heart"), prompts=4, split="train")
    assert found.contains == 0


def test_a_model_that_answers_no_chain_is_refused(untrained):
    with pytest.raises(ConfigError, match="answers chains"):
        measure_states(Workbench.open(str(untrained)), prompts=2)
