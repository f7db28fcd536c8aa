"""A built library is what dense arithmetic says, and the same bytes however the work was cut."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.errors import ArtifactError
from gearscope.features import layout, tally
from gearscope.features.plan import WorkConfig
from gearscope.features.reading import Subject
from tests.features.planted import KINDS, SMALL, build, dense_activations, subject
from tests.features.tiny import dense_columns, dense_examples

EXACT = (
    "fired", "histogram", "deciles", "triggers", "trigger_count", "cofiring", "cofiring_count", "cofiring_fired",
    "output_base",
)  # fmt: skip


def stored(folder):
    """Every finished file but the manifest, whose time differs."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.suffix == ".safetensors"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_what_dense_arithmetic_says(tmp_path, kind):
    made = subject(kind)
    with build(tmp_path / "lib", made) as library:
        windows = np.array(library.windows).astype(np.int64)
        acts = dense_activations(made, windows)
        written = written_by_hand(made, kind)
        columns = dense_columns(
            windows, acts, written / np.linalg.norm(written, axis=1, keepdims=True), effects(made, written), SMALL
        )
        found = {name: np.array(column) for name, column in library.columns.items()}
        assert library.contents.cofiring_every == 1
        assert library.contents.cofiring_tokens == library.n_tokens == acts[:, 1:, 0].size
        for name in EXACT:
            expected = np.asarray(columns[name]).astype(found[name].dtype)
            assert (found[name] == expected).all(), name
        for name in ("max_activation", "input_score", "output_score", "promoted_by", "suppressed_by"):
            np.testing.assert_allclose(found[name], columns[name], rtol=2e-3, atol=2e-3, err_msg=name)
        for name in ("promoted", "suppressed", "neighbours"):
            assert (found[name] == columns[name]).mean() > 0.99, name
        examples = {name: np.array(a) for name, a in library.example_shard(0).items()}
        for name, expected in dense_examples(acts, SMALL).items():
            steps = 1 if name == "around_level" else 1e-6  # sums in float32, in another order
            np.testing.assert_allclose(examples[name].astype(float), expected, rtol=1e-3, atol=steps, err_msg=name)


def written_by_hand(made: Subject, kind: str) -> np.ndarray:
    """What each feature adds to the residual stream over all sites."""
    del kind
    return torch.cat([coder.source.W_dec.sum(1) for coder in made.coders]).double().numpy()


def effects(made: Subject, written: np.ndarray) -> np.ndarray:
    """Through GPT-2's final norm at scale 1, and the unembedding, both centred."""
    hf = made.model.anatomy.hf
    gain, W_U = hf.transformer.ln_f.weight.detach().double().numpy(), hf.lm_head.weight.detach().double().numpy()
    return ((written - written.mean(1, keepdims=True)) * gain) @ (W_U - W_U.mean(0)).T


def test_the_tests_corpus_leaves_some_features_dead_and_some_dense(tmp_path):
    with build(tmp_path / "lib", subject()) as library:
        fired = np.array(library.columns["fired"])
        assert 0 < (fired == 0).sum() < len(fired) / 2
        assert (fired > library.n_tokens / 2).any()


def test_shards_workers_and_memory_change_no_byte(tmp_path, monkeypatch):
    made = subject("clt")
    build(tmp_path / "one", made, work=WorkConfig(shards=1)).close()
    expected = stored(tmp_path / "one")

    def shuffled(shards, work):
        for shard in random.Random(3).sample(list(shards), len(shards)):
            work(shard)

    build(tmp_path / "seven", made, work=WorkConfig(shards=7), run=shuffled).close()
    assert stored(tmp_path / "seven") == expected
    monkeypatch.setattr(tally.Tally, "n_bytes", 10**12)  # a new part after every block
    monkeypatch.setattr("gearscope.features.plan.BLOCK_PASSES", 1)
    monkeypatch.setattr("gearscope.features.gather._ENTRY_BYTES", 10**6)  # features are merged a few at a time
    monkeypatch.setattr("gearscope.features.plan.WAITING", 10)
    build(tmp_path / "small", made, work=WorkConfig(shards=2, memory_megabytes=64)).close()
    assert stored(tmp_path / "small") == expected


