"""`library` and `features`: built from names, shown, searched, listed; mistakes are one sentence."""

import json

import pytest

from gearscope.artifact import read_manifest
from gearscope.features.records import NewLabel
from gearscope.features.store import Library
from tests.features.tiny import tiny_library


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A library of the bundled model's transcoders, from 1,500 tokens; made by the first test that asks."""
    from gearscope.cli.main import main

    out = tmp_path_factory.mktemp("built") / "lib"
    assert main(["library", "build", "--out", str(out), "--set", "tokens=1500", "--shards", "2"]) == 0
    return out


@pytest.fixture
def tiny(tmp_path):
    tiny_library(tmp_path / "tiny").close()
    return tmp_path / "tiny"


def test_a_library_of_the_bundled_model(built, gearscope):
    with Library.open(built, check_sums=True) as library:
        contents = library.contents
        assert (contents.model, contents.dictionaries, contents.corpus, contents.context) == (
            "organism", "plt", "organism", 64,
        )  # fmt: skip
        assert [shelf.layer for shelf in contents.shelves] == [0, 1, 2, 3]
        assert library.n_tokens >= 1500
        number = int(library.columns["fired"].argmax())
        name = str(library.feature(number))
    assert set(read_manifest(built, "feature library")["inputs"]) == {"model", "dictionaries", "corpus"}
    shown = gearscope("library", "show", str(built), name)
    assert shown.code == 0
    assert f"feature  {name}   plt" in shown.out
    assert "[[" in shown.out
    told = json.loads(gearscope("library", "show", str(built), name, "--json").out)
    assert told["number"] == number


def test_what_fires_on_a_prompt_with_its_labels(built, gearscope):
    told = gearscope("features", "calc : 36 + 59 =", "--library", str(built), "--json")
    assert told.code == 0, told.err
    tokens = json.loads(told.out)
    assert [one["token"].strip() for one in tokens][1:4] == ["calc", ":", "36"]
    assert tokens[0]["features"] == []
    assert tokens[3]["features"]
    name = tokens[3]["features"][0]["feature"]
    with Library.open(built) as library, library.write_notes() as notes:
        from gearscope.ids import FeatureId

        notes.add_labels([NewLabel(library.number(FeatureId.parse(name)), "thirty-six", "human")])
    text = gearscope("features", "calc : 36 + 59 =", "--library", str(built), "--most", "1").out
    assert "thirty-six" in text
    found = json.loads(gearscope("library", "search", str(built), "thirty", "--json").out)
    assert [hit["feature"] for hit in found] == [name]


def test_a_contrast_of_two_texts(built, gearscope):
    arguments = ("--fires-in", "calc : 36 + 59 =", "--not-in", "calc : 36 + 36 =", "--json")
    told = gearscope("library", "search", str(built), *arguments)
    assert told.code == 0, told.err
    assert json.loads(told.out)
    alone = gearscope("library", "search", str(built), "--fires-in", "calc")
    assert (alone.code, "go together" in alone.err) == (2, True)


