"""A model folder like the bundled one, untrained, so that the doors are tested without half an hour of training."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gearscope.cli.main import main
from gearscope.organism.config import OrganismConfig
from gearscope.organism.model import untrained_model
from gearscope.organism.tokenizer import build_tokenizer


class Outcome(NamedTuple):
    """What one command line did."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untrained")
    config = OrganismConfig(n_layers=2, d_model=32, d_mlp=48)
    untrained_model(config).save_pretrained(folder)
    build_tokenizer(config.context).save_pretrained(folder)
    return folder


@pytest.fixture
def gearscope(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run one command line in this process."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(list(arguments))
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run
