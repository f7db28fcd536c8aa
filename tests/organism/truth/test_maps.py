"""Maps as data: shares, what they refuse, and their file."""

import json

import pytest

from gearscope.errors import ArtifactError, ConfigError
from gearscope.organism.truth.maps import TOLERANCE, differences
from gearscope.organism.truth.store import INTERCHANGE, maps_text, parsed_maps, read_maps, write_maps
from tests.oracles.hand_map import TWO_HOPS, hand_map


def test_shares_are_counts_of_the_pairs_that_count():
    assert TWO_HOPS.moves(1, 0) == 0.2
    assert TWO_HOPS.keeps(1, 1) == 0.1
    table = hand_map([(3, 0), (0, 20)], first=1, control=((0, 5), (0, 0)))
    assert [table.moves(0, place) for place in range(3)] == [0.0, 0.15, 0.0]
    assert [table.keeps(0, place) for place in range(3)] == [1.0, 0.85, 1.0]
    assert table.by_chance(0, 2) == 0.5
    assert table.by_chance(0, 0) == 0.0
    assert list(table.layers) == [0, 1]


def test_a_map_without_pairs_moves_nothing():
    table = hand_map([(0, 0, 0)] * 2, counted=0)
    assert table.moves(1, 2) == table.by_chance(0, 0) == 0.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"moved": ((1, 2), (3, 4))}, "rows of 3"),
        ({"kept": ((1, 2, 3),)}, "rows of 3"),
        ({"control": ((0, 0, 11), (0, 0, 0))}, "between 0 and 10"),
        ({"moved": ((-1, 0, 0), (0, 0, 0))}, "between 0 and 20"),
        ({"intended": ("nowhere",)}, "intended role"),
        ({"base_right": 19}, "continued rightly"),
        ({"source_right": 21}, "continued rightly"),
        ({"whole": (1,)}, "rows of 3"),
        ({"whole": (20, 21)}, "between 0 and 20"),
    ],
)
def test_counts_that_cannot_be_are_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        hand_map(**({"moved": [(0, 0, 0), (0, 0, 20)]} | changes))


def test_differences_name_the_map_and_the_largest_step():
    rows = [(100, 0, 0), (0, 0, 100)]
    table = hand_map(rows, counted=100)
    near = hand_map([(98, 0, 0), (0, 0, 100)], counted=100)
    far = hand_map([(100, 0, 4), (0, 0, 100)], counted=100)
    assert TOLERANCE == 0.03
    assert differences((table,), (table,)) == differences((table,), (near,)) == []
    assert differences((table,), (far,)) == ["hops/state differs by 4.0%"]
    assert differences((table,), ()) == differences((), (table,)) == ["hops/state on one side only"]
    other = hand_map(rows, counted=100, roles=("a", "c", "="), intended=())
    assert differences((table,), (other,)) == ["hops/state has other roles or layers"]


def test_maps_come_back_from_their_file(tmp_path):
    tables = (TWO_HOPS, hand_map([(0, 1), (2, 20)], first=1, name="other"))
    write_maps(tmp_path, tables)
    assert read_maps(tmp_path) == tables
    assert len((tmp_path / INTERCHANGE).read_text().splitlines()) == len(tables) + 2


def test_a_file_that_is_missing_or_damaged_is_one_clear_error(tmp_path):
    with pytest.raises(ArtifactError, match="maps were expected at"):
        read_maps(tmp_path)
    write_maps(tmp_path, (TWO_HOPS,))
    (row,) = json.loads(maps_text((TWO_HOPS,)))
    for text, said in [
        ("[", "Expecting value"),
        ("{}", "a list"),
        ("[3]", "a map: "),
        (json.dumps([row | {"counted": 21}]), "between|rightly"),
        (json.dumps([row | {"more": 1}]), "more"),
        (json.dumps([{k: v for k, v in row.items() if k != "moved"}]), "moved"),
        (json.dumps([row | {"moved": "all"}]), "moved"),
        (json.dumps([row, row]), "one map"),
    ]:
        (tmp_path / INTERCHANGE).write_text(text)
        with pytest.raises(ArtifactError, match=f"should hold interchange maps; found .*({said})"):
            read_maps(tmp_path)
    (tmp_path / INTERCHANGE).write_bytes(b"\xff\xfe")
    with pytest.raises(ArtifactError, match="should hold"):
        read_maps(tmp_path)


def test_text_without_maps_is_an_empty_list():
    assert parsed_maps(maps_text(())) == ()
