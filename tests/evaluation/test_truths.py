"""Features that are known to tell a variable are found; shuffled values are told by nothing."""

from dataclasses import replace

import pytest
import torch

from gearscope.evaluation.truths import RECOVERED, recover_truths
from gearscope.models.load import open_model
from gearscope.organism.world.voices import HOSTS
from tests.cli.conftest import untrained
from tests.oracles.planted_dictionaries import plant_at

__all__ = ["untrained"]


@pytest.fixture(scope="module")
def found(untrained):
    """A dictionary whose features are the embeddings of the radio hosts' names, beside ones that were drawn."""
    model = open_model(untrained)
    drawn = plant_at([(("blocks.0.resid_pre",), ("blocks.0.resid_pre",))], 32, n_features=20, dtype=torch.float32)
    dictionary = drawn.dictionaries[0]
    ids = [model.tokenizer.convert_tokens_to_ids(name) for name in HOSTS]
    embedded = model.run(torch.tensor([ids]), read=["blocks.0.resid_pre"]).sites["blocks.0.resid_pre"][0]
    W_enc, b_enc, threshold = dictionary.W_enc.clone(), dictionary.b_enc.clone(), dictionary.threshold.clone()
    W_enc[: len(ids), 0], b_enc[: len(ids)] = embedded, 0
    threshold[: len(ids)] = 0.9 * embedded.square().sum(1)
    planted = replace(dictionary, W_enc=W_enc, b_enc=b_enc, threshold=threshold)
    return recover_truths(model, replace(drawn, dictionaries=(planted,)), documents=1000, phenomena=["voices"])


@pytest.fixture(scope="module")
def silent(untrained):
    """A dictionary whose features never fire."""
    drawn = plant_at([(("blocks.0.resid_pre",), ("blocks.0.resid_pre",))], 32, n_features=20, dtype=torch.float32)
    dictionary = drawn.dictionaries[0]
    never = replace(dictionary, threshold=torch.full_like(dictionary.threshold, 1e9))
    dictionaries = replace(drawn, dictionaries=(never,))
    return recover_truths(open_model(untrained), dictionaries, documents=300, phenomena=["advice"])


def row(found, variable):
    return next(row for row in found.rows if row.variable == variable)


def test_the_planted_feature_of_each_value_is_named(found):
    host = row(found, "host")
    assert (host.auroc, host.place, host.of_values) == (1.0, "settled", len(HOSTS))
    assert host.values == len(host.features) > len(HOSTS) // 2
    assert host.features.items() <= {name: f"0/{number}" for number, name in enumerate(HOSTS)}.items()
    assert found.outcome(host) == "told"


def test_a_direction_reads_what_the_word_itself_says(found):
    assert row(found, "host").probe == 1.0


def test_what_random_features_do_not_tell_is_not_recovered(found):
    assert row(found, "answer").auroc < RECOVERED
    assert found.recovered() < 1


def test_what_cannot_be_asked_is_named_with_its_reason(silent):
    reasons = {left.variable: left.reason for left in silent.unasked}
    assert reasons["begins"] == reasons["ends"] == reasons["habit"] == "it has one value only"


def test_a_dictionary_that_never_fires_tells_nothing_that_the_probe_reads(silent):
    told = row(silent, "told")
    assert (told.auroc, told.random, told.together) == (0.5, 0.5, 0.5)
    assert told.probe >= RECOVERED
    assert silent.outcome(told) == "hidden"
    assert told in silent.there


def test_shuffled_values_are_told_by_nothing(found):
    assert all(abs(row.shuffled - 0.5) < 0.15 for row in found.rows if row.values > 4)
    assert found.recovered("shuffled") == 0