@settings(max_examples=5, deadline=None)
@given(shards=st.integers(1, 12), seed=st.integers(0, 100))
def test_any_number_of_shards_in_any_order(tmp_path_factory, shards, seed):
    folder, made = tmp_path_factory.mktemp("any"), subject()
    build(folder / "one", made, work=WorkConfig(shards=1)).close()

    def run(numbers, work):
        for shard in random.Random(seed).sample(list(numbers), len(numbers)):
            work(shard)

    build(folder / "many", made, work=WorkConfig(shards=shards), run=run).close()
    assert stored(folder / "many") == stored(folder / "one")


class KilledError(Exception):
    """Stands for a process that ends at once."""


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_build_that_was_stopped_between_shards_goes_on(tmp_path, after):
    made = subject()
    build(tmp_path / "whole", made).close()

    def stop(shards, work):
        for shard in shards[:after]:
            work(shard)
        raise KilledError

    with pytest.raises(KilledError):
        build(tmp_path / "lib", made, work=WorkConfig(shards=4), run=stop)
    assert not (tmp_path / "lib").exists()
    with pytest.raises(ArtifactError, match="no unfinished build was expected"):
        build(tmp_path / "lib", made)
    with pytest.raises(ArtifactError, match="of this model, dictionary, corpus and settings"):
        build(tmp_path / "lib", made, SMALL.model_copy(update={"top": 3}), resume=True)
    worked = []

    def rest(shards, work):
        worked.extend(shards)
        for shard in shards:
            work(shard)

    build(tmp_path / "lib", made, run=rest, resume=True).close()
    assert worked == list(range(after, 4))
    assert stored(tmp_path / "lib") == stored(tmp_path / "whole")
    with pytest.raises(ArtifactError, match="a new folder was expected"):
        build(tmp_path / "lib", made)


def test_an_unfinished_build_is_no_library(tmp_path):
    with pytest.raises(ArtifactError, match=r"an unfinished build was expected .*; found none"):
        build(tmp_path / "lib", subject(), resume=True)


def test_pairs_are_looked_at_less_often_where_there_are_many(tmp_path):
    few = SMALL.model_copy(update={"cofiring_pairs": 20_000})
    with build(tmp_path / "lib", subject(), few) as library:
        every, looked = library.contents.cofiring_every, library.contents.cofiring_tokens
        assert every > 2
        assert 0.5 < looked * every / library.n_tokens < 2
        assert library.columns["cofiring_fired"].max() <= looked


def test_features_that_are_negative_do_not_fire(tmp_path):
    made = subject("plt", activation="topk", k=5)
    with build(tmp_path / "lib", made) as library:
        acts = dense_activations(made, np.array(library.windows))
        assert (library.columns["fired"] == (acts > 0).sum((0, 1))).all()
        raw = made.coders[0].source.encode(torch.randn(50, 1, 16))
        assert (raw.values < 0).any()


def test_neurons_are_features_too(tmp_path):
    from gearscope.features.coders import neuron_coders

    made = subject()
    neurons = Subject(made.model, neuron_coders(made.model))
    with build(tmp_path / "lib", neurons) as library:
        assert library.n_features == 2 * 24
        record = library.record(30)
        assert record.shelf.kind == "neurons"
        example = record.examples[0]
        read = made.model.run(torch.tensor(example.token_ids.tolist()), read=["blocks.1.mlp_act"]).sites[
            "blocks.1.mlp_act"
        ]
        assert example.activation == pytest.approx(float(read[example.position, 6]), rel=1e-3)


def test_a_norm_behind_the_mlp_is_passed(tmp_path):
    """Gemma 2: what is written before the post-norm is multiplied by its gain."""
    made = subject("plt", family="gemma2", write_form="before_post_norm")
    coder = made.coders[0]
    with build(tmp_path / "lib", made) as library:
        gain = 1 + made.model.anatomy.hf.model.layers[0].post_feedforward_layernorm.weight.detach()
        expected = torch.nn.functional.normalize(coder.source.W_dec[:, 0] * gain, dim=1)
        found = library.directions(range(14))
        np.testing.assert_allclose(found, expected.numpy(), atol=5e-3)


def test_finished_libraries_hold_no_scaffolding(tmp_path):
    with build(tmp_path / "lib", subject()) as library:
        names = {p.relative_to(library.folder).as_posix() for p in library.folder.rglob("*") if p.is_file()}
    arrays = {layout.FEATURES, layout.CORPUS, layout.DIRECTIONS, "examples/00000.safetensors"}
    assert names == {"manifest.json", layout.TEXT, *arrays}
    assert not (tmp_path / "lib.run").exists()
