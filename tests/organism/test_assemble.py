"""Dictionaries and tables of other seeds join a trained bundle: checked first, whole or not at all."""

import json
import shutil
from dataclasses import replace

import pytest

from gearscope.artifact import MANIFEST, write_manifest, write_text
from gearscope.errors import ArtifactError, ConfigError
from gearscope.features.archive import CACHE, unpacked
from gearscope.features.store import Library
from gearscope.lock import read_lock, verify_lock, write_lock
from gearscope.organism.assemble import assemble
from gearscope.organism.seeds import read_seed, table_of_bundle
from gearscope.organism.stages import train_bundle
from gearscope.organism.store import table_of
from gearscope.organism.train import running
from tests.features.tiny import tiny_library
from tests.organism.conftest import PLAN, ask_few


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Trained bundles of seeds 0 and 1."""
    folder = tmp_path_factory.mktemp("seeds")
    with pytest.MonkeyPatch.context() as patch:
        ask_few(patch)
        for seed in (0, 1):
            plan = replace(PLAN, main=PLAN.main.model_copy(update={"seed": seed}))
            train_bundle(plan, folder / str(seed))
            shutil.rmtree(running(folder / str(seed)))
    return folder


def dictionaries(folder, model):
    write_text(folder / "layer_0.safetensors", "weights")
    write_manifest(folder, "dictionary", config={}, inputs={"model": model})
    return folder


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_comes_together_under_one_lock(seeds, tmp_path):
    ours = read_lock(seeds / "0").model
    plt, clt = (dictionaries(tmp_path / name, ours) for name in ("plt", "clt"))
    out = tmp_path / "bundle"
    lock = assemble(seeds / "0", out, dictionaries={"plt": plt, "clt": clt}, seeds=[seeds / "1"], sealed=1)
    assert lock == verify_lock(out)
    assert list(lock.parts) == ["clt", "model", "plt", "seeds/1.json", "twins/one", "versions/two"]
    assert lock.model == ours != read_lock(seeds / "1").model
    stored = read_seed(out / "seeds/1.json")
    assert (stored.seed, stored.sealed) == (1, True)
    assert [row["name"] for row in stored.maps] == ["rhyme"]
    assert set(stored.tables) == set(PLAN.parts)
    told = json.loads((seeds / "1/model/truth/accuracy.json").read_text())
    assert table_of(stored.tables["model"]) == table_of(told)


def test_a_library_goes_in_as_an_archive_and_stays_when_the_bundle_is_assembled_again(seeds, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    tiny_library(tmp_path / "tiny").close()
    sealed = json.loads((tmp_path / "tiny" / MANIFEST).read_text())
    sealed["inputs"]["model"] = read_lock(seeds / "0").model
    write_text(tmp_path / "tiny" / MANIFEST, json.dumps(sealed))
    out = tmp_path / "bundle"
    assert "library" in assemble(seeds / "0", out, library=tmp_path / "tiny").parts
    assert "library" in assemble(out, out, replace=True).parts
    with Library.open(unpacked(out / "library")) as library:
        assert library.n_features > 0
    with pytest.raises(ArtifactError, match="should be made for the model"):
        assemble(seeds / "1", tmp_path / "other", library=tmp_path / "tiny")
    assert not (tmp_path / "other").exists()


def test_stored_tables_are_taken_over_and_an_earlier_bundle_goes_when_the_new_one_is_whole(seeds, tmp_path):
    out = tmp_path / "bundle"
    assemble(seeds / "0", out, seeds=[seeds / "1"], sealed=1)
    table = tmp_path / "kept.json"
    shutil.copy(out / "seeds/1.json", table)
    with pytest.raises(ArtifactError, match="one that exists"):
        assemble(seeds / "0", out, seeds=[table])
    plt = dictionaries(tmp_path / "plt", read_lock(seeds / "0").model)
    assemble(seeds / "0", out, dictionaries={"plt": plt}, seeds=[table], replace=True)
    assert read_seed(out / "seeds/1.json").sealed
    assert "plt" in verify_lock(out).parts
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "kept.json", "plt"]


def test_maps_of_another_seed_are_stored_as_they_are(seeds, tmp_path):
    other = shutil.copytree(seeds / "1", tmp_path / "other")
    write_text(other / "model/truth/interchange.json", '[{"name": "sum"}]')
    manifest = json.loads((other / "model/manifest.json").read_text())
    write_manifest(other / "model", "organism", config=manifest["config"], inputs=manifest["inputs"])
    with pytest.raises(ArtifactError, match="should be the part"):
        table_of_bundle(other, sealed=False)
    write_lock(other, read_lock(other).model)
    assert table_of_bundle(other, sealed=False).maps == [{"name": "sum"}]


@pytest.mark.parametrize("case", ["other model", "changed file", "own seed", "seed twice", "unknown sealed", "mixed"])
def test_what_does_not_belong_is_refused_and_the_earlier_bundle_stays(seeds, tmp_path, case):
    out = tmp_path / "bundle"
    assemble(seeds / "0", out)
    before = files(out)
    trained = shutil.copytree(seeds / "0", tmp_path / "trained")
    ours = read_lock(trained).model
    settings, message = {}, ""
    if case == "other model":
        settings = {"dictionaries": {"plt": dictionaries(tmp_path / "plt", "ff" * 8)}}
        message = f"made for the model {ours}; found one made for {'ff' * 8}; make it again for it"
    elif case == "changed file":
        weights = trained / "model/model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
        message = "changed or truncated"
    elif case == "own seed":
        settings, message = {"seeds": [trained]}, "other seeds were expected"
    elif case == "seed twice":
        settings, message = {"seeds": [seeds / "1", seeds / "1"]}, "each once"
    elif case == "unknown sealed":
        settings, message = {"seeds": [seeds / "1"], "sealed": 2}, "the sealed seed should be one"
    else:
        shutil.rmtree(trained / "twins/one")
        shutil.copytree(seeds / "1/twins/one", trained / "twins/one")
        message = f"made for the model {ours}; found one made for {read_lock(seeds / '1').model}"
    with pytest.raises((ArtifactError, ConfigError), match=message):
        assemble(trained, out, replace=True, **settings)
    assert files(out) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 7}, "format version 1; found 7"),
        ({"kind": "graph"}, "should hold a seed"),
        ({"tables": 3}, "result table of a seed"),
    ],
)
def test_a_table_of_another_format_is_one_clear_error(seeds, tmp_path, change, message):
    assemble(seeds / "0", tmp_path / "bundle", seeds=[seeds / "1"])
    path = tmp_path / "bundle/seeds/1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match=message):
        read_seed(path)
