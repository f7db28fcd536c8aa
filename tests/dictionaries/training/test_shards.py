"""Two processes that share the features compute what one computes; a run goes on with another number of them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gearscope.dictionaries.training.config import TrainingConfig
from gearscope.dictionaries.training.prefixes import groups_here
from gearscope.dictionaries.training.shards import ALONE, Shards
from gearscope.errors import ConfigError
from tests.dictionaries.training.two_processes import main

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("two_processes.py")
BASE = {
    "n_features": 64, "k": 4, "tokens": 256 * 60, "batch_tokens": 256, "learning_rate": 1e-2, "dead_after": 2000,
    "revive_every": 16, "checkpoint_every": 20,
}  # fmt: skip
CASES = [
    {"kind": "clt", "prefixes": (16, 40)},
    {"kind": "transcoder", "selection": "top_k", "first_k": 9},
    {"kind": "skip_transcoder", "selection": "jumprelu", "preact_weight": 1e-3},
    {"kind": "transcoder", "selection": "gated"},
]


def together(folder: Path, config: TrainingConfig, *more: str) -> None:
    """The script in two processes."""
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_text(config.to_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(SCRIPT)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    arguments = [str(folder), str(folder / "settings.json"), *more]
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def figures(folder: Path, rank: int) -> tuple[dict[str, torch.Tensor], list[float]]:
    return load_file(folder / f"made.{rank}.safetensors"), json.loads((folder / f"losses.{rank}.json").read_text())


@pytest.mark.parametrize("changes", CASES, ids=lambda changes: changes.get("selection", "batch_top_k"))
def test_two_processes_equal_one(tmp_path, changes):
    config = TrainingConfig(**BASE | changes)
    (tmp_path / "one").mkdir()
    main(tmp_path / "one", config, None)
    together(tmp_path / "two", config)
    one, losses = figures(tmp_path / "one", 0)
    step = load_file(tmp_path / "one" / "step.0.safetensors")
    for rank in (0, 1):
        other = load_file(tmp_path / "two" / f"step.{rank}.safetensors")
        assert other.keys() == step.keys()
        for name, tensor in step.items():  # one step: loss, codes and gradients, to rounding
            assert torch.allclose(other[name], tensor, rtol=0, atol=1e-6 * float(tensor.abs().max())), name
        two, others = figures(tmp_path / "two", rank)
        assert others == pytest.approx(losses, rel=1e-5, abs=1e-6 * losses[0])
        assert one.keys() == two.keys()
        for name, tensor in one.items():
            assert torch.allclose(two[name], tensor, rtol=1e-3, atol=1e-4 * float(tensor.abs().max())), name


def test_a_killed_run_of_two_goes_on_bit_for_bit_and_also_with_one(tmp_path):
    config = TrainingConfig(**BASE, kind="transcoder")
    together(tmp_path / "whole", config)
    together(tmp_path / "stopped", config, str(256 * 40))
    assert not (tmp_path / "stopped" / "made.0.safetensors").exists()
    shutil.copytree(tmp_path / "stopped", tmp_path / "alone")
    together(tmp_path / "stopped", config)
    main(tmp_path / "alone", config, None)
    whole, resumed, alone = (figures(tmp_path / name, 0)[0] for name in ("whole", "stopped", "alone"))
    for name, tensor in whole.items():
        assert torch.equal(resumed[name], tensor), name
        assert torch.allclose(alone[name], tensor, atol=0.02 * float(tensor.abs().max())), name


def test_blocks():
    assert [Shards(rank, 4).block(64) for rank in range(4)] == [(0, 16), (16, 32), (32, 48), (48, 64)]
    with pytest.raises(ConfigError, match="features for 3 processes were expected; found 64; choose a multiple of 3"):
        Shards(0, 3).block(64)
    assert ALONE.block(7) == (0, 7)
    groups = ((0, 10), (10, 40), (40, 64))
    assert groups_here(groups, 0, 32) == ((0, 10), (10, 32), (32, 32))
    assert groups_here(groups, 32, 64) == ((0, 0), (0, 8), (8, 32))
