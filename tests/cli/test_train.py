"""`train`: figures as text and as JSON, mistakes as one sentence with exit code 2."""

import json

import pytest

from gearscope.recipes.config import RECIPES

SMALL = [
    "--set",
    "tokens=512",
    "--set",
    "batch_tokens=128",
    "--set",
    "n_features=24",
    "--set",
    "k=3",
    "--set",
    "context=16",
]
SMALL += ["--set", "held_out_tokens=150", "--set", "block_tokens=400"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "a.jsonl"
    lines = [f"calc : {a} + {b} = {a + b}\n" for a in range(20) for b in range(20)]
    path.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def made(untrained, texts, tmp_path_factory):
    from gearscope.cli.main import main

    out = tmp_path_factory.mktemp("made") / "clt"
    assert main(["train", "clt", "--model", str(untrained), "--corpus", str(texts), "--out", str(out), *SMALL]) == 0
    return out


def test_train_prints_a_table_with_the_worst_layer(gearscope, untrained, texts, tmp_path):
    out = tmp_path / "plt"
    done = gearscope(
        "train", "transcoder", "--model", str(untrained), "--corpus", str(texts), "--out", str(out), *SMALL
    )
    assert (done.code, done.err) == (0, "")
    assert "blocks.0.mlp_out" in done.out
    assert "worst layer blocks." in done.out
    assert "all replaced at once: next token the same" in done.out
    assert out.is_dir()


def test_train_as_json(gearscope, untrained, texts, tmp_path):
    arguments = [
        "--model",
        str(untrained),
        "--corpus",
        str(texts),
        "--out",
        str(tmp_path / "s"),
        "--json",
        "--seed",
        "3",
    ]
    done = gearscope("train", "sae", *arguments, *SMALL)
    assert done.code == 0
    found = json.loads(done.out)
    assert len(found["layers"]) == 2
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert manifest["config"]["training"]["training"]["seed"] == 3
    assert manifest["config"]["training"]["reading"]["shuffle_seed"] == 3


def test_harvest_then_train(gearscope, untrained, texts, tmp_path):
    where = ["--model", str(untrained), "--corpus", str(texts), *SMALL]
    acts, out = str(tmp_path / "acts"), str(tmp_path / "out")
    done = gearscope("harvest", "clt", *where, "--tokens", "600", "--out", acts)
    assert (done.code, done.err) == (0, "")
    assert acts in done.out
    assert gearscope("train", "clt", *where, "--activations", acts, "--out", out).code == 0
    again = gearscope("harvest", "clt", *where, "--out", acts)
    assert (again.code, again.out) == (2, "")
    assert "a new folder was expected" in again.err


def test_a_grid_reads_stored_activations(gearscope, untrained, texts, tmp_path):
    where = ["--model", str(untrained), "--corpus", str(texts), *SMALL]
    acts, out = str(tmp_path / "acts"), tmp_path / "grid"
    assert gearscope("harvest", "transcoder", *where, "--tokens", "600", "--out", acts).code == 0
    grid = ["--grid", "k=2,4", "--out", str(out), "--activations", acts]
    done = gearscope("train", "transcoder", *where, *grid)
    assert done.code == 0, done.err
    header, *rows = [line.split() for line in done.out.splitlines()[:-1]]
    assert [row[header.index("k")] for row in rows] == ["2", "4"]
    assert {"worst_nmse", "dead", "kl", "top1", "recovered", "recovered_shuffled"} <= set(header)
    refused = gearscope("train", "sae", *where, *grid[:3], str(tmp_path / "other"), *grid[4:])
    assert (refused.code, refused.out) == (2, "")
    assert "no blocks.0.resid_post" in refused.err, "what is stored is what is read"


def test_the_help_lists_every_recipe_on_a_line_of_its_own(gearscope, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = gearscope("train", "--help")
    found = [line.strip(" │").split(": ")[0] for line in done.out.splitlines() if ": " in line]
    assert [name for name in found if name in RECIPES] == list(RECIPES)


def test_a_toml_file_is_a_recipe(gearscope, untrained, texts, tmp_path):
    recipe = tmp_path / "mine.toml"
    settings = {"recipe": "skip_transcoder", "model": str(untrained), "corpus": str(texts), "n_features": 16, "k": 2}
    settings |= {"tokens": 256, "batch_tokens": 128, "context": 16, "held_out_tokens": 100, "block_tokens": 300}
    recipe.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    assert gearscope("train", str(recipe), "--out", str(tmp_path / "out")).code == 0


def test_mistakes_are_one_sentence(gearscope, made, untrained, texts, tmp_path):
    model, corpus = ["--model", str(untrained)], ["--corpus", str(texts)]
    cases = {
        "a recipe was expected": ["train", "nosuch"],
        "a corpus for": ["train", "clt", *model],
        "found colour": ["train", "clt", *model, *corpus, "--set", "colour=red"],
        "NAME=VALUE": ["train", "clt", *model, *corpus, "--set", "colour"],
        "k must not be above n_features": ["train", "clt", *model, *corpus, "--set", "n_features=2"],
        "one that exists": ["train", "clt", *model, *corpus, "--out", str(made)],
        "a checkpoint was expected": [
            "train",
            "clt",
            *model,
            *corpus,
            "--out",
            str(tmp_path / "x"),
            "--resume",
            *SMALL,
        ],
        "--tensorboard goes with one run": ["train", "clt", "--grid", "k=1,2", "--tensorboard", "events"],
        "no such file or folder": ["train", "clt", *model, "--corpus", "nowhere", "--out", str(tmp_path / "x")],
    }
    for message, arguments in cases.items():
        done = gearscope(*arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert message in done.err, (arguments, done.err)
        assert done.err.count("\n") == 1, done.err


def test_an_unfinished_run_is_not_overwritten(gearscope, untrained, texts, tmp_path):
    run = tmp_path / "x.run"
    run.mkdir()
    (run / "checkpoint.safetensors").write_bytes(b"half")
    arguments = ["--model", str(untrained), "--corpus", str(texts), "--out", str(tmp_path / "x"), *SMALL]
    assert "no unfinished run was expected" in gearscope("train", "clt", *arguments).err
    assert "should be a whole checkpoint" in gearscope("train", "clt", *arguments, "--resume").err
    assert (run / "checkpoint.safetensors").read_bytes() == b"half"
