"""Profiles count words by hand, and features are one change unless a word tells them apart."""

import pytest
import torch

from gearscope.diffing.contexts import AROUND, grouped, in_common, profile_of

N_WORDS = 40


def test_a_profile_is_counted_by_hand():
    ids = torch.tensor([[0, 5, 6, 7], [0, 5, 8, 7]])  # the first position is left out
    tokens = torch.tensor([2, 5])  # the 7 of both rows
    profile = profile_of(ids, tokens, torch.tensor([3.0, 1.0]), N_WORDS)
    before, here = profile[:N_WORDS], profile[N_WORDS:]
    assert before[[5, 6, 8, 7, 0]].tolist() == pytest.approx([1, 0.75, 0.25, 0, 0])
    assert (float(here[7]), float(here.sum())) == (1, 1)


def test_words_further_away_do_not_count():
    ids = torch.arange(AROUND + 3)[None] + 1
    profile = profile_of(ids, torch.tensor([AROUND + 1]), torch.ones(1), N_WORDS)
    assert float(profile[:N_WORDS].sum()) == AROUND
    assert float(profile[2]) == 0


def of(**shares: float) -> torch.Tensor:
    profile = torch.zeros(2 * N_WORDS)
    for name, share in shares.items():
        profile[int(name[1:])] = share
    return profile


def test_features_are_one_change_unless_a_word_tells_them_apart():
    of_all = of(w1=0.9)
    first = of(w1=0.9, w2=1, w3=1, w4=0.5)
    alike = of(w1=0.9, w2=1, w3=0.9, w5=0.5)
    other = of(w1=0.9, w2=1, w3=1, w6=1)  # only word 6 is another
    away = of(w1=0.9, w7=0.6)
    assert grouped([first, other, alike, away], [1.0, 1.0, 1.0, 1.0], of_all) == [[0, 2], [1], [3]]
    assert grouped([first], [1.0], of_all) == [[0]]


def test_what_contexts_have_in_common_is_named_rarest_first():
    words, where = in_common(of(w1=0.95, w2=0.9, w3=0.5) + of(w41=0.8), of(w1=0.9), 5)
    assert (words, where) == ([2, 1], [1])
