"""Libraries of other programs taken in, ours given out, and back: the same features, examples, tokens and values."""

import gzip
import itertools
import json
import struct
import sys
import zlib

import numpy as np
import pytest

from gearscope.errors import ArtifactError, ConfigError, TargetError
from gearscope.features.describe import as_json, describe
from gearscope.features.find import Query, by_direction, find
from gearscope.features.foreign.give import give
from gearscope.features.foreign.take import import_library
from gearscope.features.records import NewLabel
from gearscope.features.store import Library
from gearscope.ids import FeatureId


@pytest.fixture
def batch(fixtures_dir):
    return fixtures_dir / "feature_json" / "saedashboard_batch.json"


def jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def dump(folder, *, index=str, vectors=True, source="7-some-res-16k"):
    """A small source, as their database writes it; `index=int` as their converter does."""
    place = {"modelId": "some-model", "layer": source}
    features = [
        place
        | {
            "index": index(i), "maxActApprox": 2.5 * i, "hookName": "blocks.7.hook_resid_post",
            "vector": [float(i), 1.0, -1.0] if vectors else [], "pos_str": [" a", "b"], "pos_values": [1.25, 0.5],
            "neg_str": ["c"], "neg_values": [-0.75], "topkCosSimIndices": [3, 900][: 0 if i == 11 else 2],
            "topkCosSimValues": [0.5, 0.4][: 0 if i == 11 else 2],
            "umap_x": 1.5,
        }
        for i in (900, 3, 11)
        if i != 11 or index is str
    ]  # fmt: skip
    for row in features:
        row["frac_nonzero"] = 0.01 * (int(row["index"]) % 10)
    activations = [
        place | {"index": index(3), "tokens": [" The", " cat", " sat"], "values": [0, 2.5, 0.125], "binMin": -1,
                 "binMax": 7.5, "binContains": -1, "qualifyingTokenIndex": 1},
        place | {"index": index(900), "tokens": [" The", " cat", " sat"], "values": [0.1, 0, 0.3], "binMin": 0.2,
                 "binMax": 0.4, "binContains": 0.5, "qualifyingTokenIndex": 2},
        place | {"index": index(3), "tokens": ["x"], "values": [1.0], "binMin": 0.5, "binMax": 1.5,
                 "binContains": 0.25, "qualifyingTokenIndex": 9},
        place | {"index": index(5), "tokens": ["y"], "values": [1.0]},
    ]  # fmt: skip
    labels = [
        place | {"index": index(3), "description": "cats", "typeName": "oai_token-act-pair",
                 "explanationModelName": "some-llm",
                 "scores": [{"value": 0.75, "explanationScoreTypeName": "recall_alt"}]},
        place | {"index": index(900), "description": " "},
    ]  # fmt: skip
    jsonl(folder / "features" / "batch-0.jsonl.gz", features)
    jsonl(folder / "activations" / "batch-0.jsonl.gz", activations)
    jsonl(folder / "explanations" / "batch-0.jsonl.gz", labels)
    return folder


@pytest.mark.parametrize("index", [str, int])
def test_a_dump_says_what_it_says_and_nothing_more(tmp_path, index):
    taken = import_library(dump(tmp_path / "v1" / "m" / "s", index=index).parent.parent, tmp_path / "lib")
    assert taken == ("neuronpedia", 3 if index is str else 2, 1, 1, True)
    with Library.open(tmp_path / "lib", check_sums=True) as library:
        record = library.record(library.number(FeatureId(7, 3)))
        assert (record.density, record.max_activation, record.fired) == (pytest.approx(0.03), 7.5, None)
        assert [(e.text, e.effect) for e in record.promoted] == [(" a", 1.25), ("b", 0.5)]
        assert [(e.text, e.effect) for e in record.suppressed] == [("c", -0.75)]
        first, second = record.examples
        assert first.tokens == (" The", " cat", " sat")
        assert first.activations.tolist() == [0, 2.5, 0.125]
        assert (first.position, first.decile, first.interval) == (1, 0, None)
        assert (second.tokens, second.decile, second.interval) == (("x",), None, (0.5, 1.5, 0.25))
        assert [(n.feature, n.cosine) for n in record.neighbours] == [(FeatureId(7, 900), 0.4)]
        assert (record.deciles, record.triggers, record.cofiring, record.input_score) == ((), (), (), None)
        assert (record.on_map, record.histogram, record.kept["umap_x"]) == (None, (), 1.5)
        assert record.shelf.reads == ("blocks.7.hook_resid_post",)
        label = library.notes.labels(record.number)[0]
        assert label[2:8] == ("cats", "imported", "some-llm", 0.75, None, "recall_alt")
        assert record.examples[0].window == library.record(library.number(FeatureId(7, 900))).examples[0].window
        assert "as its source says" in describe(library, record)
        json.dumps(as_json(library, record), allow_nan=False)


