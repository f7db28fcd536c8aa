"""Lists are kept, and travel as a file to another library of the same features."""

import json

import pytest

from gearscope.errors import ArtifactError, ConfigError, TargetError
from gearscope.features import lists
from gearscope.features.records import Listed
from gearscope.ids import FeatureId
from tests.features.tiny import tiny_library


def test_lists_are_kept_in_order_with_their_notes(library):
    made = lists.write_list(
        library, "animals", [Listed(FeatureId(2, 1), "both"), Listed(FeatureId(0, 0))], notes="mine"
    )
    assert made.features == (Listed(FeatureId(2, 1), "both"), Listed(FeatureId(0, 0), ""))
    more = lists.add_to_list(library, "animals", [Listed(FeatureId(0, 1), "dog"), Listed(FeatureId(2, 1), "changed")])
    assert [(str(one.feature), one.note) for one in more.features] == [("2/1", "changed"), ("0/0", ""), ("0/1", "dog")]
    assert more.notes == "mine"
    lists.add_to_list(library, "empty", [])
    assert lists.list_names(library) == ["animals", "empty"]
    lists.remove_list(library, "animals")
    assert lists.list_names(library) == ["empty"]


def test_lists_that_are_refused(library):
    with pytest.raises(TargetError, match="below 8"):
        lists.write_list(library, "x", [Listed(FeatureId(2, 8))])
    assert lists.list_names(library) == []
    with pytest.raises(ConfigError, match=r"a list of .* was expected \(none\); found 'x'"):
        lists.read_list(library, "x")
    with pytest.raises(ConfigError, match="a name and notes"):
        lists.write_list(library, " ", [])


def test_a_list_travels_as_a_file(library, tmp_path):
    made = lists.write_list(library, "animals", [Listed(FeatureId(2, 1), "ünï")], notes="n")
    lists.export_list(library, "animals", tmp_path / "animals.json")
    with tiny_library(tmp_path / "other") as other:
        assert lists.import_list(other, tmp_path / "animals.json")[:3] == made[:3]
    told = json.loads((tmp_path / "animals.json").read_text())
    for change in (
        {"inputs": {"model": "other", "dictionaries": "d" * 16}},
        {"inputs": 3},
        {"features": [{"feature": "9/9"}]},
        {"features": ["2/1"]},
        {"features": None},
        {"kind": "graph"},
    ):
        (tmp_path / "bad.json").write_text(json.dumps(told | change))
        with pytest.raises(ArtifactError, match=r"bad\.json should"):
            lists.import_list(library, tmp_path / "bad.json")
