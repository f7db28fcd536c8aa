"""Rows of training tokens: whole documents from the start, answers at full weight, the asked-for mixture."""

from collections import Counter
from itertools import islice
from random import Random

import pytest
import torch

from gearscope.organism.config import OrganismConfig
from gearscope.organism.pages import TOKEN_ID, mixture_of, training_documents, training_page, training_row
from gearscope.organism.world import two_hops
from gearscope.organism.world.phenomena import PHENOMENA
from gearscope.organism.world.vocabulary import VOCABULARY

CONFIG = OrganismConfig(batch_rows=4, row_tokens=48)
LATE = CONFIG.first_steps


def test_a_step_has_its_own_page_and_always_the_same():
    tokens, weights = training_page(CONFIG, 3)
    again, _ = training_page(CONFIG, 3)
    other, _ = training_page(CONFIG, 4)
    assert tokens.shape == weights.shape == (4, 48)
    assert torch.equal(tokens, again)
    assert not torch.equal(tokens, other)
    assert not torch.equal(tokens, training_page(CONFIG.model_copy(update={"seed": 1}), 3)[0])


def test_a_row_is_bos_and_whole_documents_and_its_weights_mark_the_answers():
    config = CONFIG.model_copy(update={"other_share": 1.0})
    ids, weights = training_row(config, Random(5), LATE)
    rng = Random(5)
    rng.random()  # decides which other tokens are scored
    documents = training_documents(config, rng, LATE)
    expected, answered = [TOKEN_ID["<s>"]], [0.0]
    while len(expected) < CONFIG.row_tokens:
        document = next(documents)
        expected += [TOKEN_ID[word] for word in (*document.words, "\n")]
        answered += [1.0 if i in document.answer else CONFIG.other_weight for i in range(len(document.words) + 1)]
    assert ids == expected[: CONFIG.row_tokens]
    assert weights == answered[: CONFIG.row_tokens]
    assert answered.count(1.0) >= 2


def test_of_the_other_tokens_a_share_is_scored_and_keeps_their_mean_weight():
    weights = [weight for seed in range(200) for weight in training_row(CONFIG, Random(seed), LATE)[1][1:]]
    others = [weight for weight in weights if weight != 1.0]
    assert set(others) == {0.0, CONFIG.other_weight / CONFIG.other_share}
    assert sum(others) / len(others) == pytest.approx(CONFIG.other_weight, rel=0.05)


def test_mixture_is_a_share_of_tokens():
    tokens = Counter()
    for document in islice(training_documents(CONFIG, Random(1), LATE), 4000):
        tokens[document.phenomenon] += len(document.words) + 1
    for name, share in CONFIG.mixture.items():
        assert tokens[name] / tokens.total() == pytest.approx(share / sum(CONFIG.mixture.values()), abs=0.02)


def test_a_phenomenon_without_share_is_not_read():
    config = CONFIG.model_copy(update={"mixture": {"two_hops": 1.0, "rhyme": 0.0}})
    assert {document.phenomenon for document in islice(training_documents(config, Random(0), LATE), 50)} == {"two_hops"}


def _first_documents(config, step):
    return list(islice(training_documents(config, Random(2), step), 1500))


def test_chains_are_read_only_once_the_facts_were():
    before, after = (
        {document.kind for document in _first_documents(CONFIG, step)}
        for step in (CONFIG.facts_first - 1, CONFIG.facts_first)
    )
    assert after - before == {kind for name in CONFIG.first_mixture for kind in PHENOMENA[name].LATER_KINDS}
    assert set(two_hops.CHAINS) < after
    assert before < after


def test_the_first_and_the_last_steps_have_their_own_mixture():
    assert {document.phenomenon for document in _first_documents(CONFIG, LATE - 1)} == set(CONFIG.first_mixture)
    assert {document.phenomenon for document in _first_documents(CONFIG, LATE)} == set(CONFIG.mixture)
    last = CONFIG.restart
    mixtures = [mixture_of(CONFIG, step) for step in (last - 1, last, CONFIG.steps)]
    assert mixtures == [CONFIG.mixture, CONFIG.last_mixture, CONFIG.last_mixture]


def test_held_out_sums_are_never_read():
    words = [
        VOCABULARY[index] for step in range(LATE, LATE + 40) for row in training_page(CONFIG, step)[0] for index in row
    ]
    text = " ".join(words)
    assert " + " in text
    assert "36 + 59" not in text
    assert "59 + 36" not in text
