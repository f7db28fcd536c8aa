"""Tables of what a library knows, and how kinds of evidence come together."""

import numpy as np
import pytest

from gearscope.ids import FeatureId
from gearscope.supernodes.likeness import Evidence, Known, cofiring_table, label_table, together

ONE, TWO, THREE = FeatureId(0, 1), FeatureId(0, 2), FeatureId(1, 3)


def test_cofiring_counts_either_side_and_the_same_feature_elsewhere():
    known = Known(cofiring={ONE: {TWO: 0.25}, TWO: {}, THREE: {ONE: 0.5}})
    found = cofiring_table([ONE, TWO, THREE, ONE], known)
    assert found.tolist() == [[1, 0.25, 0.5, 1], [0.25, 1, 0, 0.25], [0.5, 0, 1, 0.5], [1, 0.25, 0.5, 1]]


def test_a_feature_that_no_library_has_is_not_known():
    found = cofiring_table([ONE, TWO], Known(cofiring={ONE: {TWO: 0.25}}))
    assert np.isnan(found[0, 1])
    assert np.isnan(found[1]).all()
    assert cofiring_table([TWO], Known(cofiring={ONE: {}})) is None


def test_labels_have_words_in_common():
    found = label_table([ONE, TWO, THREE], Known(labels={ONE: "texas or ohio", TWO: "Ohio or iowa"}))
    assert found[0, 1] == pytest.approx(2 / 4)
    assert found[0, 0] == 1
    assert np.isnan(found[2]).all()
    assert label_table([THREE], Known(labels={ONE: "texas"})) is None


def test_measured_kinds_are_averaged_and_a_library_can_only_add():
    nan = np.nan
    kinds = {
        "effect": np.array([[1, 0.2], [0.2, nan]]),
        "begins": np.array([[1, 0.6], [0.6, nan]]),
        "cofiring": np.array([[1, 0.1], [0.1, 1]]),
        "label": np.array([[1, 1.0], [1.0, 1]]),
    }
    found = together(kinds)
    assert found[0, 1] == pytest.approx((0.2 + 0.6 + 1.0) / 3)  # the label adds, the little co-firing does not count
    assert found[1, 1] == -1  # nothing was measured


def test_resampling_draws_columns_and_leaves_what_a_library_says():
    rng = np.random.default_rng(0)
    evidence = Evidence(
        layer=np.zeros(3, dtype=int),
        effect=rng.standard_normal((3, 6)),
        effect_layer=np.ones(6, dtype=int),
        begins=rng.random((3, 4)),
        sends=rng.standard_normal((3, 5)),
        sends_layer=np.ones(5, dtype=int),
        label=np.eye(3),
    )
    drawn = evidence.resampled(rng)
    factor = (drawn.effect / evidence.effect) ** 2
    assert np.allclose(factor, factor[0])
    assert np.allclose(factor[0], np.round(factor[0]))
    assert factor[0].sum() == pytest.approx(6)
    assert drawn.label is evidence.label
