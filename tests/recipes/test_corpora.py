"""Text is cut with the model's own tokenizer; the world is only for models of its words."""

import pytest

from gearscope.errors import ArtifactError, ConfigError, ModelError
from gearscope.models.load import open_model
from gearscope.models.model import wrap
from gearscope.recipes.corpora import open_corpus, open_sides
from tests.oracles.tiny_models import tiny


def test_text_becomes_windows_that_the_model_reads_as_prompts(untrained, texts):
    model = open_model(untrained)
    corpus = open_corpus(str(texts), model, "train", 20)
    rows = corpus.take(3, None).ids
    assert rows.shape == (3, 20)
    bos = model.tokens("calc : 1 + 2 =").ids[0]
    assert (rows[:, 0] == bos).all()
    words = model.tokenizer.convert_ids_to_tokens(rows[0, 1:].tolist())
    assert set(words) <= set("".join((texts / "a.txt").read_text()).split()) | {"\n"}


def test_windows_are_as_long_as_the_model_allows(untrained):
    model = open_model(untrained)
    assert open_corpus("organism", model, "train", None).context == model.context == 64
    with pytest.raises(ConfigError, match="a context of at most 64 tokens"):
        open_corpus("organism", model, "train", 65)


def test_corpora_that_do_not_fit(untrained, tmp_path):
    with pytest.raises(ModelError, match="words of the organism's world"):
        open_corpus("organism", wrap(tiny("gpt2")), "train", None)
    with pytest.raises(ModelError, match="a model with a tokenizer"):
        open_corpus(str(tmp_path), wrap(tiny("gpt2")), "train", None)
    with pytest.raises(ArtifactError, match="no such file or folder"):
        open_corpus("nowhere", open_model(untrained), "train", None)


def test_too_little_text_is_found_before_anything_is_read_for_long(untrained, texts, tmp_path):
    model = open_model(untrained)
    train_on, held_out = open_sides(str(texts), model, None, 100)
    assert train_on.fingerprint != held_out.fingerprint
    (tmp_path / "short.txt").write_text("calc : 1 + 2 =\n" * 3)
    with pytest.raises(ConfigError, match=r"text of 100 tokens or more .*short.txt.*; found \d\d?;"):
        open_sides(str(tmp_path / "short.txt"), model, None, 100)
    (tmp_path / "alike.txt").write_text("calc : 1 + 2 =\n" * 300)
    with pytest.raises(ArtifactError, match=r"(held-out text|text to train on) was expected"):
        open_sides(str(tmp_path / "alike.txt"), model, None, 100)
