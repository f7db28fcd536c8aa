"""The registry: determinism, words, splits, errors."""

from random import Random

import pytest

from gearscope.errors import ConfigError
from gearscope.organism.world.phenomena import PHENOMENA, compositions, draw, held_out_kinds
from gearscope.organism.world.vocabulary import VOCABULARY, spaced

EVERY = [(name, kind) for name, module in PHENOMENA.items() for kind in module.WRITERS]


@pytest.mark.parametrize("name", list(PHENOMENA))
def test_a_seed_gives_the_same_documents_and_another_seed_others(name):
    def first_documents(seed):
        rng = Random(seed)
        return [draw(name, "train", rng) for _ in range(20)]

    assert first_documents(4) == first_documents(4)
    assert first_documents(4) != first_documents(5)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_every_word_is_in_the_vocabulary_and_truth_never_changes_once_settled(name, kind):
    known, rng = set(VOCABULARY), Random(0)
    for _ in range(100):
        document = draw(name, "train", rng, kind)
        assert (document.phenomenon, document.kind, document.split) == (name, kind, "train")
        assert set(document.words) <= known
        assert document.answer
        for values in document.truth.values():
            settled = [value for value in values if value is not None]
            assert len(set(settled)) == 1
            assert values[-len(settled) :] == tuple(settled)


@pytest.mark.parametrize("name", list(PHENOMENA))
def test_held_out_compositions_never_appear_among_training_documents(name):
    heldout = {document.words for document in compositions(name, "heldout")}
    train = {document.words for document in compositions(name, "train")}
    assert not heldout & train
    rng = Random(11)
    assert not heldout & {draw(name, "train", rng).words for _ in range(1000)}


def test_held_out_draws_come_from_the_kinds_that_hold_something_out():
    rng = Random(0)
    for name in ("addition", "two_hops", "rhyme", "acronyms"):
        kinds = {draw(name, "heldout", rng).kind for _ in range(200)}
        assert kinds == set(held_out_kinds(name))


def test_shares_are_shares_of_every_kind():
    for module in PHENOMENA.values():
        assert set(module.SHARES) == set(module.WRITERS)
        assert sum(module.SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "split", "kind"),
    [("addtion", "train", None), ("numbers", "heldout", None), ("rhyme", "heldout", "rhymes_with")],
)
def test_what_does_not_exist_is_refused_by_name(name, split, kind):
    with pytest.raises(ConfigError, match="was expected"):
        draw(name, split, Random(0), kind)


def test_words_are_unique_and_numbers_are_in_order():
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    first = VOCABULARY.index("0")
    assert VOCABULARY[first : first + 199] == tuple(map(str, range(199)))


def test_spacing():
    assert spaced(["he", "saw", "it", ",", "/", "and", "?", "\n", "calc", ":", "1"]) == "he saw it, / and?\ncalc : 1"
