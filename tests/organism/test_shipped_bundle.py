"""The bundle in the package: whole, small, opened by plain transformers, and able to do what it says."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gearscope.errors import ArtifactError
from gearscope.lock import verify_lock
from gearscope.models.load import open_model
from gearscope.organism.bundle import shipped_bundle, shipped_model
from gearscope.organism.config import OrganismConfig
from gearscope.organism.evaluate import measure
from gearscope.organism.runs import plan_of
from gearscope.organism.seeds import read_seed
from gearscope.organism.store import open_weights, read_config, read_table, table_of
from gearscope.organism.truth.store import read_maps
from gearscope.organism.verify import check_world

SAMPLE = 150


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(shipped_model(), use_safetensors=True, local_files_only=True)


def test_it_is_whole_small_and_made_by_the_default_recipe():
    lock = verify_lock(shipped_bundle())
    assert {*plan_of(0).parts, "plt", "clt", "library"} <= set(lock.parts)
    assert open_model(shipped_model()).fingerprint == lock.model
    size = {path: path.stat().st_size for path in shipped_bundle().rglob("*") if path.is_file()}
    assert sum(size.values()) < 39.5e6, "40 MB ship at most, pictures of the pages among them"
    assert sum(size[path] for path in size if shipped_model() in path.parents) < 5e6
    assert read_config(shipped_model(), "organism") == OrganismConfig()
    check_world(shipped_model())


@pytest.mark.parametrize("name", plan_of(0).twins)
def test_twins_are_small_and_say_what_they_lack(name):
    config = read_config(shipped_bundle() / "twins" / name, "twin")
    assert config == plan_of(0).twins[name].config
    assert sum(p.numel() for p in open_weights(shipped_bundle() / "twins" / name).parameters()) <= 300_000


def test_other_seeds_are_stored_and_one_was_sealed():
    paths = sorted((shipped_bundle() / "seeds").iterdir())
    tables = [read_seed(path) for path in paths]
    assert len(tables) == 2
    assert [table.sealed for table in tables].count(True) == 1
    for table in tables:
        assert set(table.tables) == set(plan_of(0).parts)
        bars, rows = OrganismConfig().bars, table_of(table.tables["model"])
        missed = [name for name, row in rows.items() if row.held_out.accuracy < bars.get(name, 0.0)]
        assert missed == (["adjective_order"] if table.sealed else []), "as docs/organism.md says"


def test_it_opens_in_float32_with_separate_embeddings(model):
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.get_input_embeddings().weight is not model.get_output_embeddings().weight
    assert 1.0e6 < sum(parameter.numel() for parameter in model.parameters()) < 1.6e6


@pytest.mark.parametrize("name", ["addition", "two_hops", "rhyme", "rhyme_written"])
def test_stored_accuracies_are_over_their_bars(name):
    assert read_table(shipped_model())[name].held_out.accuracy >= OrganismConfig().bars[name]


def test_every_map_of_the_organism_is_about_pairs_that_it_continues_rightly():
    for table in read_maps(shipped_model()):
        assert table.counted >= 20, table.title


def test_stored_accuracies_are_far_from_chance_and_from_enough_questions():
    table = read_table(shipped_model())
    for name in ("addition", "two_hops", "rhyme", "spelled_words", "jailbreak_refused", "sense"):
        assert table[name].chance.accuracy < 0.1
    assert table["addition"].held_out.count > 2400
    assert table["rhyme"].held_out.count >= 500


@pytest.mark.parametrize("name", ["addition", "two_hops", "rhyme", "rhyme_written"])
def test_a_sample_of_held_out_questions_is_answered(model, name):
    assert measure(model, name, limit=SAMPLE).held_out.accuracy >= OrganismConfig().bars[name] - 0.02


def test_it_writes_the_demonstration_and_stops_at_the_line_end(model):
    tokenizer = AutoTokenizer.from_pretrained(shipped_model(), local_files_only=True)
    ids = tokenizer("calc : 36 + 59 =", return_tensors="pt").input_ids
    written = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    assert tokenizer.decode(written[0], skip_special_tokens=True) == "calc : 36 + 59 = 95\n"


def test_held_out_truth_names_the_demonstration_pair():
    truth = json.loads((shipped_model() / "truth" / "held_out.json").read_text())
    assert "calc : 36 + 59 = 95" in truth["addition"]["texts"]
    assert any("dal las" in text for text in truth["two_hops"]["texts"])


def test_a_missing_bundle_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("gearscope.organism.bundle.SHIPPED", Path("nowhere"))
    with pytest.raises(ArtifactError, match="shipped organism was expected"):
        shipped_bundle()
