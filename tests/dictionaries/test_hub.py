"""Names on the hub, against a stand-in on this machine: only needed files come, and what is uploaded opens."""

from pathlib import Path

import pytest
import yaml

from gearscope.artifact import sha256
from gearscope.dictionaries.hub import ALIASES, Hub, fetch_file, parse
from gearscope.dictionaries.store import (
    fetch_dictionaries,
    read_dictionaries,
    upload_dictionaries,
    write_as,
    write_dictionaries,
)
from gearscope.errors import ArtifactError, ConfigError
from tests.dictionaries.test_store import assert_same
from tests.oracles.planted_dictionaries import Plan, plant_at, plant_set
from tests.oracles.stand_in_hub import StandIn, stand_in_hub


@pytest.fixture
def hub():
    with stand_in_hub() as running:
        yield running


def at(hub: StandIn, tmp_path: Path) -> Hub:
    return Hub(hub.address, tmp_path / "cache")


def put(hub: StandIn, name: str, folder: Path, inside: str = "", **more: bytes) -> None:
    files = {f"{inside}{p.relative_to(folder).as_posix()}": p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    hub.repositories.setdefault(name, {}).update(files | more)


@pytest.mark.parametrize(
    ("name", "repository", "folder", "revision"),
    [
        ("hub:owner/name", "owner/name", "", None),
        ("owner/name/a/b@v1", "owner/name", "a/b", "v1"),
        ("hub:gemma", "mwhanna/gemma-scope-transcoders", "", None),
        ("hub:gemma-scope-res/layer_20/width_16k@x", "google/gemma-scope-2b-pt-res", "layer_20/width_16k", "x"),
    ],
)
def test_names(name: str, repository: str, folder: str, revision: str | None) -> None:
    assert parse(name) == (repository, folder, revision)


@pytest.mark.parametrize("name", ["hub:", "hub:name", "hub:owner/../x", "hub:a b/c", "hub:owner/name/../../x"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError, match="is written hub:OWNER/NAME"):
        parse(name)


def test_aliases_are_whole_names() -> None:
    assert all(parse(f"hub:{alias}").repository == name for alias, name in ALIASES.items())


@pytest.mark.parametrize("form", ["gearscope", "circuit-tracer"])
def test_only_needed_files_are_downloaded(hub: StandIn, tmp_path: Path, form: str) -> None:
    planted = plant_set(Plan(), 2, 6)[0]
    write_as(tmp_path / "set", planted, form)
    extra = {"README.md": b"x", "features/layer_0.bin": b"x", "examples.safetensors": b"x", "sub/cfg.json.bak": b"x"}
    put(hub, "owner/name", tmp_path / "set", **extra)
    folder = fetch_dictionaries("hub:owner/name", at(hub, tmp_path))
    assert_same(read_dictionaries(folder), planted)
    assert sorted(hub.asked) == sorted(set(hub.repositories["owner/name"]) - set(extra))


def test_a_subfolder_is_downloaded_alone_with_the_model_s_name_above_it(hub: StandIn, tmp_path: Path) -> None:
    sites = [((f"blocks.{i}.resid_post",),) * 2 for i in range(2)]
    planted = plant_at(sites, 6, activation="topk_relu", k=2)
    write_as(tmp_path / "set", planted, "sparsify")
    put(hub, "owner/name", tmp_path / "set")
    read = read_dictionaries(fetch_dictionaries("hub:owner/name/layers.1", at(hub, tmp_path)))
    assert (read.model, read.configs[0].reads) == ("tiny", ("blocks.1.resid_post",))
    assert sorted(hub.asked) == ["config.json", "layers.1/cfg.json", "layers.1/sae.safetensors"]


def test_what_was_downloaded_opens_without_a_network(tmp_path: Path) -> None:
    planted = plant_set(Plan(), 2, 6)[0]
    write_dictionaries(tmp_path / "set", planted)
    with stand_in_hub() as hub:
        put(hub, "owner/name", tmp_path / "set")
        known = at(hub, tmp_path)
        online = fetch_dictionaries("hub:owner/name", known)
    assert fetch_dictionaries("hub:owner/name", known) == online
    with pytest.raises(ArtifactError, match=r"owner/other was expected.*go online, or give a local folder"):
        fetch_dictionaries("hub:owner/other", known)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hub:owner/nothing", "no such repository"),
        ("hub:closed/one", "one behind a licence"),
        ("hub:owner/name@v9", "no revision 'v9' of it"),
        ("hub:owner/name", "no file of any format among 1"),
        ("hub:owner/many", "found 201 folders; name one or some of them, as in l0, l1"),
    ],
)
def test_what_cannot_be_fetched(hub: StandIn, tmp_path: Path, name: str, words: str) -> None:
    hub.repositories |= {"owner/name": {"README.md": b""}, "closed/one": {}}
    hub.repositories["owner/many"] = {f"l{i}/params.npz": b"" for i in range(201)}
    with pytest.raises(ArtifactError, match=words) as caught:
        fetch_dictionaries(name, at(hub, tmp_path))
    assert "\n" not in str(caught.value)
    assert not hub.asked


