"""dictionary_learning's folders, drawn in its layout and saved with torch, against its formulas."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.store import read_dictionaries, write_as
from gearscope.errors import GearscopeError
from tests.oracles.foreign_forward import dictionary_learning
from tests.oracles.planted_dictionaries import plant_at

D, F = 6, 10


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64) * 2 - 1


LINEAR = {"encoder.weight": draw(F, D), "encoder.bias": draw(F), "decoder.weight": draw(D, F)}
PLAIN = {"W_enc": draw(D, F), "b_enc": draw(F), "W_dec": draw(F, D), "b_dec": draw(D)}
TOPK = {**LINEAR, "b_dec": draw(D), "k": torch.tensor(6, dtype=torch.int), "threshold": torch.tensor(0.3)}
HELD: dict[str, dict[str, Tensor]] = {
    "AutoEncoder": {**LINEAR, "bias": draw(D)},
    "AutoEncoderNew": {**LINEAR, "decoder.bias": draw(D)},
    "AutoEncoderTopK": TOPK,
    "BatchTopKSAE": TOPK,
    "MatryoshkaBatchTopKSAE": {
        **PLAIN,
        "k": torch.tensor(6),
        "threshold": torch.tensor(0.3),
        "group_sizes": torch.tensor([4, 6]),
    },
    "JumpReluAutoEncoder": {**PLAIN, "threshold": draw(F, seed=3) * 0.3},
    "GatedAutoEncoder": {
        "encoder.weight": draw(F, D),
        "r_mag": draw(F, seed=1),
        "gate_bias": draw(F, seed=2) * 0.5,
        "mag_bias": draw(F, seed=3) * 0.5,
        "decoder.weight": draw(D, F),
        "decoder_bias": draw(D),
    },
}


def store(folder: Path, kind: str, held: Any, submodule: str = "resid_post_layer_3", **buffer: Any) -> Path:
    folder.mkdir(parents=True)
    trainer = {"dict_class": kind, "lm_name": "tiny", "submodule_name": submodule, "layer": 3, "k": 6}
    (folder / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": buffer}))
    torch.save(held, folder / "ae.pt")
    return folder


def check(one: Dictionary, kind: str, held: dict[str, Tensor]) -> None:
    x = draw(30, D, seed=9)
    acts, out = dictionary_learning(kind, held, x)
    assert 0 < int((acts > 0).sum()) < acts.numel() * 0.7
    torch.testing.assert_close(one.encode(x[:, None]).dense(F), acts)
    torch.testing.assert_close(one.reconstruct(x[:, None])[:, 0], out)


@pytest.mark.parametrize("kind", HELD)
def test_every_class(tmp_path: Path, kind: str) -> None:
    read = read_dictionaries(store(tmp_path / "trainer_0", kind, HELD[kind], io="out"))
    assert (read.model, read.kind, read.configs[0].reads) == ("tiny", "sae", ("blocks.3.resid_post",))
    check(read.dictionaries[0], kind, HELD[kind])


def test_a_checkpoint_holds_its_dictionary_under_a_name(tmp_path: Path) -> None:
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "params": [0], "x": None}]}
    whole = {"step": 5, "ae": HELD["AutoEncoder"], "optimizer": optimizer, "norm_factor": 1.5}
    (one,) = read_dictionaries(store(tmp_path / "trainer_0", "AutoEncoder", whole)).dictionaries
    check(one, "AutoEncoder", HELD["AutoEncoder"])


def test_a_module_s_own_state(tmp_path: Path) -> None:
    """A state dict of a module carries version numbers beside its tensors."""
    module = torch.nn.Module()
    module.encoder, module.decoder = torch.nn.Linear(D, F), torch.nn.Linear(F, D, bias=False)
    module.register_parameter("bias", torch.nn.Parameter(torch.randn(D)))
    (one,) = read_dictionaries(store(tmp_path / "trainer_0", "AutoEncoder", module.state_dict())).dictionaries
    assert torch.equal(one.W_enc[:, 0], module.encoder.weight)
    assert torch.equal(one.W_dec[:, 0], module.decoder.weight.T)


@pytest.mark.parametrize(
    ("submodule", "site"),
    [
        ("resid_out_layer3", "blocks.3.resid_post"),
        ("mlp_out_layer_3", "blocks.3.mlp_raw"),
        ("attn_out_layer3", "blocks.3.attn_out"),
        ("embed", "embed"),
    ],
)
def test_submodules_are_sites(tmp_path: Path, submodule: str, site: str) -> None:
    read = read_dictionaries(store(tmp_path / "trainer_0", "AutoEncoder", HELD["AutoEncoder"], submodule))
    assert read.configs[0].reads == read.configs[0].writes == (site,)


@pytest.mark.parametrize(
    "options", [{"activation": "relu"}, {"activation": "jumprelu"}, {"activation": "topk_relu", "k": 6}]
)
def test_what_is_written_computes_the_same_there(tmp_path: Path, options: dict[str, Any]) -> None:
    sites = (("blocks.0.resid_post",), ("blocks.0.resid_post",))
    planted = plant_at([sites], D, rectified=True, n_features=F, **options)
    write_as(tmp_path / "set", planted, "dictionary_learning")
    folder = tmp_path / "set" / "resid_post_layer_0" / "trainer_0"
    kind = json.loads((folder / "config.json").read_text())["trainer"]["dict_class"]
    check(planted.dictionaries[0], kind, torch.load(folder / "ae.pt", weights_only=True))


@pytest.mark.parametrize(
    ("kind", "held", "options", "message"),
    [
        ("CrossCoder", HELD["AutoEncoder"], {}, "dict_class 'CrossCoder' where one of"),
        ("AutoEncoder", HELD["AutoEncoder"], {"io": "in_and_out"}, "a buffer of 'in_and_out'"),
        ("AutoEncoder", HELD["AutoEncoder"], {"submodule": "mlp"}, "submodule_name 'mlp'"),
        ("AutoEncoder", LINEAR, {}, "no bias"),
        ("AutoEncoder", HELD["AutoEncoderNew"], {}, "no bias, an unknown decoder.bias"),
        ("BatchTopKSAE", {n: t for n, t in TOPK.items() if n != "threshold"}, {}, "no threshold"),
        ("AutoEncoder", {**HELD["AutoEncoder"], "bias": draw(D + 1)}, {}, r"bias of shape \(7,\) where \(6,\) fits"),
        ("AutoEncoder", {**HELD["AutoEncoder"], "bias": draw(D) / 0}, {}, "NaN or infinite"),
        ("AutoEncoderTopK", {**TOPK, "k": torch.tensor(11)}, {}, "k = 11 is more than"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, kind: str, held: Any, options: Any, message: str) -> None:
    with pytest.raises(GearscopeError, match=message):
        read_dictionaries(store(tmp_path / "trainer_0", kind, held, **options))
