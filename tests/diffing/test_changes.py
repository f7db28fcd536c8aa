"""The one direction that was added is the one change that is found, and turning it gives the other model back."""

import pytest
import torch

from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.diffing.changes import sites_for
from gearscope.diffing.crosscoder import of_difference
from gearscope.diffing.text import text_of
from gearscope.diffing.turning import alone
from gearscope.errors import ConfigError
from tests.diffing.conftest import WORD


def test_the_added_direction_is_all_that_is_found(planted):
    """In two parts, behind a line's end and at the beginning of a window: the word before tells them apart."""
    found = planted.done.report.changes
    assert 1 <= len(found) <= 2
    assert sum(one.share for one in found) > 0.9
    for one in found:
        assert one.where == (WORD,)
        assert one.best.undone > one.best.undone_control + 0.3
        assert one.best.made > 0.3
        assert {context.token for context in one.contexts} == {WORD}
    assert "1. behind 'calc'" in text_of(planted.done.report)


def test_a_dictionary_of_the_difference_is_a_crosscoder_of_both():
    draw = torch.Generator().manual_seed(0)
    sites = ("blocks.0.resid_post", "blocks.1.resid_post")
    config = DictionaryConfig(reads=sites, writes=sites, n_features=7, d_model=5, activation="relu")
    weights = {"W_enc": (7, 2, 5), "b_enc": (7,), "W_dec": (7, 2, 5), "b_dec": (2, 5)}
    made = Dictionary(config=config, **{name: torch.randn(shape, generator=draw) for name, shape in weights.items()})
    both = of_difference(made)
    assert both.config.reads == tuple(f"{model}:{site}" for site in sites for model in "ab")
    acts = torch.randn(20, 4, 5, generator=draw)
    difference = acts[:, 1::2] - acts[:, 0::2]
    torch.testing.assert_close(both.encode(acts).dense(7), made.encode(difference).dense(7))
    written = both.reconstruct(acts)
    torch.testing.assert_close(written[:, 1::2] - written[:, 0::2], made.reconstruct(difference))


def test_only_the_strongest_of_a_token_is_kept():
    codes = Codes(torch.tensor([0, 0, 2, 2]), torch.tensor([1, 3, 0, 2]), torch.tensor([1.0, 2.0, 5.0, 5.0]), 3)
    kept = alone(codes)
    assert (kept.rows.tolist(), kept.columns.tolist(), kept.values.tolist()) == ([0, 2], [3, 0], [2.0, 5.0])


def test_the_ends_of_four_parts_are_compared_unless_layers_are_set():
    assert sites_for(None, 12) == tuple(f"blocks.{layer}.resid_post" for layer in (2, 5, 8, 11))
    assert sites_for(None, 1) == ("blocks.0.resid_post",)
    assert sites_for((1,), 2) == ("blocks.1.resid_post",)
    for wrong in ((), (2,), (1, 0)):
        with pytest.raises(ConfigError, match="ascending layers from 0 to 1"):
            sites_for(wrong, 2)
