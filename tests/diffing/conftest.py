"""A model, and the same with one direction added to what it embeds for one word: a difference that is known exactly."""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from gearscope.diffing.config import DiffConfig
from gearscope.diffing.diff import Compared, compare
from gearscope.diffing.pair import Pair
from gearscope.models.load import open_model
from gearscope.organism.config import OrganismConfig
from gearscope.organism.corpus import WorldCorpus
from gearscope.organism.model import untrained_model
from gearscope.organism.tokenizer import build_tokenizer
from tests.cli.conftest import gearscope, untrained
from tests.recipes.conftest import texts

__all__ = ["gearscope", "texts", "untrained"]

WORD = "calc"
SETTINGS = {
    "site": "resid_pre",
    "layers": [0],
    "n_features": 48,
    "k": 1,
    "selection": "top_k",
    "tokens": 24_000,
    "batch_tokens": 300,
    "held_out_tokens": 1200,
    "learning_rate": 5e-3,
    "block_tokens": 3000,
    "dead_after": 10_000,
    "revive_every": 20,
    "effect_windows": 4,
    "effect_features": 4,
    "contexts": 40,
    "change_tokens": 6000,
    "change_held_out": 3000,
    "change_kept": 500,
    "change_kl": 0.005,
    "change_sure": 0,
}


class Planted(NamedTuple):
    """Both folders, the direction, the token it is added to, and the finished comparison."""

    a: Path
    b: Path
    direction: torch.Tensor
    token: int
    pair: Pair
    done: Compared


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    config, folders = OrganismConfig(n_layers=2, d_model=32, d_mlp=48), []
    tokenizer = build_tokenizer(config.context)
    token = tokenizer.convert_tokens_to_ids(WORD)
    direction = torch.randn(32, generator=torch.Generator().manual_seed(1))
    direction *= 0.4 / direction.norm()
    for name in ("a", "b"):
        model = untrained_model(config)
        with torch.no_grad():
            model.model.embed_tokens.weight[token] += direction if name == "b" else 0.0
        folders.append(tmp_path_factory.mktemp(name))
        model.save_pretrained(folders[-1])
        tokenizer.save_pretrained(folders[-1])
    pair = Pair(*map(open_model, folders))
    corpora = WorldCorpus("train", 32), WorldCorpus("held_out", 32)
    run = tmp_path_factory.mktemp("run") / "made.run"
    done = compare(pair, ("a", "b"), corpora, run, config=DiffConfig().changed(SETTINGS))
    return Planted(folders[0], folders[1], direction, token, pair, done)
