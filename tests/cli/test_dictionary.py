"""`dictionary`: figures, other formats and the hub; mistakes are one sentence with exit code 2."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gearscope.cli.dictionary import FORMATS as SAID
from gearscope.dictionaries.formats.registry import FORMATS
from gearscope.dictionaries.store import read_dictionaries, write_dictionaries
from tests.dictionaries.test_store import assert_same
from tests.oracles.planted_dictionaries import Plan, plant_set
from tests.oracles.stand_in_hub import stand_in_hub

RUN = "import sys; sys.argv[0] = 'gearscope'; from gearscope.cli.main import run; run()"


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    write_dictionaries(tmp_path / "set", plant_set(Plan(write_form="site"), 2, 32, dtype=torch.float32)[0])
    return tmp_path / "set"


def test_the_help_names_every_format() -> None:
    assert SAID.split(", ") == [form.name for form in FORMATS]


def test_dictionary_measures_a_folder(gearscope, planted, untrained, tmp_path):
    texts = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": f"calc : {a} + {b} = {a + b}\n"}) for a in range(20) for b in range(20)]
    texts.write_text("\n".join(lines))
    base = ["dictionary", str(planted), "--model", str(untrained), "--corpus", str(texts), "--tokens", "200"]
    done = gearscope(*base)
    found = json.loads(gearscope(*base, "--json").out)
    assert [layer["writes"] for layer in found["layers"]] == ["blocks.0.mlp_out", "blocks.1.mlp_out"]
    above, below = done.out.split("\n\n")
    assert "worst layer" in above
    header, *rows = below.splitlines()
    assert header.split() == ["by", "position", "1", "2-3", "4-7", "8-15", "16-31", "32-63"]
    assert [row[:18].strip() for row in rows] == [
        *("blocks.0.mlp_out", "blocks.1.mlp_out", "L0, mean", "next token same", "KL")
    ]
    said = [f"{at['nmse'][1]:.2%}" for at in found["positions"]]
    assert rows[1].split()[1:] == said
    assert rows[-1].split()[1:] == [f"{at['kl']:.4f}" for at in found["positions"]]


def test_another_format_and_back(gearscope, planted, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    done = gearscope("dictionary", str(planted), "--to", "circuit-tracer", "--out", str(there))
    assert (done.code, done.out, done.err) == (0, f"written {there}\n", "")
    assert (there / "config.yaml").is_file()
    done = gearscope("dictionary", str(there), "--to", "gearscope", "--out", str(back), "--json")
    assert json.loads(done.out) == {"written": str(back)}
    assert_same(read_dictionaries(planted), read_dictionaries(back))


def test_layers_that_were_trained_apart_are_joined(gearscope, planted, tmp_path):
    whole = read_dictionaries(planted)
    for number, one in enumerate(whole.dictionaries):
        write_dictionaries(tmp_path / f"{number}", replace(whole, dictionaries=(one,)))
    late, early, out = (str(tmp_path / name) for name in ("1", "0", "out"))
    done = gearscope("dictionary", late, "--join", early, "--to", "gearscope", "--out", out)
    assert (done.code, done.out, done.err) == (0, f"written {out}\n", "")
    assert_same(read_dictionaries(tmp_path / "out"), whole)
    twice = gearscope("dictionary", late, "--join", late, "--to", "gearscope", "--out", str(tmp_path / "twice"))
    assert (twice.code, twice.out) == (2, "")
    assert "one dictionary per site was expected" in twice.err
    write_dictionaries(tmp_path / "other", replace(whole, dictionaries=whole.dictionaries[:1], model="another"))
    other = gearscope("dictionary", late, "--join", str(tmp_path / "other"), "--to", "gearscope", "--out", out + "2")
    assert "dictionaries of one model were expected" in other.err
    assert "--join goes with --to" in gearscope("dictionary", late, "--join", early).err


def test_mistakes_are_one_sentence(gearscope, planted, untrained, tmp_path):
    out, model, corpus = str(tmp_path / "out"), ["--model", str(untrained)], ["--corpus", str(tmp_path)]
    cases = {
        "a basis was expected": ["nowhere", *model, *corpus],
        "belongs to the bundled organism": ["clt", *model, *corpus],
        "go together": [str(planted), "--to", "saelens"],
        "found one of them": [str(planted), "--out", out],
        "a format was expected (gearscope, ": [str(planted), "--to", "onnx", "--out", out],
        "sparsify's folders can hold TopK": [str(planted), "--to", "sparsify", "--out", out],
        "one that exists": [str(planted), "--to", "gearscope", "--out", str(planted)],
        "a folder of dictionaries was expected (or hub": ["nowhere", "--to", "gearscope", "--out", out],
        "is written hub:OWNER/NAME": [str(planted), "--upload", "name"],
    }
    for message, arguments in cases.items():
        done = gearscope("dictionary", *arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert message in done.err, (arguments, done.err)
        assert done.err.count("\n") == 1, done.err
        assert not Path(out).exists()


def test_to_the_hub_and_back_in_real_processes(planted: Path, untrained: Path, tmp_path: Path) -> None:
    with stand_in_hub() as hub:
        known = {"HF_ENDPOINT": hub.address, "HF_HUB_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            environment = os.environ | known
            command = [sys.executable, "-c", RUN, *arguments]
            return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=180)

        done = run("dictionary", str(planted), "--upload", "me/mine")
        assert (done.returncode, done.stdout) == (0, f"uploaded {hub.address}/me/mine\n"), done.stderr
        assert "layer_1.safetensors" in hub.repositories["me/mine"]
        trace = ["trace", "calc : 36 + 59 =", "--model", str(untrained), "--basis", "hub:me/mine"]
        done = run(*trace)
        assert done.returncode == 0, done.stderr
        assert "basis plt:mine" in done.stdout


def test_truth_variables_are_asked_of_a_folder(gearscope, planted, untrained):
    asked = ["dictionary", str(planted), "--model", str(untrained), "--truths", "60"]
    done = gearscope(*asked)
    assert done.code == 0, done.err
    assert "60 documents of each phenomenon" in done.out.splitlines()[-1]
    found = json.loads(gearscope(*asked, "--json").out)
    assert len(found["rows"]) + len(found["unasked"]) == len(done.out.splitlines()) - 4
    assert f"of {len(found['rows'])} variables (" in done.out