def test_an_imported_library_is_searched(tmp_path):
    import_library(dump(tmp_path / "s"), tmp_path / "lib")
    with Library.open(tmp_path / "lib") as library:

        def names(**query):
            return [str(hit.feature) for hit in find(library, Query(**query))]

        assert names() == ["7/3", "7/11", "7/900"]
        assert names(label="cat") == names(text="cat sat", max_density=0.5, dead=False) == ["7/3"]
        assert set(names(text="cat sat")) == {"7/3", "7/900"}
        assert set(names(promotes="b")) == {"7/3", "7/11", "7/900"}
        assert names(suppresses=" a") == []
        assert names(dead=True) == ["7/900"]
        assert names(sort="max_activation", most=1) == ["7/900"]
        assert names(near="7/3") == ["7/900"]  # what the source names
        assert names(near="7/11") == ["7/900", "7/3"]  # cosines .99 and .95
        expected = np.array([[3, 1, -1], [11, 1, -1], [900, 1, -1]]) @ [0, 1, 0] / np.sqrt([11, 123, 810002])
        np.testing.assert_allclose(by_direction(library, np.array([0, 2.0, 0])), expected, rtol=1e-5)
        with pytest.raises(ConfigError, match=r"a library with triggers was expected; found an imported one"):
            names(token="cat")
        with pytest.raises(ConfigError, match="a library with input score"):
            names(min_input_score=0.5)
        with pytest.raises(TargetError, match=r"one of the 3 features of layer 7 that were imported .*; found 7/4"):
            library.number(FeatureId(7, 4))


def test_without_vectors_there_are_no_directions(tmp_path):
    import_library(dump(tmp_path / "s", vectors=False), tmp_path / "lib")
    with Library.open(tmp_path / "lib") as library:
        assert not (tmp_path / "lib" / "vectors.safetensors").exists()
        with pytest.raises(ConfigError, match="a library with vector was expected; found an imported one"):
            by_direction(library, np.ones(3))


def same(a: Library, b: Library) -> None:
    """What both hold of every feature, but for what is not known of imported ones."""
    assert a.n_features == b.n_features
    for number in range(a.n_features):
        one, two = a.record(number), b.record(number)
        assert one.feature == two.feature
        assert one.density == pytest.approx(two.density, rel=1e-6)
        assert np.float32(one.max_activation) == np.float32(two.max_activation)
        for ours, theirs in ((one.promoted, two.promoted), (one.suppressed, two.suppressed)):
            assert [(e.text, np.float32(e.effect)) for e in ours] == [(e.text, np.float32(e.effect)) for e in theirs]
        mine, others = (sorted(map(example, record.examples)) for record in (one, two))
        assert mine == others
        labels = [[(n.text, n.model, n.score) for n in lib.notes.labels(number)] for lib in (a, b)]
        assert labels[0] == labels[1]


def example(one):
    return tuple(one.tokens), one.position, tuple(one.activations.tolist()), one.decile == 0


def through(library, tmp_path, name):
    give(library, "neuronpedia", tmp_path / name)
    import_library(tmp_path / name, tmp_path / f"{name}-lib")
    return Library.open(tmp_path / f"{name}-lib", check_sums=True)


def test_a_built_library_comes_back(library, tmp_path):
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(0, "cat", "human"), NewLabel(13, "cats, dogs", "rule", score=0.5, scored_by="f1")])
    with through(library, tmp_path, "once") as back, through(back, tmp_path, "twice") as again:
        same(library, back)
        same(back, again)
        assert {p.name for p in (tmp_path / "once" / "v1" / "tiny").iterdir()} == {
            "0-gearscope-plt", "2-gearscope-plt"
        }  # fmt: skip
        twelfth = library.record(13)
        intervals = {e.interval for e in back.record(13).examples if e.interval is not None}
        edges = [0.0, *twelfth.deciles, twelfth.max_activation]
        assert {(i.low, i.high) for i in intervals} <= {
            tuple(np.float32([low, high]).tolist()) for low, high in itertools.pairwise(edges)
        }
        assert [b.count for b in back.record(13).histogram] == [b.count for b in twelfth.histogram]
        first = [p.relative_to(tmp_path / "once") for p in sorted((tmp_path / "once").rglob("*.gz"))]
        assert len(first) == 6


