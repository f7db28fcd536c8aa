"""A run from model and text to a folder that can be traced with, measured again and resumed."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from gearscope.artifact import MANIFEST, verify
from gearscope.dictionaries.store import read_dictionaries
from gearscope.dictionaries.training.checkpoint import CHECKPOINT
from gearscope.errors import ArtifactError, ConfigError, ModelError
from gearscope.evaluation.report import DictionaryReport
from gearscope.models.load import open_model
from gearscope.recipes.again import measure_again
from gearscope.recipes.config import RECIPES
from gearscope.recipes.harvest import harvest
from gearscope.recipes.train import train_recipe
from gearscope.workbench import Workbench

SMALL = {
    "n_features": 48,
    "k": 4,
    "tokens": 2048,
    "batch_tokens": 128,
    "held_out_tokens": 600,
    "checkpoint_every": 4,
    "context": 24,
    "learning_rate": 1e-2,
    "block_tokens": 500,
}


def recipe(kind: str, untrained, corpus, **changes):
    return RECIPES[kind].changed(SMALL | {"model": str(untrained), "corpus": str(corpus)} | changes)


@pytest.mark.parametrize("kind", ["sae", "transcoder", "skip_transcoder", "clt", "crosscoder"])
def test_from_text_to_a_folder(untrained, texts, tmp_path, kind):
    done = train_recipe(recipe(kind, untrained, texts), tmp_path / "made")
    manifest = verify(tmp_path / "made", "dictionary")
    model = open_model(untrained)
    assert manifest["inputs"]["model"] == model.fingerprint
    assert manifest["config"]["training"]["training"]["kind"] == kind
    assert DictionaryReport.from_json(json.dumps(manifest["config"]["measured"])) == done.report
    made = read_dictionaries(tmp_path / "made")
    assert made.kind == {"transcoder": "plt", "skip_transcoder": "plt"}.get(kind, kind)
    if kind == "crosscoder":
        assert [layer.writes for layer in done.report.layers] == ["blocks.0.resid_post", "blocks.1.resid_post"]
        assert done.report.replaced.top1 > done.report.replaced_shuffled.top1
        return
    for layer, one in zip(done.report.layers, made.dictionaries, strict=True):
        assert one.statistics().keys() == {"max_activation", "density"}
        assert float(one.density.sum()) == pytest.approx(layer.l0, rel=1e-4)
        assert 2 < layer.l0 < 6
        assert layer.nmse < layer.nmse_shuffled
    if kind != "sae":
        bench = Workbench.open(model=str(untrained), basis=str(tmp_path / "made"))
        assert len(bench.replace(bench.model.record(bench.model.tokens("calc : 3 + 5 =").ids)).active) > 5


def test_stored_activations_give_the_same_dictionaries_as_live_ones(untrained, texts, tmp_path):
    chosen = recipe("transcoder", untrained, texts, jacobian_weight=0.1)
    train_recipe(chosen, tmp_path / "live")
    harvest(chosen, tmp_path / "acts", tokens=2600)
    train_recipe(chosen, tmp_path / "stored", activations=tmp_path / "acts")
    for name in ("layer_0.safetensors", "layer_1.safetensors"):
        live, stored = (load_file(tmp_path / folder / name) for folder in ("live", "stored"))
        assert live.keys() == stored.keys()
        assert all(torch.equal(live[key], stored[key]) for key in live)
    with pytest.raises(ConfigError, match="activations of this corpus were expected"):
        train_recipe(chosen.changed({"context": 20}), tmp_path / "x", activations=tmp_path / "acts")
    with pytest.raises(ConfigError, match=r"no blocks\.0\.resid_post"):
        train_recipe(recipe("sae", untrained, texts), tmp_path / "x", activations=tmp_path / "acts")


def test_a_second_round_goes_on_from_a_folder_and_says_from_which(untrained, texts, tmp_path):
    chosen = recipe("clt", untrained, texts)
    train_recipe(chosen, tmp_path / "first")
    again = chosen.changed({"goes_on_from": "clt", "n_features": 64, "tokens": 512})
    with pytest.raises(ConfigError, match="dictionaries of clt to go on from were expected; found none"):
        train_recipe(again, tmp_path / "second")
    train_recipe(again, tmp_path / "second", start=tmp_path / "first")
    manifest, first = verify(tmp_path / "second", "dictionary"), read_dictionaries(tmp_path / "first")
    assert manifest["inputs"]["start"] == first.fingerprint()
    assert [c.n_features for c in read_dictionaries(tmp_path / "second").configs] == [64, 64]
    with pytest.raises(ConfigError, match="n_features of 48 or more was expected"):
        train_recipe(chosen.changed({"n_features": 32}), tmp_path / "x", start=tmp_path / "first")


def test_a_later_round_of_some_layers_leaves_the_others_as_they_were(untrained, texts, tmp_path):
    chosen = recipe("transcoder", untrained, texts)
    train_recipe(chosen, tmp_path / "first")
    done = train_recipe(chosen.changed({"layers": [1], "tokens": 512}), tmp_path / "second", start=tmp_path / "first")
    assert [layer.reads for layer in done.report.layers] == ["blocks.0.mlp_in", "blocks.1.mlp_in"]
    first, second = (read_dictionaries(tmp_path / name).dictionaries for name in ("first", "second"))
    same = [
        all(map(torch.equal, a.tensors().values(), b.tensors().values())) for a, b in zip(first, second, strict=True)
    ]
    assert same == [True, False]


def test_decoders_settle_behind_tuning(untrained, texts, tmp_path):
    chosen = recipe("transcoder", untrained, texts, tune_tokens=256, tune_batch=64, tune_rate=1e-3)
    tuned = train_recipe(chosen, tmp_path / "tuned")
    settled = train_recipe(chosen.changed({"settle_tokens": 4000, "settle_pull": 1e-3}), tmp_path / "settled")
    for before, after in zip(
        read_dictionaries(tmp_path / "tuned").dictionaries,
        read_dictionaries(tmp_path / "settled").dictionaries,
        strict=True,
    ):
        assert torch.equal(before.W_enc, after.W_enc)
        assert not torch.equal(before.W_dec, after.W_dec)
    assert settled.report.worst.nmse < tuned.report.worst.nmse


def test_a_killed_run_resumes_to_the_same_folder(untrained, texts, tmp_path):
    chosen = recipe("clt", untrained, texts)
    train_recipe(chosen, tmp_path / "whole")

    class KilledError(Exception):
        pass

    def kill(_progress) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        train_recipe(chosen.changed({"checkpoint_every": 3}), tmp_path / "killed", progress=kill)
    assert (tmp_path / "killed.run" / CHECKPOINT).is_file()
    assert not (tmp_path / "killed").exists()
    train_recipe(chosen, tmp_path / "killed", resume=True)
    for name in ("layer_0.safetensors", "layer_1.safetensors"):
        left, right = load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name)
        assert all(torch.equal(left[key], right[key]) for key in left), name


@pytest.mark.parametrize("stored_as", ["float32", "float16"])
def test_a_folder_measured_again_gives_the_stored_figures(untrained, tmp_path, stored_as):
    few = {"context": 64, "tokens": 512, "held_out_tokens": 300, "stored_as": stored_as}
    done = train_recipe(recipe("transcoder", untrained, "organism", **few), tmp_path / "made")
    stored = load_file(tmp_path / "made" / "layer_0.safetensors")
    halves = {name for name, tensor in stored.items() if tensor.dtype == torch.float16}
    assert halves == ({"W_enc", "W_dec"} if stored_as == "float16" else set())
    again = measure_again(str(tmp_path / "made"), str(untrained), "organism", tokens=300)
    assert again == done.report


def test_what_is_in_the_way_is_refused_before_the_work(untrained, texts, tmp_path):
    (tmp_path / "made").mkdir()
    with pytest.raises(ArtifactError, match="a new folder was expected"):
        train_recipe(recipe("clt", untrained, texts), tmp_path / "made")
    with pytest.raises(ConfigError, match=f"a corpus for {untrained} was expected"):
        train_recipe(RECIPES["clt"].changed({"model": str(untrained)}), tmp_path / "other")
    with pytest.raises(ConfigError, match="a corpus for"):
        measure_again("neurons", str(untrained), None, tokens=10)


def test_weights_that_are_not_finite_are_one_clear_error(untrained, texts, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in untrained.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = load_file(broken / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"][0, 0] = torch.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError):
        train_recipe(recipe("clt", broken, texts), tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_folder_that_is_no_dictionary_is_refused(untrained, tmp_path):
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(ArtifactError):
        measure_again(str(tmp_path), str(untrained), "organism", tokens=10)
    with pytest.raises(ConfigError, match="a folder of dictionaries was expected"):
        measure_again("neurons", str(untrained), "organism", tokens=10)


def test_processes_that_share_the_features_write_one_folder(untrained, texts, tmp_path):
    chosen = recipe("clt", untrained, texts)
    train_recipe(chosen, tmp_path / "one")
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    where = ["--model", str(untrained), "--corpus", str(texts), "--out", str(tmp_path / "two"), "--json", *settings]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    run = "from gearscope.cli.main import run; run()"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*launch, sys.executable, "-c", run, "train", "clt", *where],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().splitlines()) == 1, "one process speaks"
    one, two = (read_dictionaries(tmp_path / name).dictionaries for name in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        assert torch.allclose(a.W_dec, b.W_dec, atol=0.02 * float(a.W_dec.abs().max()))
