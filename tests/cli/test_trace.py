"""`trace` and `show` as somebody types them: results, files, and every mistake as one sentence."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from safetensors.torch import save_file

from gearscope.dictionaries.store import write_as
from gearscope.graph.store import read_graph
from gearscope.organism.config import OrganismConfig
from tests.cli.conftest import Outcome
from tests.oracles.planted_dictionaries import Plan, plant_set

SUM = "calc : 36 + 59 ="


def assert_mistake(outcome: Outcome, *words: str) -> None:
    """One sentence on stderr, exit code 2, nothing on stdout."""
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("gearscope: ")
    assert outcome.err.count("\n") == 1, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err


def test_trace_prints_the_circuit(gearscope, untrained: Path) -> None:
    done = gearscope("trace", SUM, "--model", str(untrained))
    assert done.code == 0
    for part in ("36", "59", "SCORES", "WHAT FEEDS", "every row sums to its value"):
        assert part in done.out


def test_trace_writes_a_graph_that_show_reads(gearscope, untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.json"
    written = gearscope("trace", SUM, "--model", str(untrained), "--out", str(out))
    shown = gearscope("show", str(out))
    assert (written.code, shown.code) == (0, 0)
    assert shown.out.strip() in written.out
    assert [p.name for p in tmp_path.iterdir()] == ["graph.json"]


def test_json_is_all_there_is_on_stdout(gearscope, untrained: Path, tmp_path: Path) -> None:
    done = gearscope("trace", SUM, "--model", str(untrained), "--json")
    data = json.loads(done.out)
    assert data["metadata"]["prompt"] == SUM
    assert done.err == ""
    out = tmp_path / "graph.json"
    done = gearscope("trace", SUM, "--model", str(untrained), "--json", "--out", str(out))
    assert json.loads(done.out)["nodes"] == len(read_graph(out).nodes)
    assert json.loads(gearscope("show", str(out), "--json").out)["metadata"]["prompt"] == SUM


def test_a_graph_that_is_very_large_as_json_is_announced_with_the_way_out(
    gearscope, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("trace", SUM, "--model", str(untrained), "--out", str(tmp_path / "graph.json"))
    assert gearscope(*asked).err == ""
    monkeypatch.setattr("gearscope.cli.trace._LARGE", 10_000)
    pruned, whole = gearscope(*asked), gearscope(*asked, "--all")
    assert (pruned.code, whole.code) == (0, 0)
    assert pruned.err.count("\n") == whole.err.count("\n") == 1
    assert "MB of JSON" in pruned.err
    assert "give a --node-threshold below 0.8" in pruned.err
    assert "leave out --all" in whole.err
    assert gearscope(*asked[:4]).err == "", "nothing is written"


def test_graph_carries_its_birth_certificate(gearscope, untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.json"
    gearscope("trace", SUM, "--model", str(untrained), "--out", str(out))
    born = read_graph(out).details["certificate"]
    assert born["kind"] == "graph"
    assert len(born["inputs"]["model"]) == 16
    assert (
        born["packages"]["torch"] == torch.__version__.split("+")[0] or born["packages"]["torch"] == torch.__version__
    )


@pytest.mark.parametrize(
    "options",
    [
        ["--target", "95"],
        ["--target", "95", "--against", "94"],
        ["--position", "3"],
        ["--max-features", "7"],
        ["--all"],
        ["--coverage", "0.5"],
        ["--basis", "neurons:4"],
        ["--dtype", "float64"],
        ["--node-threshold", "0.5", "--edge-threshold", "0.9"],
    ],
)
def test_options(gearscope, untrained: Path, options: list[str]) -> None:
    done = gearscope("trace", SUM, "--model", str(untrained), *options)
    assert done.code == 0, done.err
    assert "WHAT FEEDS" in done.out


@pytest.mark.parametrize("kind", ["gearscope", "circuit-tracer"])
def test_a_folder_of_dictionaries(gearscope, untrained: Path, tmp_path: Path, kind: str) -> None:
    planted = plant_set(Plan(cross_layer=True), 2, 32, dtype=torch.float32)[0]
    write_as(tmp_path / kind, planted, kind)
    done = gearscope("trace", SUM, "--model", str(untrained), "--basis", str(tmp_path / kind))
    assert done.code == 0, done.err
    assert f"basis clt:{kind}" in done.out
    assert "every row sums to its value" in done.out


def test_folders_of_dictionaries_that_do_not_serve(gearscope, untrained: Path, tmp_path: Path) -> None:
    def run(folder: Path) -> Outcome:
        return gearscope("trace", SUM, "--model", str(untrained), "--basis", str(folder))

    assert_mistake(run(tmp_path), "none of them", "config.yaml")
    write_as(tmp_path / "narrow", plant_set(Plan(), 2, 16, dtype=torch.float32)[0], "circuit-tracer")
    assert_mistake(run(tmp_path / "narrow"), "width 32", "2 of width 16", "blocks.1.mlp_in")
    (tmp_path / "narrow" / "layer_1.safetensors").write_bytes(b"damaged")
    assert_mistake(run(tmp_path / "narrow"), "layer_1.safetensors")
    (tmp_path / "params.npz").write_bytes(b"")
    assert_mistake(run(tmp_path / "params.npz"), "params.npz", "name the folder that it is in")


def test_feature_and_probe_targets(gearscope, untrained: Path, tmp_path: Path) -> None:
    done = gearscope("trace", SUM, "--model", str(untrained), "--target-feature", "1/7@5")
    assert done.code == 0, done.err
    assert "1/7@5" in done.out
    probe = tmp_path / "probe.safetensors"
    save_file({"direction": torch.ones(32)}, probe, metadata={"site": "blocks.1.resid_mid"})
    done = gearscope("trace", SUM, "--model", str(untrained), "--target-probe", str(probe), "--position", "4")
    assert done.code == 0, done.err
    assert "probe at blocks.1.resid_mid" in done.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--target", "nonsense"], ["nonsense"]),
        (["--target", "95", "--against", "95"], ["different"]),
        (["--against", "95"], ["--target"]),
        (["--target", "95", "--target-feature", "0/1@2"], ["at most one"]),
        (["--target-feature", "0/1@2", "--position", "3"], ["position"]),
        (["--target-feature", "9/0@1"], ["9/0@1"]),
        (["--target-feature", "0/9999@1"], ["0/9999@1"]),
        (["--target-feature", "seven"], ["LAYER/INDEX@POSITION"]),
        (["--position", "40"], ["40"]),
        (["--max-features", "0"], ["max_features"]),
        (["--max-features", "many"], ["max-features"]),
        (["--coverage", "2"], ["coverage"]),
        (["--node-threshold", "7"], ["threshold", "7"]),
        (["--basis", "pears"], ["pears"]),
        (["--device", "toaster"], ["toaster"]),
        (["--dtype", "int3"], ["int3"]),
        (["--chat"], ["chat template"]),
        (["--target-probe", "/nowhere/probe.safetensors"], ["probe.safetensors"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
)
def test_mistakes_in_options(gearscope, untrained: Path, options: list[str], words: list[str]) -> None:
    assert_mistake(gearscope("trace", SUM, "--model", str(untrained), *options), *words)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", ["''"]),
        ("   ", []),
        ("calc : xylophone =", ["xylophone"]),
        ("1 " * 300, [str(OrganismConfig().context), "301"]),
    ],
)
def test_mistakes_in_prompts(gearscope, untrained: Path, prompt: str, words: list[str]) -> None:
    assert_mistake(gearscope("trace", prompt, "--model", str(untrained)), *words)


def test_models_that_are_none(gearscope, untrained: Path, tmp_path: Path) -> None:
    assert_mistake(gearscope("trace", SUM, "--model", str(tmp_path)), "config.json")
    assert_mistake(gearscope("trace", SUM, "--model", str(tmp_path / "nothing")), "nothing")
    strange = tmp_path / "strange"
    shutil.copytree(untrained, strange)
    config = json.loads((strange / "config.json").read_text())
    (strange / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    assert_mistake(gearscope("trace", SUM, "--model", str(strange)), "bert")
    cut = tmp_path / "cut"
    shutil.copytree(untrained, cut)
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    assert_mistake(gearscope("trace", SUM, "--model", str(cut)), "model.safetensors")
    pickled = tmp_path / "pickled"
    shutil.copytree(untrained, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert_mistake(gearscope("trace", SUM, "--model", str(pickled)), "pytorch_model.bin")


def test_a_place_that_cannot_be_written(gearscope, untrained: Path, tmp_path: Path) -> None:
    """The old graph stays whole when the new one cannot be written."""
    assert_mistake(gearscope("trace", SUM, "--model", str(untrained), "--out", "/proc/nowhere/g.json"), "cannot write")
    folder = tmp_path / "graph.json"
    folder.mkdir()
    assert_mistake(gearscope("trace", SUM, "--model", str(untrained), "--out", str(folder)), "cannot write")
    assert list(tmp_path.iterdir()) == [folder]


def test_show_refuses_what_is_no_graph(gearscope, tmp_path: Path) -> None:
    for name, text in {"empty.json": "", "list.json": "[1]", "text.json": "hello", "other.json": '{"a": 1}'}.items():
        path = tmp_path / name
        path.write_text(text)
        assert_mistake(gearscope("show", str(path)), name)
    assert_mistake(gearscope("show", str(tmp_path / "nothing.json")), "no such file")
    assert_mistake(gearscope("show", str(tmp_path)), "directory")


def test_show_one_node(gearscope, untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.json"
    gearscope("trace", SUM, "--model", str(untrained), "--out", str(out))
    graph = read_graph(out)
    name = graph.nodes.ids[graph.layout.targets.start]
    done = gearscope("show", str(out), "--node", name)
    assert done.code == 0, done.err
    assert "FED BY" in done.out
    assert_mistake(gearscope("show", str(out), "--node", "99/1@1"), "99/1@1")


def test_show_draws_a_circuit(gearscope, untrained: Path, tmp_path: Path) -> None:
    out, svg = tmp_path / "graph.json", tmp_path / "circuit.svg"
    gearscope("trace", SUM, "--model", str(untrained), "--out", str(out))
    done = gearscope("show", str(out), "--svg", str(svg))
    assert (done.code, done.out, done.err) == (0, f"drawn into {svg}\n", "")
    drawn = ElementTree.parse(svg)
    assert SUM in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert json.loads(gearscope("show", str(out), "--svg", str(svg), "--json").out) == {"svg": str(svg)}
    before = out.read_bytes()
    for place, word in ((tmp_path, "folder"), ("", "folder"), (out, "another file"), (out / "x.svg", "cannot write")):
        assert_mistake(gearscope("show", str(out), "--svg", str(place)), word)
    assert_mistake(gearscope("show", str(out), "--svg", str(svg), "--node", "0/1@1"), "--node")
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["circuit.svg", "graph.json"]


def test_fixture_graphs_are_shown(gearscope, fixtures_dir: Path) -> None:
    for path in sorted((fixtures_dir / "graphs").glob("*da*.json")):
        if path.name == "graph-metadata.json":
            continue
        done = gearscope("show", str(path))
        assert done.code == 0, done.err
        assert "STRONGEST PATHS" in done.out


def test_a_prompt_that_will_not_fit_is_refused_before_it_begins(gearscope, untrained: Path) -> None:
    done = gearscope("trace", SUM, "--model", str(untrained), "--memory", "0.0001")
    assert_mistake(done, "MiB of memory for a forward pass of", "give a shorter prompt")
    assert_mistake(gearscope("trace", SUM, "--model", str(untrained), "--memory", "0"), "memory", "greater than 0")
    assert_mistake(gearscope("trace", SUM, "--model", str(untrained), "--tolerance", "1"), "tolerance", "less than 1")


def test_edges_that_are_not_stored_are_counted(gearscope, untrained: Path) -> None:
    done = gearscope("trace", SUM, "--model", str(untrained), "--tolerance", "0.01")
    assert "lies in edges too small to be stored" in done.out


def test_a_device_map_beside_a_device_is_refused(gearscope, untrained: Path) -> None:
    both = gearscope("trace", SUM, "--model", str(untrained), "--device", "cpu:0", "--device-map", "auto")
    assert_mistake(both, "a device or a device map", "both")


def test_show_writes_the_older_form(gearscope, untrained: Path, tmp_path: Path) -> None:
    graph, out = tmp_path / "graph.json", tmp_path / "older.json"
    gearscope("trace", SUM, "--model", str(untrained), "--out", str(graph))
    assert gearscope("show", str(graph), "--older", "--out", str(out)).code == 0
    assert "gearscope" not in json.loads(out.read_text())["metadata"]
    assert read_graph(out).layout.features == read_graph(graph).layout.features
    assert_mistake(gearscope("show", str(graph), "--older"), "--older needs a file")
    assert_mistake(gearscope("show", str(graph), "--out", str(graph)), "another file than the graph")
    assert_mistake(gearscope("show", str(graph), "--out", str(out), "--svg", "x.svg"), "the whole circuit")
    pickle = tmp_path / "graph.pt"
    pickle.write_bytes(b"PK")
    assert_mistake(gearscope("show", str(pickle)), "a pickle", "create_graph_files")
