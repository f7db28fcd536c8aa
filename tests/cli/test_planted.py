"""`planted`: three rows as text, everything as JSON, dictionaries on request, mistakes as one sentence."""

import json

from gearscope.dictionaries.store import read_dictionaries

SMALL = [
    *("--set", "n_truths=24", "--set", "trees=2", "--set", "d_model=16", "--set", "n_features=24", "--set", "k=2"),
    *("--set", "tokens=2048", "--set", "batch_tokens=256", "--set", "held_out_tokens=1024", "--set", "rarest=0.02"),
    *("--set", "block_tokens=1024"),
]


def test_a_table_with_both_references(gearscope):
    done = gearscope("planted", "sae", "--seeds", "2", "--seed", "4", *SMALL)
    assert (done.code, done.err) == (0, "")
    header, *rows, last = done.out.splitlines()
    assert header.split()[:3] == ["MCC", "found", ".9"]
    assert [row[:16].strip() for row in rows] == ["trained, seed 4", "trained, seed 5", "trained", "random", "planted"]
    assert rows[-1].split()[1:3] == ["1.000", "100.0%"]
    assert all(row.split()[-1] == "-" for row in rows), "no hops in this world"
    assert "2 seed(s), 1,024 held-out tokens; truths per dictionary 24, latents 24" in last


def test_json_and_stored_dictionaries(gearscope, tmp_path):
    out = tmp_path / "out"
    done = gearscope("planted", "clt", *SMALL, "--set", "hops=2", "--out", str(out), "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["recipe"]["training"]["kind"], found["recipe"]["world"]["hops"]) == ("clt", 2)
    (seed,) = found["seeds"]
    assert [one["reads"] for one in seed["trained"]["dictionaries"]] == [f"blocks.{i}.mlp_in" for i in range(3)]
    assert seed["planted"]["dictionaries"][0]["mcc"] > 0.999
    assert seed["planted"]["hops"]["kept"] is not None
    assert read_dictionaries(out / "seed_0").kind == "clt"
    manifest = json.loads((out / "seed_0" / "manifest.json").read_text())
    assert manifest["config"]["measured"] == seed
    assert manifest["config"]["planted"]["world"]["hops"] == 2
    assert manifest["config"]["planted"]["world"]["world_seed"] == seed["seed"] == 0


def test_mistakes_are_one_sentence(gearscope, tmp_path):
    cases = {
        "a run on planted features was expected": ["nosuch"],
        "found colour": ["sae", "--set", "colour=red"],
        "must find room": ["sae", "--set", "n_truths=10"],
        "NAME=VALUE": ["sae", "--set", "k"],
        "a site of the planted world was expected": ["sae", "--set", "site=mlp_out", *SMALL],
        "one that exists": ["sae", "--out", str(tmp_path)],
    }
    (tmp_path / "seed_0").mkdir()
    for message, arguments in cases.items():
        done = gearscope("planted", *arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert message in done.err, (arguments, done.err)
        assert done.err.count("\n") == 1, done.err
