"""Strong firings are those of all that reach a share of the largest, whether they are cut on the way or afterwards."""

import numpy as np
import pytest

from gearscope.labels.config import RuleConfig
from gearscope.labels.control import Asked, drawn
from gearscope.labels.firing import Firing, firing
from gearscope.recipes.library import open_subject
from gearscope.recipes.train import PLAIN


@pytest.fixture(scope="module")
def subject():
    return open_subject(None, "plt", PLAIN)[0]


@pytest.fixture(scope="module")
def windows(subject):
    ids = np.random.default_rng(0).integers(4, subject.model.vocab_size, (24, 20))
    ids[:, 0] = 0
    return ids


@pytest.fixture(scope="module")
def everything(subject, windows):
    return firing(subject, windows)


def strong(found, least):
    """Feature by feature, the firings that reach their least."""
    kept = [found.values(feature) >= least[feature] for feature in range(found.n_features)]
    begin = np.append(0, np.cumsum([some.sum() for some in kept]))
    return Firing(begin, found.token[np.concatenate(kept)], found.value[np.concatenate(kept)])


def test_firings_by_feature(everything):
    for feature in np.flatnonzero(np.diff(everything.begin))[:50].tolist():
        tokens = everything.tokens(feature)
        assert (np.diff(tokens) > 0).all()
        assert (tokens % 20 > 0).all(), "nothing fires on the first token"
        assert (everything.values(feature) > 0).all()
        assert everything.largest[feature] == everything.values(feature).max()
    assert (np.bincount(everything.features, minlength=everything.n_features) == np.diff(everything.begin)).all()


def test_strong_ones_cut_on_the_way_and_afterwards_are_the_same(subject, windows, everything):
    least = everything.largest * np.float32(0.5)
    cut, after = firing(subject, windows, least=least), strong(everything, least)
    assert 0 < len(cut.token) < len(everything.token)
    for one, other in zip((cut.begin, cut.token, cut.value), (after.begin, after.token, after.value), strict=True):
        assert np.array_equal(one, other)
    alone = Firing(np.array([0, 3]), np.array([1, 5, 9]), np.array([1.0, 4.0, 2.0], np.float32))
    assert strong(alone, np.array([2.0])).token.tolist() == [5, 9]


def test_random_directions_fire_about_as_often_and_stand_behind_the_features(subject, windows, everything):
    config = RuleConfig(control=60)
    chance = drawn(subject, windows, config, most=60)
    both = Asked(subject, np.zeros(subject.n_features)).beside(chance)
    assert both.subject.n_features == subject.n_features + chance.subject.n_features
    fires = firing(both.subject, windows)
    own, others = np.diff(fires.begin)[: subject.n_features], np.diff(fires.begin)[subject.n_features :]
    assert np.array_equal(own, np.diff(everything.begin))
    assert 0.5 < others.mean() / own[own > 0].mean() < 2
    assert np.array_equal(both.least[subject.n_features :], fires.largest[subject.n_features :] * np.float32(0.5))
