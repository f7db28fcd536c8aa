"""Files of strangers that are damaged or mean: one sentence, no library, nothing unpacked beyond the limits."""

import contextlib
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.errors import ArtifactError, GearscopeError
from gearscope.features.foreign.files import LIMITS, Fields, document, lines
from gearscope.features.foreign.give import give
from gearscope.features.foreign.naming import safe
from gearscope.features.foreign.take import import_library
from gearscope.features.store import Library
from tests.features.test_foreign import dump, jsonl

FEATURE = {"modelId": "m", "layer": "0-s", "index": 1, "frac_nonzero": 0.5, "maxActApprox": 1.0}
ACTIVATION = {"modelId": "m", "layer": "0-s", "index": 1, "tokens": ["a", "b"], "values": [0.5, 1.0]}
BATCH = {
    "model_id": "m", "layer": 0, "sae_set": "s",
    "features": [{"feature_index": 1, "activations": [{"tokens": ["a"], "values": [1.0]}]}],
}  # fmt: skip


def refused(path, out, match, **limits):
    with pytest.raises(ArtifactError, match=match) as caught:
        import_library(path, out, limits=LIMITS._replace(**limits))
    assert not out.exists()
    assert len(str(caught.value)) < 600
    assert [p.name for p in out.parent.iterdir() if p.name.startswith(f".{out.name}")] == []


def source(folder, feature=FEATURE, activation=ACTIVATION):
    jsonl(folder / "features" / "batch-0.jsonl.gz", [feature])
    jsonl(folder / "activations" / "batch-0.jsonl.gz", [activation])
    return folder


def test_the_plain_ones_are_taken(tmp_path):
    assert import_library(source(tmp_path / "s"), tmp_path / "lib").features == 1
    path = tmp_path / "batch-0.json"
    path.write_text(json.dumps(BATCH))
    assert import_library(path, tmp_path / "lib2").features == 1


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"index": -1}, "a whole number below"),
        ({"index": "12x"}, "a whole number below"),
        ({"index": 2**31}, "a whole number below"),
        ({"index": True}, "a whole number below"),
        ({"index": "９"}, "a whole number below"),
        ({"index": 1.5}, "a whole number below"),
        ({"layer": "../../etc"}, "should name its source"),
        ({"layer": "7-a/b"}, "should name its source"),
        ({"layer": 7}, "strings of at most"),
        ({"frac_nonzero": 1.5}, "a share of tokens from 0 to 1"),
        ({"frac_nonzero": float("nan")}, "should be JSON; found NaN"),
        ({"frac_nonzero": float("inf")}, "should be JSON; found Infinity"),
        ({"frac_nonzero": "0.5"}, "should have numbers"),
        ({"maxActApprox": 1e300}, "finite numbers"),
        ({"maxActApprox": 10**400}, "numbers"),
        ({"vector": [1, [2]]}, "should have numbers"),
        ({"vector": [1, None]}, "should have numbers"),
        ({"vector": [1, "2"]}, "should have numbers"),
        ({"vector": {"0": 1}}, "a list of at most"),
        ({"pos_str": ["a"], "pos_values": []}, "as many pos_str as pos_values"),
        ({"pos_str": ["a", 3], "pos_values": [1, 2]}, "strings of at most"),
        ({"pos_str": ["\ud800"], "pos_values": [1]}, "strings of whole characters"),
        ({"pos_str": ["a" * 20_000], "pos_values": [1]}, "strings of at most"),
        ({"umap_x": {"a": 1}}, "should have numbers"),
    ],
)
def test_rows_that_lie(tmp_path, change, match):
    refused(source(tmp_path / "s", FEATURE | change), tmp_path / "lib", match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"values": [1.0]}, "tokens and as many values"),
        ({"tokens": [], "values": []}, "tokens and as many values"),
        ({"tokens": ["a"] * 5000, "values": [1] * 5000}, "1 to 4096 tokens"),
        ({"values": [1, 1e39]}, "finite numbers"),
        ({"tokens": "ab"}, "a list of at most"),
        ({"binMin": "low"}, "should have numbers"),
        ({"modelId": "other"}, "of one model"),
    ],
)
def test_activations_that_lie(tmp_path, change, match):
    refused(source(tmp_path / "s", activation=ACTIVATION | change), tmp_path / "lib", match)


