"""The bundle in the package: whole, small, opened by plain transformers, and able to do what it says."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gearscope.artifact import verify
from gearscope.errors import ArtifactError
from gearscope.organism.bundle import shipped_bundle
from gearscope.organism.config import OrganismConfig
from gearscope.organism.evaluate import measure
from gearscope.organism.store import read_config, read_table
from gearscope.organism.verify import check_world

SAMPLE = 150


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(shipped_bundle(), use_safetensors=True, local_files_only=True)


def test_it_is_whole_small_and_made_by_the_default_recipe():
    manifest = verify(shipped_bundle(), "organism")
    assert sum((shipped_bundle() / name).stat().st_size for name in manifest["files"]) < 5e6
    assert read_config(shipped_bundle()) == OrganismConfig()
    check_world(shipped_bundle())


def test_it_opens_in_float32_with_separate_embeddings(model):
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.get_input_embeddings().weight is not model.get_output_embeddings().weight
    assert 1.0e6 < sum(parameter.numel() for parameter in model.parameters()) < 1.5e6


@pytest.mark.parametrize("name", ["addition", "two_hops", "rhyme", "rhyme_written"])
def test_stored_accuracies_are_over_their_bars(name):
    assert read_table(shipped_bundle())[name].held_out.accuracy >= OrganismConfig().bars[name]


def test_stored_accuracies_are_far_from_chance_and_from_enough_questions():
    table = read_table(shipped_bundle())
    assert all(row.chance.accuracy < 0.2 for row in table.values())
    assert table["addition"].held_out.count > 2400
    assert table["rhyme"].held_out.count >= 500


@pytest.mark.parametrize("name", ["addition", "two_hops", "rhyme", "rhyme_written"])
def test_a_sample_of_held_out_questions_is_answered(model, name):
    assert measure(model, name, limit=SAMPLE).held_out.accuracy >= OrganismConfig().bars[name] - 0.02


def test_it_writes_the_demonstration_and_stops_at_the_line_end(model):
    tokenizer = AutoTokenizer.from_pretrained(shipped_bundle(), local_files_only=True)
    ids = tokenizer("calc : 36 + 59 =", return_tensors="pt").input_ids
    written = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    assert tokenizer.decode(written[0], skip_special_tokens=True) == "calc : 36 + 59 = 95\n"


def test_held_out_truth_names_the_demonstration_pair():
    truth = json.loads((shipped_bundle() / "truth" / "held_out.json").read_text())
    assert [36, 59] in truth["addition"]
    assert truth["two_hops"]["dal las"] == "texas"


def test_a_missing_bundle_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("gearscope.organism.bundle.SHIPPED", Path("nowhere"))
    with pytest.raises(ArtifactError, match="shipped organism was expected"):
        shipped_bundle()
