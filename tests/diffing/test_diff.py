"""B is A with one direction added to one word: the report finds it, nothing else, and turning it off gives A back."""

import pytest
import torch

from gearscope.artifact import verify
from gearscope.diffing.config import DiffConfig
from gearscope.diffing.diff import diff
from gearscope.diffing.report import DIFFERENT
from gearscope.diffing.store import read_diff, write_diff
from gearscope.errors import ArtifactError, ModelError
from gearscope.organism.config import OrganismConfig
from gearscope.organism.model import untrained_model
from gearscope.organism.tokenizer import build_tokenizer
from tests.diffing.conftest import SETTINGS, WORD

SHORT = SETTINGS | {"tokens": 1200, "held_out_tokens": 300, "context": 24, "checkpoint_every": 2, "block_tokens": 600}
SHORT |= {"change_tokens": 300, "change_held_out": 200}


def test_the_added_direction_is_the_difference_that_is_found(planted):
    report = planted.done.report
    found = report.those(*DIFFERENT)
    assert found, report.counts
    assert sum(feature.share for feature in found) > 0.5
    for feature in found:
        assert {example.token for example in feature.examples} == {WORD}
    index = found[0].index
    decoders = planted.done.dictionary.W_dec[index]
    step = decoders[1] - decoders[0]
    assert float(torch.cosine_similarity(step, planted.direction, dim=0)) > 0.95


def test_turning_it_off_takes_the_difference_away_and_the_control_does_not(planted):
    effect = planted.done.report.those(*DIFFERENT)[0].effect
    assert effect is not None
    assert effect.undone > effect.undone_control + 0.3
    assert effect.on > 0


def test_the_summary(planted):
    report = planted.done.report
    assert report.explained["all"] > 0.8
    assert sum(report.counts.values()) == SETTINGS["n_features"]
    assert report.kl > 0
    first = report.behaviours[0]
    assert first.kind in DIFFERENT
    assert WORD in {context.token for context in first.contexts}


def test_one_model_given_twice_is_said_not_to_differ(planted, tmp_path):
    with pytest.raises(ModelError, match=r"the same predictions on [0-9]+ tokens: A and B do not differ"):
        diff(str(planted.a), str(planted.a), "organism", tmp_path / "same", config=DiffConfig().changed(SHORT))
    assert not (tmp_path / "same").exists()


def test_models_that_are_the_same_up_to_the_compared_site(planted, tmp_path):
    later = untrained_model(OrganismConfig(n_layers=2, d_model=32, d_mlp=48))
    with torch.no_grad():
        later.model.layers[1].mlp.down_proj.weight += 0.1
    later.save_pretrained(tmp_path / "later")
    build_tokenizer(later.config.max_position_embeddings).save_pretrained(tmp_path / "later")
    folders = str(planted.a), str(tmp_path / "later"), "organism"
    with pytest.raises(ModelError, match=r"expected at blocks\.0\.resid_pre; found equal ones; .*--layer"):
        diff(*folders, tmp_path / "out", config=DiffConfig().changed(SHORT))


def test_shared_features_are_reported_and_turned_as_well(planted):
    shared = planted.done.report.those("shared")
    assert 0 < len(shared) <= DiffConfig().shared_features
    for feature in shared:
        assert feature.examples
        assert feature.effect is not None
        assert feature.effect.control != feature.index
    changed = planted.done.report.those(*DIFFERENT)[0]
    assert max(feature.effect.kl for feature in shared) < changed.effect.kl
    for feature in shared:
        assert (feature.effect.undone is None) == (feature.effect.kl < 1e-5)


def test_a_folder_is_written_whole_and_read_again(planted, tmp_path):
    done = planted.done
    write_diff(tmp_path / "made", done.report, done.dictionary, DiffConfig(), {}, changes=done.changes)
    verify(tmp_path / "made", "model diff")
    report, dictionary = read_diff(tmp_path / "made")
    assert report == planted.done.report
    assert torch.equal(dictionary.W_dec, planted.done.dictionary.W_dec)
    with pytest.raises(ArtifactError, match="new folder"):
        diff(str(planted.a), str(planted.b), "organism", tmp_path / "made")


def test_a_run_that_was_interrupted_goes_on_to_the_same_crosscoder(planted, tmp_path):
    config = DiffConfig().changed(SHORT)
    folders = str(planted.a), str(planted.b), "organism"
    whole = diff(*folders, tmp_path / "whole", config=config)

    def stop(at):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diff(*folders, tmp_path / "cut", config=config, progress=stop)
    assert not (tmp_path / "cut").exists()
    (tmp_path / "cut.run").mkdir(exist_ok=True)
    again = diff(
        *folders, tmp_path / "cut", config=config, resume=(tmp_path / "cut.run/checkpoint.safetensors").exists()
    )
    assert torch.equal(again.dictionary.W_dec, whole.dictionary.W_dec)
    assert again.report == whole.report


def test_models_that_cannot_be_compared(planted, tmp_path):
    config = OrganismConfig(n_layers=2, d_model=16, d_mlp=24)
    untrained_model(config).save_pretrained(tmp_path / "narrow")
    build_tokenizer(config.context).save_pretrained(tmp_path / "narrow")
    with pytest.raises(ModelError, match="one width were expected; found 32 and 16"):
        diff(str(planted.a), str(tmp_path / "narrow"), "organism", tmp_path / "out")
    assert not (tmp_path / "out").exists()
