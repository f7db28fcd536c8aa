"""Profiles count words by hand, and features are one change unless a word tells them apart."""

import pytest
import torch

from gearscope.diffing.contexts import AROUND, COPIED, answers, grouped, in_common, profile_of, said_most

N_WORDS = 40


def test_a_profile_is_counted_by_hand():
    ids = torch.tensor([[0, 5, 6, 7], [0, 5, 8, 7]])  # the first position is left out
    tokens = torch.tensor([2, 5])  # the 7 of both rows
    profile = profile_of(ids, tokens, torch.tensor([3.0, 1.0]), torch.tensor([9, COPIED]), N_WORDS)
    before, here, said = profile.split([N_WORDS, N_WORDS, N_WORDS + 1])
    assert before[[5, 6, 8, 7, 0]].tolist() == pytest.approx([1, 0.75, 0.25, 0, 0])
    assert (float(here[7]), float(here.sum())) == (1, 1)
    assert (float(said[9]), float(said[-1]), float(said.sum())) == (0.75, 0.25, 1)
    assert said_most(profile) is None


def test_words_further_away_do_not_count():
    ids = torch.arange(AROUND + 3)[None] + 1
    profile = profile_of(ids, torch.tensor([AROUND + 1]), torch.ones(1), torch.tensor([0]), N_WORDS)
    assert float(profile[:N_WORDS].sum()) == AROUND
    assert float(profile[2]) == 0


def of(**shares: float) -> torch.Tensor:
    profile = torch.zeros(3 * N_WORDS + 1)
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


def test_what_is_said_tells_features_apart_unless_it_is_copied():
    of_all, said = of(), 2 * N_WORDS
    one, other = (of(w2=1, **{f"w{said + word}": 1}) for word in (4, 5))
    assert grouped([one, other], [1.0, 1.0], of_all) == [[0], [1]]
    copied = of(w2=1, **{f"w{said + N_WORDS}": 1})
    assert grouped([copied, copied], [1.0, 1.0], of_all) == [[0, 1]]
    assert (said_most(one), said_most(copied)) == (4, None)


def test_a_word_that_stands_before_is_copied_but_not_the_first_of_a_window_nor_one_far_away():
    ids = torch.arange(AROUND + 4)[None]
    far = AROUND + 2  # the token behind which 1 is AROUND + 2 words back, and 2 is too many by one
    said = torch.full((AROUND + 3,), 30)
    said[1], said[2], said[far] = 1, 0, 2
    assert answers(ids, said).tolist() == [30, COPIED, 0, *([30] * (AROUND - 1)), 2]


def test_what_contexts_have_in_common_is_named_rarest_first():
    words, where = in_common(of(w1=0.95, w2=0.9, w3=0.5) + of(w41=0.8), of(w1=0.9), 5)
    assert (words, where) == ([2, 1], [1])
