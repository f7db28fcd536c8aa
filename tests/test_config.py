import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from gearscope.config import Config, fingerprint
from gearscope.errors import ConfigError


class Inner(Config):
    share: float = Field(default=0.5, ge=0, le=1)
    """A share."""


class Settings(Config):
    """A settings class as the rooms write them."""

    steps: int = Field(default=3, ge=1)
    """How many."""
    name: str = "a"
    """Its name."""
    inner: Inner = Inner()
    """Settings within settings."""


settings = st.builds(
    Settings,
    steps=st.integers(1, 10**12),
    name=st.text(st.characters(exclude_categories=["Cs"])),
    inner=st.builds(Inner, share=st.floats(0, 1)),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(settings)
def test_settings_are_read_back_from_their_json(value):
    again = Settings.from_json(value.to_json())
    assert again == value
    assert again.fingerprint() == value.fingerprint()


@given(settings, settings)
def test_the_fingerprint_changes_exactly_when_a_setting_does(a, b):
    assert (a == b) == (a.fingerprint() == b.fingerprint())


@given(st.dictionaries(st.text(), json_values, min_size=2, max_size=5))
def test_the_fingerprint_does_not_depend_on_the_order_of_keys(value):
    assert fingerprint(value) == fingerprint(dict(reversed(value.items())))


def test_the_fingerprint_is_sixteen_hex_digits_and_stays_what_it_was():
    assert fingerprint({"b": 1, "a": [1, 2.5, None]}) == "813b96a2b5562de3"


def test_settings_never_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().steps = 4


def test_a_key_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match=r"Settings settings were expected; found stepz: "):
        Settings.from_json('{"stepz": 4}')


@pytest.mark.parametrize("text", ['{"steps": "4"}', '{"steps": 4.5}', '{"steps": true}', '{"name": 3}', '{"steps": 0}'])
def test_values_are_never_bent_into_another_type_or_range(text):
    with pytest.raises(ConfigError, match=next(iter(json.loads(text)))):
        Settings.from_json(text)


def test_every_problem_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        Settings.from_json('{"steps": 0, "nam": "b", "inner": {"share": 2.0}}')
    assert all(place in str(caught.value) for place in ("steps:", "nam:", "inner.share:"))


def test_text_that_is_no_json_is_refused():
    with pytest.raises(ConfigError, match="file:"):
        Settings.from_json("steps = 4")


def test_settings_are_read_from_a_file(tmp_path: Path):
    path = tmp_path / "settings.json"
    path.write_text('{"steps": 9, "name": "ü"}', encoding="utf-8")
    assert Settings.from_file(path) == Settings(steps=9, name="ü")


def test_settings_are_changed_by_name_inside_too():
    changed = Settings().changed({"steps": 7, "share": 0.25})
    assert (changed.steps, changed.inner.share) == (7, 0.25)
    assert changed.name == Settings().name
    assert Settings().changed({}) == Settings()
    with pytest.raises(ConfigError, match=r"known settings were expected \(.*\); found colour, size"):
        Settings().changed({"size": 1, "colour": "red", "steps": 3})
    with pytest.raises(ConfigError, match="steps"):
        Settings().changed({"steps": 0})


def test_the_string_under_a_field_is_its_help():
    assert Settings.model_fields["steps"].description == "How many."