def test_single_files_of_a_list(hub: StandIn, tmp_path: Path) -> None:
    hub.repositories["owner/name"] = {"a/params.npz": b"data"}
    known = at(hub, tmp_path)
    assert fetch_file("hf://owner/name/a/params.npz?revision=main", known).read_bytes() == b"data"
    with pytest.raises(ArtifactError, match=r"found no a/other\.npz in it"):
        fetch_file("hf://owner/name/a/other.npz", known)
    for address in ("hf://owner/name", "https://owner/name/a"):
        with pytest.raises(ConfigError, match="hf://OWNER/NAME/PATH"):
            fetch_file(address, known)


def test_what_is_uploaded_opens_and_has_a_card(hub: StandIn, tmp_path: Path) -> None:
    planted = plant_at([((f"blocks.{i}.mlp_in",), (f"blocks.{i}.mlp_out",)) for i in range(2)], 6, model="owner/model")
    made = {"measured": {"tokens": 1000, "replaced": {"top1": 0.91, "kl": 0.1}}}
    write_dictionaries(tmp_path / "set", planted, made=made)
    known = at(hub, tmp_path)
    assert upload_dictionaries(tmp_path / "set", "me/mine", known) == f"{hub.address}/me/mine"
    files = hub.repositories["me/mine"]
    assert set(files) == {"README.md", "manifest.json", "layer_0.safetensors", "layer_1.safetensors"}
    assert_same(read_dictionaries(fetch_dictionaries("hub:me/mine", known)), planted)
    card = files["README.md"].decode()
    head = yaml.safe_load(card.split("---")[1])
    assert (head["library_name"], head["base_model"]) == ("gearscope", "owner/model")
    assert "| `blocks.1.mlp_in` | `blocks.1.mlp_out` | 12 | jumprelu | not measured |" in card
    assert "same on 91.0% of\nheld-out text (1,000 tokens" in card
    assert 'gearscope trace "a prompt" --model owner/model --basis hub:me/mine' in card
    before = sha256(tmp_path / "set" / "manifest.json")
    upload_dictionaries(tmp_path / "set", "hub:me/mine/sub", known)
    assert "sub/README.md" in hub.repositories["me/mine"]
    assert sha256(tmp_path / "set" / "manifest.json") == before, "the folder itself is left as it is"


def test_a_folder_that_is_none_is_not_uploaded(hub: StandIn, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(ArtifactError, match="none of them"):
        upload_dictionaries(tmp_path / "set", "me/mine", at(hub, tmp_path))
    assert not hub.repositories


def test_an_upload_without_a_network_is_one_sentence(tmp_path: Path) -> None:
    write_dictionaries(tmp_path / "set", plant_set(Plan(), 1, 6)[0])
    with pytest.raises(ArtifactError, match="the hub cannot be reached"):
        upload_dictionaries(tmp_path / "set", "me/mine", Hub("http://127.0.0.1:9", tmp_path / "cache"))
