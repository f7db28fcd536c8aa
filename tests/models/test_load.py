"""Folders and names: what opens, and one clear sentence for everything that does not."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gearscope.errors import ArtifactError, ConfigError, GearscopeError, ModelError, PromptError
from gearscope.models.anatomy import Anatomy
from gearscope.models.load import open_model
from gearscope.models.model import Model
from tests.models.test_tokens import ALL, words
from tests.oracles.tiny_models import CASES, case, prompt, tiny


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored") / "model"
    tiny("llama").save_pretrained(folder)
    words(**ALL).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(stored, tmp_path / "model"))


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name: str, tmp_path: Path) -> None:
    hf, ids = case(name), prompt()
    hf.save_pretrained(tmp_path / "model")
    model = open_model(tmp_path / "model")
    torch.testing.assert_close(model.run(ids).logits, hf(ids[None]).logits[0], atol=1e-6, rtol=1e-6)
    assert model.revision is None
    assert model.tokenizer is None
    assert model.fingerprint == Model(Anatomy(hf), None).fingerprint
    assert not any(parameter.requires_grad for parameter in model.anatomy.hf.parameters())


def test_sharded_weights_open(tmp_path: Path) -> None:
    hf = tiny("gemma2")
    hf.save_pretrained(tmp_path / "model", max_shard_size="4KB")
    shards = sorted((tmp_path / "model").glob("model-*.safetensors"))
    assert len(shards) > 2
    ids = prompt()
    torch.testing.assert_close(open_model(tmp_path / "model").run(ids).logits, hf(ids[None]).logits[0])
    shards[1].unlink()
    with pytest.raises(ArtifactError, match=rf"as safetensors \({shards[1].name}\); found no such file"):
        open_model(tmp_path / "model")


def test_text_and_types(folder: Path) -> None:
    model = open_model(folder, dtype="float64")
    assert (model.dtype, model.device.type, model.context) == (torch.float64, "cpu", 32)
    assert (model.n_layers, model.n_heads, model.d_model, model.vocab_size) == (2, 4, 16, 11)
    assert model.tokens("one two").ids.tolist() == [0, 4, 5]
    assert open_model(folder, dtype="bfloat16").run(prompt()).logits.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", ["float64", "float16"])
@pytest.mark.parametrize("family", ["mixtral", "gpt_oss"])
def test_experts_open_in_every_type(family: str, dtype: str, tmp_path: Path) -> None:
    """transformers' fused experts know no float64, and some norms stay in float32 whatever is asked for."""
    tiny(family).save_pretrained(tmp_path / "model")
    model = open_model(tmp_path / "model", dtype=dtype)
    assert model.run(prompt(), read=["blocks.0.mlp_act"]).logits.isfinite().all()