def test_the_same_feature_twice(tmp_path):
    jsonl(tmp_path / "s" / "features" / "batch-0.jsonl.gz", [FEATURE, FEATURE | {"index": "1"}])
    refused(tmp_path / "s", tmp_path / "lib", "feature 1 of 0-s was expected once")


def test_two_sources_of_one_layer(tmp_path):
    for name in ("0-s", "0-t"):
        source(tmp_path / "v1" / "m" / name, FEATURE | {"layer": name}, ACTIVATION | {"layer": name})
    with pytest.raises(GearscopeError, match="one dictionary per layer"):
        import_library(tmp_path / "v1", tmp_path / "lib")


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "s" / "features" / "batch-0.jsonl.gz"
    path.parent.mkdir(parents=True)
    with gzip.open(path, "wb") as stream:
        for _ in range(64):
            stream.write(b" " * (1 << 20))
    assert path.stat().st_size < 100_000
    refused(tmp_path / "s", tmp_path / "lib", "lines of at most 1,048,576 bytes", line=1 << 20)
    with gzip.open(path, "wb") as stream:
        stream.write(b"\n" * (1 << 21))
    refused(tmp_path / "s", tmp_path / "lib", "unpack to at most 1,048,576 bytes", unpacked=1 << 20)


def test_a_document_has_an_end(tmp_path):
    path = tmp_path / "batch-0.json"
    path.write_text(json.dumps(BATCH) + " " * 2000)
    refused(path, tmp_path / "lib", "a file of at most 1,000 bytes", document=1000)


@pytest.mark.parametrize(
    "raw",
    [b"", b"not gzip", gzip.compress(b'{"a": 1}')[:-4], gzip.compress(b"[" * 100_000), gzip.compress(b'"\xff"')],
    ids=["empty", "other", "cut off", "deep", "no text"],
)
def test_damaged_files(tmp_path, raw):
    path = tmp_path / "s" / "features" / "batch-0.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)
    with pytest.raises(ArtifactError):
        import_library(tmp_path / "s", tmp_path / "lib")
    assert not (tmp_path / "lib").exists()


@pytest.mark.parametrize("limits", [{"features": 1}, {"words": 2}])
def test_no_more_than_can_be_held(tmp_path, limits):
    refused(dump(tmp_path / "s"), tmp_path / "lib", "at most", **limits)


@pytest.mark.parametrize("what", ["nothing", "folder", "graph"])
def test_what_is_none_of_these(tmp_path, what):
    path = tmp_path / "x"
    if what == "folder":
        path.mkdir()
    if what == "graph":
        path.write_text('{"metadata": {}, "nodes": [], "links": []}')
    refused(path, tmp_path / "lib", "was expected at|as 'layer'|sae_set")


@settings(max_examples=30, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    name=st.sampled_from(sorted({*FEATURE, *ACTIVATION, "vector", "pos_str", "pos_values", "umap_x", "hookName"})),
)
def test_any_value_is_taken_or_refused(tmp_path_factory, value, name):
    folder = tmp_path_factory.mktemp("any")
    changed = {name: value}
    try:
        import_library(source(folder / "s", FEATURE | changed, ACTIVATION | changed), folder / "lib")
    except GearscopeError:
        assert not (folder / "lib").exists()
    else:
        with Library.open(folder / "lib", check_sums=True) as library:
            library.record(0)
            give(library, "neuronpedia", folder / "out")


@settings(max_examples=40, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(raw)
    for read in (document, lambda p: list(lines(p))):
        with contextlib.suppress(ArtifactError):
            assert isinstance(read(path), Fields | list)


@pytest.mark.parametrize("name", ["../up", "/abs/olute", "..", "a/b\\c", "", "\x00", "é" * 300, "-rf", "CON."])
def test_names_stay_in_their_folder(name, tmp_path):
    made = safe(name)
    assert (tmp_path / made).parent == tmp_path
    assert made not in ("", ".", "..")
    assert len(made) <= 100