def test_a_real_batch_and_back(tmp_path, batch):
    import_library(batch, tmp_path / "lib")
    told = json.loads(batch.read_text())["features"]
    with Library.open(tmp_path / "lib", check_sums=True) as library, through(library, tmp_path, "np") as back:
        same(library, back)
        for number, raw in enumerate(told):
            record, kept = library.record(number), back.record(number).kept
            assert record.feature == (0, raw["feature_index"])
            assert record.density == pytest.approx(raw["frac_nonzero"])
            assert [b.count for b in record.histogram] == raw["freq_hist_data_bar_heights"]
            assert kept["correlated_neurons_pearson"] == raw["correlated_neurons_pearson"]
            assert kept["n_prompts_total"] == 5000
            examples = sorted((tuple(e.tokens), tuple(e.activations.tolist()), e.position) for e in record.examples)
            assert examples == sorted(
                (tuple(a["tokens"]), tuple(np.float32(a["values"]).tolist()), a["qualifying_token_index"])
                for a in raw["activations"]
            )
            top = [e for e in record.examples if e.decile == 0]
            assert len(top) == sum(a["bin_contains"] == -1 for a in raw["activations"])
            assert [e.activation for e in top] == sorted((e.activation for e in top), reverse=True)


def unpacked(folder, layer, index):
    """A record of a packed file, by the format's own words."""
    told = json.loads(gzip.decompress((folder / "features" / "index.json.gz").read_bytes()))[layer]
    raw = (folder / "features" / told["filename"]).read_bytes()[told["offsets"][index] : told["offsets"][index + 1]]
    if not raw:
        return None
    assert struct.unpack("<I", raw[:4])[0] == len(raw) - 4
    return json.loads(zlib.decompress(raw[4:]))


def test_graph_pages_find_their_features(library, tmp_path):
    give(library, "packed", tmp_path / "out", model="../../elsewhere")
    singles = tmp_path / "out" / "features" / "-..-elsewhere"
    for number in range(library.n_features):
        record = library.record(number)
        told = unpacked(tmp_path / "out", *record.feature)
        layer, index = record.feature
        assert told == json.loads((singles / f"{(layer + index) * (layer + index + 1) // 2 + index}.json").read_text())
        examples = [e for group in told["examples_quantiles"] for e in group["examples"]]
        assert [(e["tokens"], e["train_token_ind"]) for e in examples] == [
            (list(e.tokens), e.position) for e in record.examples
        ]
        assert all(
            np.float32(e["tokens_acts_list"]).tolist() == ours.activations.tolist()
            for e, ours in zip(examples, record.examples, strict=True)
        )
        assert told["activation_frequency"] == record.density
        assert told["top_logits"] == [effect.text for effect in record.promoted]
    assert json.loads(gzip.decompress((tmp_path / "out/features/index.json.gz").read_bytes()))[1] == {
        "filename": "", "offsets": [0]
    }  # fmt: skip


def test_packed_files_have_places_for_features_that_are_not_there(tmp_path):
    import_library(dump(tmp_path / "s"), tmp_path / "lib")
    with Library.open(tmp_path / "lib") as library:
        give(library, "packed", tmp_path / "out")
    assert unpacked(tmp_path / "out", 7, 4) is None
    assert unpacked(tmp_path / "out", 7, 900)["index"] == 900


def test_feature_files_follow_the_published_schema(library, tmp_path, batch, fixtures_dir):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((fixtures_dir / "schemas" / "feature-details-schema.json").read_text())
    import_library(batch, tmp_path / "imported")
    with Library.open(tmp_path / "imported") as imported:
        for name, lib in (("ours", library), ("theirs", imported)):
            give(lib, "packed", tmp_path / name)
    files = [*(tmp_path / "ours").rglob("*.json"), *(tmp_path / "theirs").rglob("*.json")]
    assert len(files) == 22
    for path in files:
        jsonschema.validate(json.loads(path.read_text()), schema)


