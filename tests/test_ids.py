import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gearscope.errors import ConfigError, TargetError
from gearscope.ids import BLOCK_SITES, MODEL_SITES, FeatureAt, FeatureId, SiteId

whole = st.integers(0, 10**9)
sites = st.one_of(
    st.builds(SiteId, st.none(), st.sampled_from(MODEL_SITES)),
    st.builds(SiteId, whole, st.sampled_from(BLOCK_SITES)),
)


@given(sites)
def test_a_site_is_read_back_from_its_own_spelling(site):
    assert SiteId.parse(str(site)) == site


@given(st.builds(FeatureId, whole, whole))
def test_a_feature_is_read_back_from_its_own_spelling(feature):
    assert FeatureId.parse(str(feature)) == feature


@given(st.builds(FeatureAt, whole, whole, whole))
def test_a_feature_at_a_position_is_read_back_from_its_own_spelling(feature):
    assert FeatureAt.parse(str(feature)) == feature


@given(whole, whole, whole)
def test_the_two_spellings_of_features_are_never_confused(layer, index, position):
    with pytest.raises(TargetError, match="LAYER/INDEX"):
        FeatureId.parse(str(FeatureAt(layer, index, position)))
    with pytest.raises(TargetError, match="LAYER/INDEX@POSITION"):
        FeatureAt.parse(str(FeatureId(layer, index)))


@given(st.text())
def test_text_that_is_no_site_is_a_clear_error(text):
    assume(text.removeprefix("hook_") not in MODEL_SITES and not re.match(r"blocks\.\d", text))
    with pytest.raises(ConfigError) as caught:
        SiteId.parse(text)
    assert repr(text) in str(caught.value)
    assert "blocks.{i}.mlp_out" in str(caught.value)


@given(st.text(alphabet="0123456789/@-+. x"))
def test_text_is_a_feature_at_a_position_or_a_clear_error(text):
    parts = re.split("[/@]", text)
    if re.sub("[^/@]", "", text) == "/@" and all(part.isdecimal() for part in parts):
        assert FeatureAt.parse(text) == tuple(map(int, parts))
    else:
        with pytest.raises(TargetError) as caught:
            FeatureAt.parse(text)
        assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("legacy", "name"),
    [
        ("hook_embed", "embed"),
        ("ln_final.hook_normalized", "final_in"),
        ("blocks.3.hook_resid_pre", "blocks.3.resid_pre"),
        ("blocks.3.hook_mlp_out", "blocks.3.mlp_out"),
        ("blocks.3.mlp.hook_post", "blocks.3.mlp_act"),
        ("blocks.3.ln1.hook_normalized", "blocks.3.attn_in"),
        ("blocks.3.ln2.hook_normalized", "blocks.3.mlp_in"),
        ("blocks.0.attn.hook_pattern", "blocks.0.pattern"),
        ("blocks.11.attn.hook_q", "blocks.11.q"),
    ],
)
def test_names_of_older_tools_are_understood(legacy, name):
    assert str(SiteId.parse(legacy)) == name


@given(st.sampled_from(BLOCK_SITES), st.sampled_from(MODEL_SITES))
def test_a_layer_is_needed_exactly_where_there_is_one(of_a_block, of_the_model):
    assume(of_a_block != of_the_model)
    with pytest.raises(ConfigError):
        SiteId.parse(of_a_block)
    with pytest.raises(ConfigError):
        SiteId.parse(f"blocks.0.{of_the_model}")