def test_search_and_lists(tiny, gearscope):
    found = json.loads(gearscope("library", "search", str(tiny), "--token", "cat", "--layer", "0", "--json").out)
    assert [hit["feature"] for hit in found] == ["0/0"]
    assert gearscope("library", "search", str(tiny), "--kind", "sae").out == "no feature\n"
    assert gearscope("library", "search", str(tiny), "--dead").out.split()[0] == "0/11"
    added = gearscope("library", "list", str(tiny), "animals", "--add", "0/0=cats", "--add", "0/1")
    assert added.out.splitlines()[0] == "animals: 2 features"
    out = tiny.parent / "animals.json"
    assert gearscope("library", "list", str(tiny), "animals", "--export", str(out)).code == 0
    assert gearscope("library", "list", str(tiny), "animals", "--remove").code == 0
    assert gearscope("library", "list", str(tiny)).out == "no list\n"
    told = json.loads(gearscope("library", "list", str(tiny), "--import", str(out), "--json").out)
    assert told["features"][0] == {"feature": "0/0", "note": "cats"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "{tiny}", "1/0"), "a feature of layer 0, 2 was expected; found 1/0"),
        (("show", "{tiny}", "cat"), "a feature is written LAYER/INDEX"),
        (("show", "{nowhere}", "0/0"), "a feature library folder with a manifest.json was expected"),
        (("search", "{tiny}", "--token", "zebra"), "a token of tiny was expected; found 'zebra'"),
        (("search", "{tiny}", "--max-density", "7"), "valid Query settings were expected"),
        (("search", "{tiny}", "--direction", "{nowhere}"), "should be a safetensors file with a vector"),
        (("list", "{tiny}", "none"), "a list of"),
        (("list", "{tiny}", "--import", "{nowhere}"), "a feature list was expected"),
        (("build", "--out", "{tiny}"), "a new folder was expected"),
        (("build", "--out", "{nowhere}", "--set", "tops=3"), "known settings were expected"),
        (("build", "--out", "{nowhere}", "--model", "some/model"), "a corpus for some/model was expected"),
        (("build", "--out", "{nowhere}", "--dictionary", "{tiny}"), "should hold"),
    ],
)
def test_mistakes_are_one_sentence(tiny, gearscope, arguments, said):
    filled = [part.format(tiny=tiny, nowhere=tiny.parent / "nowhere") for part in arguments]
    done = gearscope("library", *filled)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tiny.parent / "nowhere").exists()


@pytest.mark.parametrize("form", ["neuronpedia", "neuronpedia-upload", "packed", "parquet"])
def test_export(tiny, tmp_path, gearscope, form):
    out = tmp_path / "out"
    told = gearscope("library", "export", str(tiny), "--to", form, "--out", str(out), "--json")
    assert told.code == 0, told.err
    dead = 2 if form == "neuronpedia-upload" else 0
    assert json.loads(told.out) == {"out": str(out), "features": 20 - dead, "left_out": dead}
    assert any(path.is_file() for path in out.rglob("*"))


def test_import_and_what_needs_the_model(tiny, tmp_path, gearscope):
    assert gearscope("library", "export", str(tiny), "--to", "neuronpedia", "--out", str(tmp_path / "np")).code == 0
    taken = gearscope("library", "import", str(tmp_path / "np"), "--out", str(tmp_path / "lib"))
    assert taken.out.startswith("20 features of neuronpedia, without directions")
    shown = gearscope("library", "show", str(tmp_path / "lib"), "0/0").out
    assert "imported from neuronpedia" in shown
    assert "[[cat]]" in shown
    found = gearscope("library", "search", str(tmp_path / "lib"), "--text", "cat", "--json")
    assert "0/0" in [hit["feature"] for hit in json.loads(found.out)]
    assert gearscope("library", "list", str(tmp_path / "lib"), "mine", "--add", "0/0=nice").code == 0
    refused = gearscope("features", "a cat", "--library", str(tmp_path / "lib"))
    assert refused.code == 2
    assert "to open its model; found an imported one" in refused.err
    none = gearscope("library", "import", str(tmp_path), "--out", str(tmp_path / "other"))
    assert (none.code, none.out) == (2, "")
    assert "a Neuronpedia source was expected" in none.err


def test_the_bundled_library_is_opened_by_its_name(gearscope, monkeypatch, tmp_path):
    monkeypatch.setenv("GEARSCOPE_CACHE", str(tmp_path))
    told = gearscope("library", "search", "organism", "capital")
    assert told.code == 0
    assert '"capital' in told.out
    name = told.out.split()[0]
    shown = gearscope("library", "show", "organism", name)
    assert "of its largest activation or more; for every firing" in shown.out
    assert len(list(tmp_path.glob("library-*"))) == 1


def test_text_that_cannot_be_read_leaves_nothing_behind(gearscope, tmp_path):
    (tmp_path / "empty.txt").touch()
    build = ("library", "build", "--dictionary", "plt", "--out", str(tmp_path / "lib"), "--corpus")
    for _ in range(2):
        told = gearscope(*build, str(tmp_path / "empty.txt"))
        assert (told.code, told.out) == (2, "")
        assert "found none" in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["empty.txt"]
