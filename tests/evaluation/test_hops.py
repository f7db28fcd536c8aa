"""On the way from a city to its capital the organism's circuits go through features of the state."""

import numpy as np
import pytest

from gearscope.errors import ConfigError
from gearscope.evaluation.hops import Chain, features_of_states, measure_hops, share_through
from gearscope.organism.world.two_hops import STATES
from gearscope.workbench import Workbench
from tests.cli.conftest import untrained

__all__ = ["untrained"]


@pytest.fixture(scope="module")
def bench():
    return Workbench.open(basis="plt")


def test_the_positions_of_the_city_and_of_the_answer():
    assert Chain("dal las", "capital").state == "texas"
    assert Chain("dal las", "capital").answer == "austin"
    assert len(Chain("dal las", "capital").ids) == 10


def test_states_have_features_of_their_own(bench):
    standing = features_of_states(bench)
    assert set(standing) == {state.name for state in STATES}
    counts = [len(features) for features in standing.values()]
    assert sum(counts) > len(STATES)
    assert len(set.union(*standing.values())) > 0.8 * sum(counts)
    assert {place.position for features in standing.values() for place in features} <= {8, 9}


def test_circuits_go_through_the_state_more_than_through_other_features(bench):
    found = measure_hops(bench, prompts=6)
    assert found.prompts <= 6
    assert found.in_graph > 0
    assert 0 <= found.through_random < found.through < 1
    assert 0 < found.direct < 1 - found.through
    assert found.moved_random <= found.moved


def test_nothing_goes_through_no_nodes_and_all_but_the_direct_paths_through_all(bench):
    chain = Chain("dal las", "capital")
    graph = bench.trace(chain.ids, target=chain.answer, everything=True)
    every = np.arange(graph.layout.features.stop)
    assert share_through(graph, every[:0]) == 0
    assert share_through(graph, every[:5]) < share_through(graph, every) < 1


def test_a_model_that_answers_no_chain_is_refused(untrained):
    with pytest.raises(ConfigError, match="answers chains"):
        measure_hops(Workbench.open(str(untrained)), prompts=2)
