"""The untrained model of the command line's tests, and a folder of text that it can read."""

import json
from pathlib import Path
from random import Random

import pytest

from gearscope.organism.world.phenomena import draw
from tests.cli.conftest import untrained

__all__ = ["texts", "untrained"]


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of the world in plain text and JSON lines: a corpus from outside, as far as recipes know."""
    folder, rng = tmp_path_factory.mktemp("texts"), Random(0)
    documents = [" ".join(draw("addition", "train", rng).words) + "\n" for _ in range(600)]
    (folder / "a.txt").write_text("".join(documents[:300]))
    (folder / "b.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in documents[300:]))
    return folder