def test_uploads_keep_the_limits(library, tmp_path):
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(0, "x" * 600, "llm", model="some-llm")])
    left_out = give(library, "neuronpedia-upload", tmp_path / "out", model="m", source_set="mine")
    dead = [n for n in range(20) if not library.record(n).examples]
    assert left_out == len(dead) == 2
    bodies = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").rglob("batch-*.json"))]
    assert [(b["modelId"], b["source"], len(b["features"])) for b in bodies] == [
        ("m", "0-mine", 11), ("m", "2-mine", 7)
    ]  # fmt: skip
    first = bodies[0]["features"][0]
    assert len(first["explanations"][0]["text"]) == 512
    assert first["explanations"][0]["modelName"] == "some-llm"
    assert first["density"] == library.record(0).density
    for feature in (f for body in bodies for f in body["features"]):
        assert len(feature["topLogits"]) <= 20
        assert all(len(a["tokens"]) == len(a["values"]) <= 1024 for a in feature["activations"])
        assert feature["activations"]
    tenths = [a for a in first["activations"] if "quantileFraction" in a]
    assert all(a["quantileMin"] <= max(a["values"]) * 1.1 for a in tenths)


def test_long_windows_are_cut_around_their_token(tmp_path):
    values = [0.0] * 1500
    values[1400] = 2.0
    place = {"modelId": "m", "layer": "0-s", "index": 1}
    jsonl(tmp_path / "s/features/batch-0.jsonl.gz", [place])
    row = {"tokens": [f"t{i}" for i in range(1500)], "values": values}
    jsonl(tmp_path / "s/activations/batch-0.jsonl.gz", [place | row])
    import_library(tmp_path / "s", tmp_path / "lib")
    with Library.open(tmp_path / "lib") as library:
        assert library.record(0).density is None
        give(library, "neuronpedia-upload", tmp_path / "out")
    body = json.loads((tmp_path / "out/0-s/batch-0.json").read_text())["features"][0]
    activation = body["activations"][0]
    assert (len(activation["tokens"]), activation["tokens"][activation["values"].index(2.0)]) == (1024, "t1400")
    assert "density" not in body


def test_128_features_fill_a_batch(tmp_path):
    rows = [{"modelId": "m", "layer": "0-s", "index": i, "tokens": ["a"], "values": [1]} for i in range(300)]
    jsonl(tmp_path / "s/features/batch-0.jsonl.gz", rows)
    jsonl(tmp_path / "s/activations/batch-0.jsonl.gz", rows)
    import_library(tmp_path / "s", tmp_path / "lib")
    with Library.open(tmp_path / "lib") as library:
        assert give(library, "neuronpedia-upload", tmp_path / "out") == 0
    bodies = [json.loads((tmp_path / f"out/0-s/batch-{i}.json").read_text()) for i in range(3)]
    assert [len(body["features"]) for body in bodies] == [128, 128, 44]
    assert [f["index"] for body in bodies for f in body["features"]] == list(range(300))


def test_parquet(library, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with library.write_notes() as notes:
        notes.add_labels([NewLabel(0, "cat", "human", score=0.25)])
    give(library, "parquet", tmp_path / "out")
    features, examples, labels = (
        parquet.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        for name in ("features", "examples", "labels")
    )
    assert [(r["layer"], r["index"]) for r in features] == [tuple(library.feature(n)) for n in range(20)]
    assert [r["fired"] for r in features] == library.columns["fired"].tolist()
    assert (features[0]["label"], features[0]["label_score"], features[1]["label"]) == ("cat", 0.25, None)
    ours = [(n, e) for n in range(20) for e in library.record(n).examples]
    assert len(examples) == len(ours)
    for row, (number, one) in zip(examples, ours, strict=True):
        assert (row["layer"], row["index"], row["tokens"]) == (*library.feature(number), list(one.tokens))
        assert row["activations"] == one.activations.tolist()
    assert [(r["layer"], r["index"], r["text"], r["method"]) for r in labels] == [(0, 0, "cat", "human")]


def test_without_pyarrow_the_way_to_install_it_is_said(library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install gearscope\[data\]"):
        give(library, "parquet", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(library, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ArtifactError, match="a new folder was expected"):
        give(library, "packed", tmp_path / "out")
    with pytest.raises(ArtifactError, match="a new folder was expected"):
        import_library(dump(tmp_path / "s"), tmp_path / "out")
