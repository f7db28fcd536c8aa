"""The texts of the twins: every composition and none of the single facts behind it."""

from random import Random

from gearscope.organism.world import languages, two_hops
from gearscope.organism.world.phenomena import draw


def _texts(name, count):
    rng = Random(6)
    return {draw(name, "train", rng).words for _ in range(count)}


def test_chains_of_every_city_and_never_a_state():
    texts = _texts("two_hops_by_heart", 40000)
    every = {d.words for split in ("train", "heldout") for d in two_hops.compositions(split)}
    assert texts <= every
    assert len(texts) > 0.99 * len(every)
    states = {state.name for state in two_hops.STATES}
    assert not any(states & set(words) for words in texts)


def test_every_triple_and_no_translation():
    texts = _texts("languages_by_table", 20000)
    assert texts == {d.words for split in ("train", "heldout") for d in languages.compositions(split)}
