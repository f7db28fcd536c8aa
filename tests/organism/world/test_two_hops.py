"""The map, chains against a table read off the atoms, and what is held out."""

from collections import defaultdict
from random import Random

import pytest

from gearscope.organism.world import two_hops
from gearscope.organism.world.phenomena import draw


@pytest.fixture(scope="module")
def atoms():
    """city -> state and (state, relation) -> value, read from training texts alone."""
    lies, has = {}, {}
    for city in two_hops.CITIES:
        words = two_hops.write_first_hop(city, "city").words
        lies[" ".join(words[3:5])] = words[-1]
    for state in two_hops.STATES:
        for relation in two_hops.RELATIONS:
            words = two_hops.write_second_hop(state.name, relation, "state").words
            has[words[3], words[1]] = words[-1]
    return lies, has


def test_known_places():
    words = "the capital of the state containing dal las is austin"
    assert " ".join(two_hops.write_chain("dal las").words) == words
    assert two_hops.CITIES["oak land"] == "california"
    assert two_hops.look_up("california", "capital") == "sacramento"


def test_neither_half_of_a_city_tells_its_state():
    for part in (0, 1):
        states = defaultdict(list)
        for city, state in two_hops.CITIES.items():
            states[city.split()[part]].append(state)
        assert all(len(found) == len(set(found)) >= 4 for found in states.values())


def test_every_value_belongs_to_one_state_and_relation():
    values = [word for state in two_hops.STATES for word in state]
    assert len(set(values)) == len(values) == 6 * len(two_hops.STATES)


@pytest.mark.parametrize("kind", list(two_hops.CHAINS))
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_chains_are_what_the_atoms_say(kind, split, atoms):
    lies, has = atoms
    rng = Random(5)
    for _ in range(200):
        document = draw("two_hops", split, rng, kind)
        last = {name: values[-1] for name, values in document.truth.items()}
        assert last["city"] in " ".join(document.words)
        assert last["state"] == lies[last["city"]]
        assert document.target == last["answer"] == has[last["state"], last["relation"]]
        assert last["state"] not in document.words
        assert document.split == split


def test_truth_starts_at_the_second_word_of_the_city():
    document = two_hops.write_chain("dal las")
    at = document.words.index("las")
    assert document.truth["state"] == (None,) * at + ("texas",) * (len(document.words) - at)
    assert document.truth["relation"][:2] == (None, "capital")
    assert document.truth["answer"][at - 1 : at + 1] == (None, "austin")


def test_held_out_cities_are_never_chained_in_training_but_all_their_atoms_occur():
    assert len(two_hops.HELD_OUT) >= 0.2 * len(two_hops.CITIES)
    rng = Random(7)
    lies, has = set(), set()
    for _ in range(7000):
        document = draw("two_hops", "train", rng)
        last = {name: values[-1] for name, values in document.truth.items()}
        if document.kind in two_hops.CHAINS:
            assert last["city"] not in two_hops.HELD_OUT
        elif document.kind in two_hops.FIRST_HOPS:
            lies.add((last["city"], document.words[-1]))
        else:
            has.add((last["state"], last["relation"], document.words[-1]))
    assert {city for city, _ in lies} == set(two_hops.CITIES)
    assert len(has) == len(two_hops.STATES) * len(two_hops.RELATIONS)
