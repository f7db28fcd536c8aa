"""Activations that the author of a small trained GPT-2 published, found again at the named sites."""

import base64
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gearscope.models.load import open_model

SITES = {
    "tok_emb": "embed",
    "x": "blocks.0.resid_pre",
    "ln1": "blocks.0.attn_in",
    "q": "blocks.0.q",
    "k": "blocks.0.k",
    "v": "blocks.0.v",
    "attSm": "blocks.0.pattern",
    "y": "blocks.0.z",
    "yProj": "blocks.0.attn_out",
    "attnResid": "blocks.0.resid_mid",
    "ln2": "blocks.0.mlp_in",
    "gelu": "blocks.0.mlp_act",
    "mlp": "blocks.0.mlp_out",
    "block0": "blocks.0.resid_post",
    "block1": "blocks.1.resid_post",
    "block2": "blocks.2.resid_post",
    "ln_f": "final_in",
    "lm_head": "logits",
}


@pytest.fixture(scope="module")
def golden(fixtures_dir: Path) -> dict[str, Tensor]:
    stored = json.loads((fixtures_dir / "gpt_nano_sort" / "raw" / "gpt-nano-sort-t0-partials.json").read_text())
    found = {}
    for name, value in stored.items():
        if "data" in value:
            numbers = torch.frombuffer(bytearray(base64.b64decode(value["data"])), dtype=torch.float32)
            found[name] = numbers.reshape(value["shape"])
    return found


@pytest.fixture(scope="module")
def sorter(fixtures_dir: Path):
    return open_model(fixtures_dir / "gpt_nano_sort" / "hf")


def published(golden: dict[str, Tensor], name: str) -> Tensor:
    """In our order of axes: position before head, heads apart."""
    value = golden[name]
    if name in ("q", "k", "v"):
        return value.transpose(1, 2)
    return value.unflatten(-1, (3, 16)) if name == "y" else value


def test_published_activations(sorter, golden: dict[str, Tensor]) -> None:
    found = sorter.run(golden["idx"].long(), read=list(SITES.values())).sites
    for name, site in SITES.items():
        torch.testing.assert_close(found[site], published(golden, name), atol=1e-5, rtol=1e-5, msg=name)
    raw = sorter.run(golden["idx"].long(), read=["transformer.h.0.mlp.c_fc"]).sites["transformer.h.0.mlp.c_fc"]
    torch.testing.assert_close(raw, golden["fc"], atol=1e-5, rtol=1e-5)


def test_published_prompt_recorded(sorter, golden: dict[str, Tensor]) -> None:
    for row, ids in enumerate(golden["idx"].long()):
        record = sorter.record(ids)
        assert record.n_constant_positions == 0
        torch.testing.assert_close(record.logits, golden["lm_head"][row], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(record.blocks[0].attn.pattern, golden["attSm"][row], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(record.blocks[0].mlp_out, golden["mlp"][row], atol=1e-5, rtol=1e-5)
        assert record.position_embed is not None
        torch.testing.assert_close(record.position_embed, golden["pos_emb"][0], atol=1e-5, rtol=1e-5)


def test_it_sorts(sorter) -> None:
    tokens = sorter.tokens("CBABCA")
    assert tokens.ids.tolist() == [2, 1, 0, 1, 2, 0], "its tokenizer has no special token, so nothing is put first"
    written = "".join(sorter.token_names()[step.token] for step in sorter.generate("CBABCA", 6))
    assert written == "AABBCC"[: len(written)]
    assert len(written) == sorter.context - 6
