"""One small library for the tests that only read."""

import pytest

from tests.features.tiny import tiny_library


@pytest.fixture(scope="session")
def read_only(tmp_path_factory):
    """A `tiny_library` that no test may write to."""
    with tiny_library(tmp_path_factory.mktemp("tiny") / "lib") as opened:
        yield opened


@pytest.fixture
def library(tmp_path):
    """A `tiny_library` of one's own."""
    with tiny_library(tmp_path / "lib") as opened:
        yield opened