def test_fingerprint_follows_weights_and_formulas(folder: Path) -> None:
    before = open_model(folder).fingerprint
    rewrite(folder, rms_norm_eps=1e-3)
    assert open_model(folder).fingerprint != before
    rewrite(folder, rms_norm_eps=1e-6, _name_or_path="elsewhere")
    assert open_model(folder).fingerprint == before
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][3] += 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert open_model(folder).fingerprint != before


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_nothing_is_said_on_the_way(family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Not even about a padding token, which transformers likes to warn of."""
    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())
    vars(logging.Logger)["warning_once"].cache_clear()
    hf = tiny(family, pad_token_id=3, dtype=torch.float64)
    hf.save_pretrained(tmp_path / "model")
    words(**ALL, puts_bos=False).save_pretrained(tmp_path / "model")
    capfd.readouterr()
    logging.getLogger("transformers").addHandler(listener)
    model = open_model(tmp_path / "model", dtype="float64")
    assert model.tokens("<pad> one").ids.tolist() == [3, 4]
    ids = torch.tensor([3, 4, 5, 3])
    logits = model.record(ids).logits
    without = model.run(torch.cat([ids, ids[:1]])).logits[:-1]
    torch.testing.assert_close(logits, without, atol=1e-5, rtol=1e-5)
    cached, plain = (list(model.generate(ids, 3, use_cache=use_cache)) for use_cache in (True, False))
    for one, other in zip(cached, plain, strict=True):
        torch.testing.assert_close(one.logits, other.logits, atol=1e-10, rtol=1e-10)
    logging.getLogger("transformers").removeHandler(listener)
    assert said == []
    assert capfd.readouterr() == ("", "")


def test_without_a_tokenizer_only_text_is_refused(folder: Path) -> None:
    for path in folder.glob("token*"):
        path.unlink()
    model = open_model(folder)
    assert model.tokens([4]).shown == ("4",)
    with pytest.raises(PromptError, match="no tokenizer"):
        model.tokens("one")


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def garble(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 200)


def pickle_only(folder: Path) -> None:
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def drop_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def reshape_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"][:7].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def poison_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = float("inf")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


DAMAGES = {
    "empty": (empty, ModelError, "should be a model folder with a config.json; found none"),
    "no config": (lambda f: (f / "config.json").unlink(), ModelError, "with a config.json; found none"),
    "config cut": (lambda f: (f / "config.json").write_text("{"), ArtifactError, "config.json should be JSON"),
    "config list": (
        lambda f: (f / "config.json").write_text("[]"),
        ArtifactError,
        "a JSON object; found list",
    ),
    "no type": (lambda f: rewrite(f, model_type=None), ModelError, "should name a model_type; found none"),
    "family": (
        lambda f: rewrite(f, model_type="bloom"),
        ModelError,
        r"known family was expected \(gpt2, llama, .*gpt_neox.*\); found model_type 'bloom'",
    ),
    "own code": (
        lambda f: rewrite(f, auto_map={"AutoModelForCausalLM": "code.Model"}),
        ModelError,
        "brings its own code",
    ),
    "quantized": (
        lambda f: rewrite(f, quantization_config={"quant_method": "awq"}),
        ModelError,
        "found quantized",
    ),
    "wrong type": (lambda f: rewrite(f, hidden_size="wide"), ArtifactError, "should hold a model that can be loaded"),
    "truncated": (truncate, ArtifactError, "should be a whole safetensors file; found a truncated or damaged one"),
    "garbled": (garble, ArtifactError, "should be a whole safetensors file; found a truncated or damaged one"),
    "pickle": (pickle_only, ArtifactError, r"found only a pickle, pytorch_model\.bin"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), ArtifactError, "as safetensors .* found no such file"),
    "one missing": (drop_a_weight, ArtifactError, r"found no weights for model\.layers\.1\.mlp\.up_proj\.weight"),
    "one misshapen": (reshape_a_weight, ArtifactError, "should hold a model that can be loaded"),
    "one infinite": (poison_a_weight, ModelError, r"NaN or infinity in model\.layers\.0\.mlp\.up_proj\.weight"),
    "tokenizer": (
        lambda f: (f / "tokenizer.json").write_text("{}"),
        ArtifactError,
        "should hold a readable tokenizer",
    ),
    "tokenizer code": (
        lambda f: (f / "tokenizer_config.json").write_text('{"auto_map": {}}'),
        ModelError,
        "tokenizer that transformers knows",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_in_one_sentence(damage: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    apply, kind, message = DAMAGES[damage]
    apply(folder)
    with pytest.raises(kind, match=message) as caught:
        open_model(folder)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "float8"}, r"a dtype was expected \(float32, float64, bfloat16, float16\); found 'float8'"),
        ({"device": "gpu"}, "a device that this machine has"),
        ({"device": "cuda:99"}, "a device that this machine has"),
        ({"device": "meta"}, "a device that holds weights"),
        ({"revision": "main"}, "a revision belongs to a hub name"),
    ],
)
def test_settings_are_checked_first(settings: dict[str, str], message: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        open_model(folder, **settings)


@pytest.mark.parametrize("name", ["/no/such/folder", "./none", "a/b/c", ""])
def test_folders_that_are_not_there(name: str) -> None:
    with pytest.raises(ModelError, match="a model folder or a hub name was expected"):
        open_model(name)


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(ModelError, match="found a file"):
        open_model(folder / "config.json")


@pytest.mark.parametrize("revision", [None, "v1"])
def test_hub_name_without_a_network(revision: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(GearscopeError, match=r"'nobody/nothing' was expected.*cannot be reached"):
        open_model("nobody/nothing", revision=revision)


def test_hub_name_in_the_cache_gives_its_commit(stored: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache as the hub's client lays it out: refs/main names the commit, snapshots/<commit> holds the files."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    root = tmp_path / "models--somebody--tiny"
    shutil.copytree(stored, root / "snapshots" / commit)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for revision in (None, "main", commit):
        model = open_model("somebody/tiny", revision=revision)
        assert model.revision == commit
    assert model.tokens("one").ids.tolist() == [0, 4]
