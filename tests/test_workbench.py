"""The Python door: opening, tracing, and what it promises about graphs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gearscope.artifact import write_manifest
from gearscope.attribution.probes import read_probe
from gearscope.dictionaries.store import write_as, write_dictionaries
from gearscope.errors import ArtifactError, ConfigError, DictionaryError, GearscopeError, TargetError
from gearscope.ids import SiteId
from gearscope.lock import read_lock, write_lock
from gearscope.models.model import wrap
from gearscope.opening import model_source, organism_folder
from gearscope.workbench import Workbench
from tests.oracles.planted_dictionaries import Plan, plant_saes, plant_set
from tests.oracles.tiny_models import FAMILIES, tiny

IDS = [0, 5, 9, 3, 7, 8, 4]


@pytest.fixture(scope="module", params=FAMILIES)
def bench(request: pytest.FixtureRequest) -> Workbench:
    return Workbench(wrap(tiny(request.param)), name=request.param)


def test_trace_is_pruned_unless_asked(bench: Workbench) -> None:
    pruned, whole = bench.trace(IDS), bench.trace(IDS, everything=True)
    assert len(pruned.nodes) < len(whole.nodes)
    assert set(pruned.nodes.ids) <= set(whole.nodes.ids)
    for graph in (pruned, whole):
        assert np.nanmax(graph.row_error()) < 1e-5
        assert graph.scores == whole.scores


def test_effects_name_the_direct_path(bench: Workbench) -> None:
    """What a neuron of the last layer says directly is its edge to the logits, up to the demeaning."""
    graph = bench.trace(IDS, everything=True)
    last = bench.model.n_layers - 1
    node = next(
        i for i in range(graph.layout.features.stop) if graph.nodes.layer[i] == last and graph.nodes.position[i] == 6
    )
    effects = graph.effects[graph.nodes.ids[node]]
    said = dict(effects.promoted) | dict(effects.suppressed)
    targets = graph.layout.targets
    checked = 0
    for target in range(targets.start, targets.stop):
        token = graph.nodes.labels[target]
        if token in said:
            assert graph.adjacency[target, node] == pytest.approx(said[token], rel=1e-4, abs=1e-6)
            checked += 1
    assert checked


@pytest.mark.parametrize("basis", ["", "clt", "neurons:", "neurons:0", "neurons:-3", "neurons:x"])
def test_bases_that_are_none(basis: str) -> None:
    if basis == "neurons:":
        pytest.skip("an empty number means the default")
    with pytest.raises(ConfigError, match="basis"):
        Workbench(wrap(tiny("gpt2")), name="x", basis=basis)


@pytest.mark.parametrize("plan", [Plan(skip=True), Plan(cross_layer=True), Plan(read_form="before_gain")])
def test_a_folder_of_dictionaries_is_a_basis(bench: Workbench, tmp_path: Path, plan: Plan) -> None:
    planted, _ = plant_set(plan, bench.model.n_layers, bench.model.d_model, dtype=torch.float32)
    write_dictionaries(tmp_path / "ours", planted)
    write_as(tmp_path / "theirs", planted, "circuit-tracer")
    graphs = {}
    for name in ("ours", "theirs"):
        graph = Workbench(bench.model, name="x", basis=str(tmp_path / name)).trace(IDS, everything=True)
        assert graph.basis == f"{planted.kind}:{name}"
        assert np.nanmax(graph.row_error()) < 1e-5
        assert graph.details["certificate"]["inputs"]["dictionaries"] == planted.fingerprint()
        assert graph.effects
        graphs[name] = graph
    assert graphs["ours"].nodes.ids == graphs["theirs"].nodes.ids
    assert (graphs["ours"].adjacency != graphs["theirs"].adjacency).nnz == 0


@pytest.mark.parametrize("site", ["mlp_out", "resid_post"])
def test_saes_are_a_basis(bench: Workbench, tmp_path: Path, site: str) -> None:
    planted = plant_saes([f"blocks.{i}.{site}" for i in range(2)], bench.model.d_model, dtype=torch.float32)
    write_dictionaries(tmp_path / "saes", planted)
    graph = Workbench(bench.model, name="x", basis=str(tmp_path / "saes")).trace(IDS, everything=True)
    assert graph.basis == "sae:saes"
    assert np.nanmax(graph.row_error()) < 1e-5
    assert graph.effects


def test_an_mlp_s_own_output_is_what_it_adds_unless_a_norm_follows(tmp_path: Path) -> None:
    graphs = {}
    for family in ("gpt2", "gemma2"):
        model = wrap(tiny(family))
        for site in ("mlp_out", "mlp_raw"):
            folder = tmp_path / family / site
            write_dictionaries(folder, plant_saes([f"blocks.0.{site}"], model.d_model, dtype=torch.float32))
            if (family, site) == ("gemma2", "mlp_raw"):
                with pytest.raises(DictionaryError, match=r"found one on blocks\.0\.mlp_raw, before the norm"):
                    Workbench(model, name="x", basis=str(folder)).trace(IDS)
            else:
                graphs[site] = Workbench(model, name="x", basis=str(folder)).trace(IDS, everything=True)
        if family == "gpt2":
            assert graphs["mlp_out"].nodes.ids == graphs["mlp_raw"].nodes.ids
            assert (graphs["mlp_out"].adjacency != graphs["mlp_raw"].adjacency).nnz == 0


def test_a_basis_on_the_hub_that_is_no_name(bench: Workbench) -> None:
    with pytest.raises(ConfigError, match="is written hub:OWNER/NAME"):
        Workbench(bench.model, name="x", basis="hub:nothing")


def test_dictionaries_that_do_not_fit_are_refused(bench: Workbench, tmp_path: Path) -> None:
    write_dictionaries(tmp_path / "set", plant_set(Plan(), 3, 8)[0])
    with pytest.raises(DictionaryError, match=r"2 layers and width 16.*3 of width 8 that read blocks\.0\.mlp_in"):
        Workbench(bench.model, name="x", basis=str(tmp_path / "set"))
    with pytest.raises(ArtifactError, match="none of them"):
        Workbench(bench.model, name="x", basis=str(tmp_path))


def test_few_neurons_leave_errors(bench: Workbench) -> None:
    few = Workbench(bench.model, name="few", basis="neurons:3").trace(IDS, everything=True)
    per_place = few.details["active_features"] / (bench.model.n_layers * (len(IDS) - 1))
    assert per_place == 3
    assert few.layout.errors.stop > few.layout.errors.start
    assert np.nanmax(few.row_error()) < 1e-5


def test_ids_are_used_as_they_are(bench: Workbench) -> None:
    assert bench.trace(IDS).nodes.index[bench.trace(IDS).layout.tokens].tolist() == IDS
    without_first = bench.trace(IDS[1:], everything=True)
    assert without_first.layout.firsts.start == without_first.layout.firsts.stop, (
        "no special token, no constant position"
    )


def test_probe_files(tmp_path: Path) -> None:
    path = tmp_path / "probe.safetensors"
    save_file({"direction": torch.arange(4.0)}, path, metadata={"site": "blocks.1.hook_resid_mid"})
    direction, site = read_probe(path)
    assert direction.tolist() == [0, 1, 2, 3]
    assert site == SiteId(1, "resid_mid")
    save_file({"direction": torch.zeros(4)}, path)
    with pytest.raises(TargetError, match="site"):
        read_probe(path)
    save_file({"other": torch.zeros(4)}, path, metadata={"site": "final_in"})
    with pytest.raises(TargetError, match="direction"):
        read_probe(path)
    path.write_bytes(b"not tensors")
    with pytest.raises(TargetError):
        read_probe(path)


def test_open_refuses_before_it_loads(tmp_path: Path) -> None:
    for settings in ({"basis": "pears"}, {"device": "toaster"}, {"dtype": "int3"}, {"model": str(tmp_path)}):
        with pytest.raises(GearscopeError):
            Workbench.open(**settings)


def test_the_demo_of_the_bundle() -> None:
    """The bundled organism computes a sum it was never shown, and the circuit that says so is exact."""
    if not organism_folder().is_dir():
        pytest.fail("the bundle is part of the package")
    graph = Workbench.open().trace("calc : 36 + 59 =")
    first = graph.layout.targets.start
    assert graph.nodes.labels[first] == "95"
    assert graph.nodes.probability[first] > 0.5
    assert np.nanmax(graph.row_error()) < 1e-5


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the package's bundle: the organism, and itself as a twin."""
    package = tmp_path / "gearscope"
    folder = package / "organism" / "bundle"
    shutil.copytree(organism_folder(), folder / "model")
    model = read_lock(organism_folder().parent).model
    shutil.copytree(organism_folder(), folder / "twins" / "one")
    write_manifest(folder / "twins" / "one", "twin", config={}, inputs={"model": model})
    write_lock(folder, model)
    monkeypatch.setattr("gearscope.opening.files", lambda name: package)
    return folder


def test_twins_and_versions_are_opened_by_name(bundle: Path) -> None:
    assert model_source(None) == str(bundle / "model")
    assert model_source("openai-community/gpt2") == "openai-community/gpt2"
    bench = Workbench.open("organism:twins/one")
    assert bench.name == "organism:twins/one"
    assert bench.trace("calc : 36 + 59 =", max_features=3).details["opened"]["model"] == "organism:twins/one"
    with pytest.raises(ArtifactError, match=r"was expected \(model, twins/one\); found 'twins/two'"):
        Workbench.open("organism:twins/two")
    with pytest.raises(ConfigError, match="belongs to the bundled organism"):
        Workbench.open("organism:twins/one", "plt")


def test_a_mixed_bundle_is_not_opened(bundle: Path) -> None:
    write_manifest(bundle / "twins" / "one", "twin", config={}, inputs={"model": "ff" * 8})
    with pytest.raises(ArtifactError, match=f"found one made for {'ff' * 8}"):
        Workbench.open("organism:twins/one")
    assert Workbench.open().name == "organism"
